"""Simulate Geant4 showers with the gun of the paper into npz files in the schools' format.

    python benchmarks/simulate_showers.py FOLDER SEED [SEED …] [--showers 1500] [--jobs 1]

One file e_SEED.npz for each seed: EnergyDeposit (n, 30, 30) MeV, Layer (n, 66) MeV,
ParticleMomentum (n, 3) GeV, ParticlePoint (n, 2) cm, Energy GeV, cpu s. Files that exist are left
alone. Needs the extra geant4 and Geant4's data sets; about 0.15 s of CPU time for a shower.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _record import told

from skhep_anomaly import simulate_geant4
from skhep_anomaly._atomic import replacing


def main(folder: Path, seeds: list[int], n: int, jobs: int) -> None:
    for seed in seeds:
        path = folder / f"e_{seed}.npz"
        if path.exists():
            told(f"{path} is there")
            continue
        showers = simulate_geant4(n, layers=True, n_jobs=jobs, random_state=seed)
        momentum = showers.X[:, :3]
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                EnergyDeposit=showers.images,
                Layer=showers.layers,
                ParticleMomentum=momentum.astype(np.float32),
                ParticlePoint=showers.X[:, 3:].astype(np.float32),
                Energy=np.linalg.norm(momentum, axis=1).astype(np.float32),
                cpu=showers.cpu.astype(np.float32),
            )
        told(f"{path}: {n} showers, {showers.cpu.mean():.3f} s of CPU time each")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--showers", type=int, default=1500)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    main(given.folder, given.seeds, given.showers, given.jobs)
