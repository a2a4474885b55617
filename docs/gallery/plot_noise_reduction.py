"""
Taking noise off events
=======================

An autoencoder that was trained to give back the clean row from a noisy one removes noise. It can,
because the quantities of an event depend on each other: a mass is known from momenta and angles.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from skhep_anomaly import AEOutlierDetector, load_higgsml

# %%
# Background events with one jet, without angles. Columns that are undefined or constant for them
# are left out, so that nothing is filled.
events = load_higgsml(drop_phi=True)
jets = events.feature_names.index("PRI_jet_num")
mmc = events.feature_names.index("DER_mass_MMC")
chosen = (events.y == 0) & (events.X[:, jets] == 1) & (events.X[:, mmc] != -999)
X = events.X[chosen]
columns = X.std(axis=0) > 0
names = np.array(events.feature_names)[columns].tolist()
X, X_test = X[:2000, columns], X[2000:, columns]
print(len(X), "events to train on,", len(X_test), "to test")

# %%
# The default autoencoder learns all noise levels between .1 and 1 standard deviations at once.
# `reconstruct` is told how noisy its rows are.
model = AEOutlierDetector(max_epochs=150, random_state=0).fit(X)

level = 0.5
width = X.std(axis=0)
rng = np.random.default_rng(0)
noisy = X_test + level * width * rng.normal(size=X_test.shape).astype(np.float32)
clean = model.reconstruct(noisy, noise_level=level)

# %%
# What is left of the noise, in standard deviations of each quantity (root mean square). Sums and
# masses, which other columns know as well, gain most; what stands alone keeps its noise.
left = np.sqrt(np.mean(((clean - X_test) / width) ** 2, axis=0))
order = np.argsort(left)
figure, ax = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
ax.barh([names[i] for i in order], left[order], color="#3b6ea5")
ax.axvline(level, color="0.3", linestyle="--", label="noise put on")
ax.invert_yaxis()
ax.set_xlabel("noise left [standard deviations]")
figure.legend(loc="outside upper right", frameon=False)
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# One quantity, event by event.
i = names.index("DER_sum_pt")
figure, axes = plt.subplots(1, 2, figsize=(8, 3.9), layout="constrained", sharex=True, sharey=True)
for ax, values, title in zip(axes, (noisy, clean), ("noisy", "noise removed"), strict=True):
    ax.scatter(X_test[:, i], values[:, i], s=6, alpha=0.5, linewidths=0, color="#3b6ea5")
    ax.plot([50, 500], [50, 500], color="0.3", linewidth=1)
    ax.set(xlabel="true scalar sum of $p_T$ [GeV]", title=title, xlim=(50, 500), ylim=(0, 500))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("value [GeV]")
plt.show()
