"""
One slider from one-class to two-class
======================================

Fifteen known anomalies of one kind, and others that nobody has seen yet. A two-class classifier
learns the known kind and is open to all others; a one-class model ignores what is known.
(1+ε)-class classification has a slider between them.
"""

# %%
import time

import numpy as np

from skhep_anomaly import (
    DensityLevelDisplay,
    EpsilonScanDisplay,
    OPEClassifier,
    baselines,
    make_moons_anomalies,
    weighted_roc_auc,
)

# %%
# Two moons and a bump
# --------------------
# Normal events are two moons. The known anomalies are a bump on top of one of them, as a resonance
# sits on its background: where most of them lie, normal events are dense. For the test there are
# 500 more of the bump, and 500 of kinds that are not in the training sample: a ring, a line, and
# some anywhere around the moons.
bump = np.random.default_rng(0).normal([0.0, 1.0], 0.1, size=(515, 2))
normal = make_moons_anomalies(1000, 0, noise=0.2, random_state=0).X
test = make_moons_anomalies(1000, 500, kinds=["ring", "line", "uniform"], noise=0.2, random_state=1)

X = np.concatenate([normal, bump[:15]]).astype(np.float32)
y = np.repeat([0, 1], [1000, 15])
X_test = np.concatenate([test.X, bump[15:]]).astype(np.float32)
y_test = np.append(test.y, np.ones(500, dtype=int))
kind_test = np.append(test.kind, np.full(500, "bump"))

# %%
# The slider
# ----------
# At each ε three nets are trained, on the normal events, on the known anomalies with weight ε, and
# on pseudo-anomalies with weight 1 − ε, drawn uniformly in a box around the data. Each kind of test
# anomaly is judged against the normal test events. Weight decay is below the default here: a toy in
# two dimensions has sharper structure than most tables.
settings = {"weight_decay": 1e-3, "max_iter": 800}
scan = EpsilonScanDisplay.from_estimator(
    OPEClassifier(**settings),
    X,
    y,
    X_test,
    y_test,
    kind_test=kind_test,
    known_kinds="bump",
)

# %%
# Both ends are bad, each in its way. At ε = 0 the fifteen labels are not used, and events of the
# bump look more normal than most. At ε = 1 what lies far out is called normal, because no anomaly
# was there. Between 0.3 and 0.8 little is lost on either side: the default of 0.5 is no delicate
# choice.
print("   ε   known kinds     unseen kinds")
for i, eps in enumerate(scan.eps):
    columns = (f"{scan.mean[group][i]:.3f} ± {scan.std[group][i]:.3f}" for group in scan.mean)
    print(f"{eps:4.1f}  ", "   ".join(columns))

# %%
# Who draws the pseudo-anomalies?
# -------------------------------
# Uniform ones serve in two dimensions. In many, nearly all of the box is far from the data, and
# samplers that follow the net, to where it still says "normal", have more to tell: Hamiltonian
# Monte Carlo, Langevin steps scaled as in RMSProp, or a generator that is trained beside the net
# ("deep"). DeepSVDD, a one-class detector of others, sees no labels at all.
models = {
    "two-class (ε = 1)": OPEClassifier(1.0, **settings, random_state=0),
    "DeepSVDD": baselines(random_state=0)["DeepSVDD"],
    "uniform (ε = ½)": OPEClassifier(0.5, "uniform", **settings, random_state=0),
    "HMC (ε = ½)": OPEClassifier(0.5, "hmc", **settings, random_state=0),
    "RMSProp (ε = ½)": OPEClassifier(0.5, "rmsprop", **settings, random_state=0),
    "Deep (ε = ½)": OPEClassifier(0.5, "deep", **settings, random_state=0),
}
known, unseen = (y_test == 0) | (kind_test == "bump"), kind_test != "bump"
print("                      known  unseen  seconds")
for name, model in models.items():
    start = time.perf_counter()
    if name == "DeepSVDD":
        model.fit(X[y == 0])
    else:
        model.fit(X, y)
    seconds = time.perf_counter() - start
    score = -model.score_samples(X_test)
    areas = (weighted_roc_auc(y_test[rows], score[rows]) for rows in (known, unseen))
    print(f"{name:20}", *(f"{area:7.3f}" for area in areas), f"{seconds:7.1f}")

# %%
# Where each model ends what it takes for normal
# ----------------------------------------------
# Scores of different methods cannot be compared; the share of normal events that a region holds
# can. The two-class model cuts out the bump and leaves its regions open towards all that it has
# never seen. DeepSVDD closes them, with the bump inside. The (1+ε)-class models do both. For
# "two-class" and "uniform" the line is where the odds are even; energy samplers have no such point,
# and their line, as DeepSVDD's, leaves a tenth of the normal events outside.
DensityLevelDisplay.from_estimators(
    models, X, y, limits=((-2.2, 3.2), (-2.0, 2.5)), names=["$x_1$", "$x_2$"]
)
