"""
Calorimeter showers: real and generated
=======================================

Geant4 needs 150 milliseconds for an average shower here. A generator that comes with the package
has learnt from such showers and makes thousands in a second. Does it make the same ones?
"""

# %%
import time

import numpy as np

from skhep_anomaly import (
    CaloGANGenerator,
    ShowerHistogramDisplay,
    ShowerImageDisplay,
    load_geant4_showers,
    make_toy_showers,
    shower_report,
)

# %%
# Real showers, and as many generated ones
# ----------------------------------------
# 2,000 electrons of 1 to 100 GeV hit the middle of a calorimeter of 30 × 30 cells, at angles of
# some 20°. Conditions are momentum [GeV] and entry point [cm]; images are deposits [MeV]. The
# generator is asked for one shower under the conditions of each real one. (These showers were among
# those that it has learnt from; the benchmark pages quote others.)
showers = load_geant4_showers()
generator = CaloGANGenerator.pretrained()
start = time.perf_counter()
made = generator.sample(showers.X, random_state=0)
print(f"{len(made) / (time.perf_counter() - start):,.0f} showers per second")

# %%
# One by one
# ----------
# Above from Geant4, below generated under the same conditions. The circle is where the electron
# enters the face, the cross where its axis is 12 cm deep. No two showers are alike: what has to
# agree is the kind of their differences.
names = ("Geant4", "generated")
ShowerImageDisplay.from_showers(showers.images, made, showers.X, names=names)

# %%
# The mean shower
# ---------------
# Both means on one colour scale, their ratio, and the means of columns and rows. As each pair
# shares its conditions, the errors of the ratio count only what the showers themselves fluctuate.
# "+" and "−" mark cells that are off by more than three standard deviations.
ShowerImageDisplay.from_images(showers.images, made, showers.X, names=names)

# %%
# What physicists look at
# -----------------------
# A good mean is easily had. Observables of single showers are harder, each relative to its own
# particle. Beside the generator stands GFLASH, the classical parametrisation of showers. The
# numbers are W₁/sd, the distance of two distributions in units of the real one's spread; the floor
# is what two samples of Geant4 show.
toys = make_toy_showers(conditions=showers.X, random_state=0)
ShowerHistogramDisplay.from_images(
    showers.images, {"generated": made, "GFLASH": toys.images}, showers.X, names=("Geant4", "")
)

# %%
# In one report
# -------------
# Classifiers that try to tell real from generated showers (0.5: they cannot), and distances, with
# errors and with the floor, real against real.
print(shower_report(showers.images, made, showers.X, random_state=0))

# %%
# A beam of one's own
# -------------------
# Conditions are free: 20 GeV electrons, straight ahead and at 31°, a thousand of each.
ahead, tilted = np.tile([[0, 0, 20, 0, 0]], (1000, 1)), np.tile([[10.3, 0, 17.1, 0, 0]], (1000, 1))
beams = generator.sample(np.vstack([ahead, tilted]), random_state=1)
ShowerImageDisplay.from_images(
    beams,
    groups=np.repeat(["straight", "tilted"], 1000),
    group_name="beam",
    names=("generated", ""),
)
