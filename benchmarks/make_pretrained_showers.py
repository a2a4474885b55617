"""Train the generator of showers that ships with the package.

    python benchmarks/make_pretrained_showers.py [--target FILE.skhep] [--model FILE.skhep]

The default recipe with a fixed seed on the 11,700 showers of TRAIN and CHOICE (`_shower_data.py`);
the 3,000 of TEST, on which its scores are quoted, stay unseen. --model takes one that was trained
so already. Training takes about ten minutes of one core; with the same versions, machine and
number of threads the showers are the same to the last bit.
The file is read back and must make the same showers before it takes its place, and a `README.md`
beside it says where it comes from.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from _record import told
from _shower_data import CHOICE, TEST, TRAIN, Showers, join, read

from skhep_anomaly import CaloGANGenerator, load
from skhep_anomaly._atomic import replacing, write_atomically
from skhep_anomaly.report import package_versions

TARGET = Path(__file__).parents[1] / "skhep_anomaly" / "generators" / "data" / "calogan_e.skhep"
SEED = 0
MOST_BYTES = 4_000_000

README = """\
# Models that ship with the package

`{name}` ({size:,} bytes): the default `CaloGANGenerator`, trained on {n:,} electron
showers; read by `CaloGANGenerator.pretrained()`.

- Trained on: {trained}.
- Not seen, and used for the quoted scores: {test}.
- Showers: e⁻, dN/dE ~ 1/E in 1–100 GeV, slopes N(0, 0.35) and N(0, 0.175), spot ±0.5 cm, on
  66 × (2 mm lead + 4 mm scintillator), 30 × 30 cells of 2.02 cm, energies in MeV. Outside of these
  conditions its showers are guesses, and it warns.
- How made: `python benchmarks/make_pretrained_showers.py`, `random_state={seed}`,
  with {versions}.
- Content: weights and scales in safetensors, and {kept:,} conditions (no shower), from which
  `sample(n)` draws; nothing in it can run code.

Source of the showers: simulated for this project with Geant4 11.4 (S. Agostinelli et al., Nuclear
Instruments and Methods A 506 (2003) 250; Geant4 Software License) in the set-up of V. Chekalina et
al., arXiv:1812.01319. Licence of the model: that of the package.
"""


def train(showers: Showers) -> CaloGANGenerator:
    """Give the trained generator."""
    start = time.process_time()
    model = CaloGANGenerator(random_state=SEED).fit(showers.X, showers.images)
    told(f"trained on {len(showers)} showers in {time.process_time() - start:.0f} CPU-s")
    return model


def check_kind(model: CaloGANGenerator) -> None:
    """Stop unless it is the default recipe with the seed of this script."""
    wanted = CaloGANGenerator(random_state=SEED).get_params()
    other = {name: value for name, value in model.get_params().items() if value != wanted[name]}
    if other:
        sys.exit(f"not the default recipe: {other}")


def check_conditions(model: CaloGANGenerator, X: np.ndarray) -> None:
    """Stop if the model remembers conditions that are not among those of its training."""
    known = {row.tobytes() for row in X.astype(np.float32)}
    if not all(row.tobytes() in known for row in model.conditions_):
        sys.exit("the model was trained on other showers than TRAIN and CHOICE")


def store(model: CaloGANGenerator, target: Path, X: np.ndarray) -> int:
    """Write the model; the file must be small and make the same showers. Give its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / target.name
        model.save(file)
        size = file.stat().st_size
        if size > MOST_BYTES:
            sys.exit(f"{size} bytes, more than {MOST_BYTES}")
        again = load(file).sample(X, random_state=1)
        if not np.array_equal(again, model.sample(X, random_state=1)):
            sys.exit("the file makes other showers than the model")
        with replacing(target) as temporary:
            shutil.copyfile(file, temporary)
    return size


def write_readme(model: CaloGANGenerator, target: Path, size: int, n: int) -> None:
    """Say where the model comes from."""
    versions = package_versions()
    text = README.format(
        name=target.name,
        size=size,
        n=n,
        trained=", ".join((*TRAIN, *CHOICE)),
        test=", ".join(TEST),
        seed=SEED,
        versions=", ".join(f"{name} {versions[name]}" for name in ("numpy", "torch", "skorch")),
        kept=len(model.conditions_),
    )
    write_atomically(target.parent / "README.md", text.encode())


def main() -> None:
    """Train or take, check, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--model", type=Path, help="a model that was trained so already")
    options = parser.parse_args()
    torch.set_num_threads(1)
    showers = join([read(TRAIN), read(CHOICE)])
    model = train(showers) if options.model is None else load(options.model)
    check_kind(model)
    check_conditions(model, showers.X)
    size = store(model, options.target, read(TEST).X[:300])
    write_readme(model, options.target, size, len(showers))
    print(f"{options.target}: {size:,} bytes")


if __name__ == "__main__":
    main()
