"""The process that holds Geant4: python _geant4_worker.py JOB.npz RESULT.npz.

Geant4 has one run manager a process and global state, so it never runs in the caller's process.
This file is started by its path and imports nothing of the package. The job is an npz of
conditions, seeds and geometry; the result an npz of images, energies by layer and CPU seconds.

    lead | scintillator | lead | scintillator | …      66 times along z, the face at z = 0

The scintillator of each layer is divided into cells, and Geant4's own scorer sums the deposits of
a cell. Standard electromagnetic physics (G4EmStandardPhysics), production cut 0.7 mm, no field,
vacuum around. Each shower starts from its own four seeds, whatever came before it.
"""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np

MM_PER_CM, MEV_PER_GEV = 10.0, 1000.0


def main(job_path: str, result_path: str) -> None:
    """Simulate the job and leave at once: Geant4's own clean-up is not safe under Python."""
    with np.load(job_path, allow_pickle=False) as file:
        job = {name: file[name] for name in file.files}
    result = simulate(job)
    with open(result_path, "wb") as file:
        np.savez(file, allow_pickle=False, **result)
    sys.stdout.flush()
    os._exit(0)


def simulate(job: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run every shower of the job."""
    g4 = import_module("geant4_pybind")
    detector = _detector(g4, job)
    physics = g4.G4VModularPhysicsList()
    physics.RegisterPhysics(g4.G4EmStandardPhysics())
    actions, record = _actions(g4, job)
    manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
    for part in (detector, physics, actions):
        manager.SetUserInitialization(part)
    manager.Initialize()
    manager.BeamOn(len(job["conditions"]))
    return record


def _sizes(job: dict[str, np.ndarray]) -> tuple[int, int, int]:
    nx, ny = (int(size) for size in job["shape"])
    return nx, ny, int(job["n_layers"])


def _detector(g4: Any, job: dict[str, np.ndarray]) -> Any:
    """Layers of lead and scintillator in vacuum, the scintillator cut into cells."""
    nx, ny, n_layers = _sizes(job)
    cell, lead, plastic = (
        MM_PER_CM * float(job[name]) for name in ("cell", "absorber", "scintillator")
    )
    width, height, depth = nx * cell / 2, ny * cell / 2, n_layers * (lead + plastic) / 2

    class Calorimeter(g4.G4VUserDetectorConstruction):
        def Construct(self) -> Any:  # noqa: N802 - Geant4's name
            materials = g4.G4NistManager.Instance()
            vacuum = materials.FindOrBuildMaterial("G4_Galactic")
            absorber = materials.FindOrBuildMaterial("G4_Pb")
            active = materials.FindOrBuildMaterial("G4_PLASTIC_SC_VINYLTOLUENE")
            self.kept = [materials]  # Python must not delete what Geant4 uses

            def volume(name: str, material: Any, *half: float) -> Any:
                self.kept.append(g4.G4LogicalVolume(g4.G4Box(name, *half), material, name))
                return self.kept[-1]

            def place(what: Any, z: float, where: Any, copy: int) -> Any:
                at = g4.G4ThreeVector(0.0, 0.0, z)
                self.kept.append(
                    g4.G4PVPlacement(None, at, what, what.GetName(), where, False, copy, False)
                )
                return self.kept[-1]

            room = 2 * max(width, height, depth) + 100.0
            world = volume("world", vacuum, room, room, room)
            lead_layer = volume("lead", absorber, width, height, lead / 2)
            layer = volume("layer", active, width, height, plastic / 2)
            column = volume("column", active, cell / 2, height, plastic / 2)
            self.cell = volume("cell", active, cell / 2, cell / 2, plastic / 2)
            self.kept.append(g4.G4PVReplica("column", column, layer, g4.EAxis.kXAxis, nx, cell))
            self.kept.append(g4.G4PVReplica("cell", self.cell, column, g4.EAxis.kYAxis, ny, cell))
            for k in range(n_layers):
                front = k * (lead + plastic)
                place(lead_layer, front + lead / 2, world, k)
                place(layer, front + lead + plastic / 2, world, k)
            return place(world, 0.0, None, 0)

        def ConstructSDandField(self) -> None:  # noqa: N802 - Geant4's name
            self.scorer = g4.G4MultiFunctionalDetector("calorimeter")
            # copy numbers: the cell's along y (depth 0), the column's along x, the layer's
            self.deposit = g4.G4PSEnergyDeposit3D("deposit", nx, ny, n_layers, 1, 0, 2)
            self.scorer.RegisterPrimitive(self.deposit)
            g4.G4SDManager.GetSDMpointer().AddNewDetector(self.scorer)
            self.SetSensitiveDetector(self.cell, self.scorer)

    return Calorimeter()


def _actions(g4: Any, job: dict[str, np.ndarray]) -> tuple[Any, dict[str, np.ndarray]]:
    """Make the gun and the record of what is kept of each event."""
    conditions, seeds = job["conditions"], job["seeds"].tolist()
    nx, ny, n_layers = _sizes(job)
    n = len(conditions)
    record: dict[str, np.ndarray] = {
        "images": np.zeros((n, nx, ny), dtype=np.float32),
        "layers": np.zeros((n, n_layers), dtype=np.float32),
        "cpu": np.zeros(n),
    }
    parent = os.getppid()

    class Gun(g4.G4VUserPrimaryGeneratorAction):
        def __init__(self) -> None:
            super().__init__()
            self.gun = g4.G4ParticleGun(1)
            table = g4.G4ParticleTable.GetParticleTable()
            self.gun.SetParticleDefinition(table.FindParticle("e-"))

        def GeneratePrimaries(self, event: Any) -> None:  # noqa: N802 - Geant4's name
            row = event.GetEventID()
            *momentum, x, y = conditions[row].tolist()
            g4.G4Random.setTheSeeds([*seeds[row], 0])
            self.gun.SetParticleMomentumDirection(g4.G4ThreeVector(*momentum))
            self.gun.SetParticleEnergy(MEV_PER_GEV * float(np.linalg.norm(momentum)))
            at_face = g4.G4ThreeVector(MM_PER_CM * x, MM_PER_CM * y, -1e-6)
            self.gun.SetParticlePosition(at_face)
            self.gun.GeneratePrimaryVertex(event)

    class Event(g4.G4UserEventAction):
        def BeginOfEventAction(self, event: Any) -> None:  # noqa: N802 - Geant4's name
            if os.getppid() != parent:  # whoever asked is gone
                os._exit(1)
            self.start = time.process_time()

        def EndOfEventAction(self, event: Any) -> None:  # noqa: N802 - Geant4's name
            deposits = np.zeros(nx * ny * n_layers)
            for index, energy in event.GetHCofThisEvent().GetHC(0):
                deposits[index] = energy
            row, cube = event.GetEventID(), deposits.reshape(nx, ny, n_layers)
            record["images"][row] = cube.sum(axis=2)
            record["layers"][row] = cube.sum(axis=(0, 1))
            record["cpu"][row] = time.process_time() - self.start

    class Actions(g4.G4VUserActionInitialization):
        def Build(self) -> None:  # noqa: N802 - Geant4's name
            self.kept = [Gun(), Event()]
            for action in self.kept:
                self.SetUserAction(action)

    return Actions(), record


if __name__ == "__main__":
    main(*sys.argv[1:])
