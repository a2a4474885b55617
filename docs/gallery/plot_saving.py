"""
Saving, loading, and a file that was tampered with
==================================================

A model file holds weights, arrays and settings: nothing in it is executed when it is loaded. It
is written whole or not at all, and one changed bit is enough to be refused.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import Pipeline

import skhep_anomaly
from skhep_anomaly import FlowOutlierDetector, ModelFileError, make_moons_anomalies

data = make_moons_anomalies(1500, 300, random_state=0)
flow = FlowOutlierDetector(
    noise=None, score_kind="log_density", max_epochs=200, contamination=0.05, random_state=0
)
flow.fit(data.X[data.y == 0])

# %%
# Save and load
# -------------
# The loaded detector gives bitwise the scores of the saved one.
path = Path(tempfile.mkdtemp()) / "flow.skhep"
flow.save(path)
loaded = skhep_anomaly.load(path)
print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
print("scores equal:", np.array_equal(loaded.score_samples(data.X), flow.score_samples(data.X)))

# %%
# What the loaded model says of the plane, with the rows that it was trained on.
grid = np.stack(np.meshgrid(np.linspace(-2, 3, 160), np.linspace(-1.5, 2, 130)), axis=-1)
score = loaded.score_samples(grid.reshape(-1, 2).astype(np.float32)).reshape(grid.shape[:2])
figure, ax = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
image = ax.contourf(
    grid[..., 0], grid[..., 1], score, np.linspace(-8, 0, 17), cmap="Blues", extend="both"
)
ax.contour(
    grid[..., 0], grid[..., 1], score, levels=[loaded.offset_], colors="#d55e00", linestyles="-"
)
rows = data.X[data.y == 0][:400]
ax.scatter(*rows.T, s=4, color="0.2", linewidths=0)
figure.colorbar(image, label="score: log density [nats]")
ax.set(xlabel="x", ylabel="y", title="inside the line: predicted +1")
plt.show()

# %%
# One bit
# -------
damaged = bytearray(path.read_bytes())
damaged[len(damaged) // 2] ^= 1
other = path.with_name("damaged.skhep")
other.write_bytes(damaged)
try:
    skhep_anomaly.load(other)
except ModelFileError as error:
    print(str(error).replace(str(other.parent), "…"))

# %%
# What cannot be stored without pickle is named, and nothing is written.
try:
    FlowOutlierDetector(threshold=np.median, max_epochs=1).fit(data.X).save(path)
except TypeError as error:
    print(error)

# %%
# Pickle and ``clone`` work as with any estimator, in a `Pipeline` too; use them for your own files
# only.
print(Pipeline([("detect", flow)]).predict(data.X[:5]))
