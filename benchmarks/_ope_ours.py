"""Our methods for the (1+ε)-class tables, by name; they take part as soon as the package has them.

`ope(**parameters)` is OPEClassifier in float32 with everything else as it comes: fitted on normal
rows and known anomalies (y in {0, 1}), at K = 0 on the normal rows without y. eps = 1 is plain
cross-entropy of the same net, its weight decay tuned like every peer's setting (seed 100: .03 has
the highest mean AUC, .760; none: .703); it has nothing to learn from at K = 0. A name is "family,
setting", as in `_ope_peers.py`.
"""

from __future__ import annotations

from typing import Any

from _ope_peers import CANDIDATES as CANDIDATES_OF_PEERS
from _ope_peers import Method

import skhep_anomaly


def ope(sees: str = "both", **parameters: Any) -> Method:
    return Method(
        lambda n, k, seed: skhep_anomaly.OPEClassifier(
            random_state=seed, dtype="float32", **parameters
        ),
        sees,
        "raw",
    )


def trees(depth: int | None = None, penalty: float = 1.0, **parameters: Any) -> Method:
    """OPEClassifier around boosted trees: those that are quoted as a peer, or 200 of a depth.

    The known anomalies together weigh as much as thousands of normal rows here, so that XGBoost's
    usual penalty of 1 on leaf values is next to none.
    """

    def make(n: int, k: int, seed: int) -> Any:
        estimator = CANDIDATES_OF_PEERS[BEST_TREES].make(n, k, seed)
        estimator.set_params(random_state=None)  # each member has a seed of its own
        if depth is not None:
            estimator.set_params(max_depth=depth, n_estimators=200, learning_rate=0.05)
            estimator.set_params(reg_lambda=penalty)
        return skhep_anomaly.OPEClassifier(estimator=estimator, random_state=seed, **parameters)

    return Method(make, "both", "raw")


BEST_TREES = "XGBoost, 400 x depth 4 rate .025 halves"
DECAYS = {"0": 0.0, "1e-4": 1e-4, "1e-3": 1e-3, "1e-2": 1e-2, "3e-2": 3e-2, "1e-1": 1e-1}
SAMPLERS = ("uniform", "swap", "hmc", "rmsprop", "deep", "flow")
CANDIDATES: dict[str, Method] = {
    **{
        f"cross-entropy, decay {name}": ope("labels", eps=1, weight_decay=decay)
        for name, decay in DECAYS.items()
    },
    **{f"OPE {name}, as it comes": ope(sampler=name) for name in SAMPLERS},
    **{
        f"OPE {name}, trees eps {eps:g}": trees(sampler=name, eps=eps)
        for name in ("uniform", "swap")
        for eps in (0.5, 0.8, 0.9)
    },
    **{
        f"OPE uniform, trees eps {eps:g}, mean of 5": trees(eps=eps, n_members=5)
        for eps in (0.5, 0.8, 0.9)
    },
    **{
        f"OPE uniform, trees depth 3 eps {eps:g}, mean of 5": trees(3, eps=eps, n_members=5)
        for eps in (0.8, 0.9)
    },
    **{
        f"OPE trees, depth {depth} eps {eps:g} penalty 100, mean of 5": trees(
            depth, 100.0, eps=eps, n_members=5
        )
        for depth, eps in ((3, 0.9), (3, 0.95), (4, 0.99))
    },
    "OPE corrected, net": ope(reference="gmm"),
    "OPE corrected, trees eps 0.5": trees(reference="gmm"),
    "OPE corrected, trees ridge .1": trees(reference="gmm", sampler_params={"reg_covar": 0.1}),
}
FIXED = "OPE trees, depth 3 eps 0.95 penalty 100, mean of 5"  # held against all peers
QUOTED: list[str] = [
    "cross-entropy, decay 3e-2",
    FIXED,
    "OPE corrected, net",
    "OPE corrected, trees ridge .1",
    *(f"OPE {name}, as it comes" for name in ("uniform", "hmc", "rmsprop", "deep")),
]


def available() -> bool:
    """Whether this version of the package has the classifier."""
    return hasattr(skhep_anomaly, "OPEClassifier")
