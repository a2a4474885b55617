"""Ten million showers into a file: memory, a kill on the way, and the same showers however cut.

Every run is a process of its own, which says its peak memory (resident set) and the time it took:

- 30 × 30 cells, the model that ships with the package, 10⁴ and 2·10⁵ showers (0.72 GB);
- 4 × 4 cells around the centre, a small net, 10⁵, 10⁶ and 10⁷ showers (0.64 GB; with 30 × 30 cells
  they would fill 36 GB). The run of 10⁷ is killed (SIGKILL) on its way and resumed.

The sha256 of the resumed file is compared with that of the same sample made by `stream` in chunks
of 9,973 conditions, of which nothing is kept.

    python benchmarks/stream_showers.py
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import Record, told

from skhep_anomaly import CaloGANGenerator, load, load_geant4_showers

SEED, CHUNK = 5, 9_973
MILLION = 10**6
SETTINGS = {"seed": SEED, "chunk": CHUNK, "threads": 1, "small": [4, 4], "large": [30, 30]}


def small_model(path: Path) -> None:
    """Train a net of the 4 × 4 central cells for a moment: its showers need not be good."""
    bunch = load_geant4_showers()
    generator = CaloGANGenerator(
        shape=(4, 4), hidden_layer_sizes=(32,), latent_dim=8, max_epochs=2, random_state=0
    )
    generator.fit(bunch.X, bunch.images[:, 13:17, 13:17]).save(path)


def peak_mib() -> float:
    """Give the peak of this process's resident memory; getrusage would give the parent's, too."""
    status = Path("/proc/self/status").read_text("ascii")
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(kib) / 1024, 1)


def child(action: str, model: str, n: int, path: str) -> dict[str, Any]:
    """Do one run in this process and tell what it took."""
    torch.set_num_threads(1)
    generator = load(model) if model else CaloGANGenerator.pretrained()
    generator.sample(256, random_state=0)  # whatever is loaded at first use
    before = peak_mib()
    start, cpu = time.perf_counter(), time.process_time()
    digest = ""
    if action == "file":
        generator.sample(n, random_state=SEED, out=path, resume=True)
    else:
        found = hashlib.sha256()
        for showers in generator.stream(chunks(generator, n), random_state=SEED):
            found.update(np.ascontiguousarray(showers).data)
        digest = found.hexdigest()
    return {
        "showers": n,
        "wall_s": round(time.perf_counter() - start, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_mib_before": before,
        "peak_mib": peak_mib(),
        "sha256": digest,
    }


def chunks(generator: Any, n: int) -> Iterator[np.ndarray]:
    """Give the conditions of ``sample(n)`` in chunks that fit no block."""
    conditions = generator.sample_conditions(n, random_state=SEED)
    for low in range(0, n, CHUNK):
        yield conditions[low : low + CHUNK]


def started(*words: Any) -> subprocess.Popen[str]:
    """Start a run in another process."""
    command = [sys.executable, __file__, "--child", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run(*words: Any) -> dict[str, Any]:
    """Make a run in another process."""
    process = started(*words)
    answer, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{words} ended with {process.returncode}")
    return json.loads(answer)


def file_digest(path: Path) -> str:
    """Hash the showers of a .npy file."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        while part := stream.read(2**24):
            found.update(part)
    return found.hexdigest()


def kill_at(path: Path, journal: Path, model: Path, n: int, share: float) -> int:
    """Start a run and kill it once a share is on the disk; give how many showers are."""
    process = started("file", model, n, path)
    done = 0
    while done < share * n and process.poll() is None:
        time.sleep(0.2)
        if journal.exists():
            done = json.loads(journal.read_text("utf-8"))["done"]
    process.kill()
    process.wait()
    return int(json.loads(journal.read_text("utf-8"))["done"])


def main() -> None:
    """Make the runs that are not in the record."""
    record = Record("stream_showers", SETTINGS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, path = folder / "small.skhep", folder / "showers.npy"
        small_model(model)
        for key, which, n in (
            ("large 1e4", "", 10**4),
            ("large 2e5", "", 2 * 10**5),
            ("small 1e5", model, 10**5),
            ("small 1e6", model, MILLION),
        ):
            if key not in record:
                record.keep(**{key: run("file", which, n, path)})
                told(key, record.runs[key])
        key, n = "small 1e7, killed and resumed", 10 * MILLION
        if key not in record:
            journal = path.with_name(f"{path.name}.part.json")
            killed_at = [kill_at(path, journal, model, n, share) for share in (0.3, 0.6)]
            told("killed with", killed_at, "showers on the disk")
            resumed = run("file", model, n, path)
            resumed["killed_at"], resumed["sha256"] = killed_at, file_digest(path)
            record.keep(**{key: resumed})
            told(key, resumed)
        other = "small 1e7, streamed in chunks"
        if other not in record:
            record.keep(**{other: run("stream", model, n, path)})
            told(other, record.runs[other])
        same = record.runs[key]["sha256"] == record.runs[other]["sha256"]
        told("bitwise the same" if same else "NOT THE SAME")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        doing, of_model, how_many, where = sys.argv[2:]
        print(json.dumps(child(doing, of_model, int(how_many), where)))
    else:
        main()
