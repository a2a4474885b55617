"""Two-sample test by a classifier: what tells generated rows from real ones.

A classifier learns "generated" against "real" on a part of the rows and scores the rest; the area
under its ROC curve there is ½ for samples of one distribution, and for the best classifier

    AUC = P(score of a generated row > score of a real row)

It is a lower bound: another classifier may see more. What makes it lie, and the answer to each:

- *copies*: mirrored or repeated showers on both sides of a fold are recognised, not told apart
  (real against real reads .94 then). Rows of one group, real or generated, share a fold.
- *pairs*: a real and a generated shower of one condition in different folds push the AUC below ½,
  the training half's label being the wrong one. Same answer: the condition is the group.
- *turning round*: max(AUC, 1 − AUC) makes ½ + noise out of ½. An AUC below ½ stays below.
- *few rows*: a classifier of 900 cells learns nothing from 700. Compare thousands.

Source: D. Lopez-Paz, M. Oquab, "Revisiting classifier two-sample tests", arXiv:1610.06545.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skhep_anomaly._random import numpy_generator, seed_sequence
from skhep_anomaly.metrics.roc import delong_roc_auc
from skhep_anomaly.metrics.sample_pair import SamplePair, check_number, read_pair
from skhep_anomaly.metrics.two_sample_models import make_classifier, score_of_fake

__all__ = ["ClassifierAUC", "classifier_auc"]


class ClassifierAUC(NamedTuple):
    """Mean AUC over the folds, its standard error, and what it was made of."""

    auc: float
    std: float
    folds: NDArray[np.float64]
    score_real: NDArray[np.float64]
    score_fake: NDArray[np.float64]


def classifier_auc(
    real: Any,
    fake: Any,
    *,
    groups: Any = None,
    model: Any = "trees",
    n_splits: int = 5,
    weight_real: Any = None,
    weight_fake: Any = None,
    random_state: Any = None,
) -> ClassifierAUC:
    """Give the AUC of a classifier trained to tell generated rows from real ones.

    Every row is scored by a classifier that has not seen it, nor any row of its group; the AUC is
    the mean over the folds.

    Parameters
    ----------
    real : array-like of shape (n_real, k)
        Features of the real sample; more dimensions are flattened.
    fake : array-like of shape (n_fake, k)
        The same features of the generated sample.
    groups : array-like of shape (n,) or pair of arrays, default=None
        Rows of one group share a fold. One array serves samples of equal length, row i of both
        belonging together (the same condition); a pair ``(groups_real, groups_fake)`` any others.
        None: each row stands alone, which is wrong where conditions or showers repeat.
    model : {"trees", "mlp", "logistic"} or classifier, default="trees"
        Gradient-boosted trees; a network of three layers on standardised columns; logistic
        regression; or any scikit-learn classifier with ``predict_proba`` or ``decision_function``,
        which is cloned.
    n_splits : int, default=5
        Folds; more of them leave more rows to learn from, at more time.
    weight_real : array-like of shape (n_real,), default=None
        Weights ≥ 0, used in training and in the AUC.
    weight_fake : array-like of shape (n_fake,), default=None
        The same for the generated sample.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the folds and of the classifier.

    Returns
    -------
    ClassifierAUC
        ``auc``; ``std``, DeLong's error of the folds' mean; ``folds``; ``score_real`` and
        ``score_fake``, each row's score by the fold that left it out (higher = more
        generated-like; scales of different folds need not agree).

    Raises
    ------
    ValueError
        If samples, weights or groups do not fit together, groups are fewer than folds, a fold lacks
        real or generated rows, or `model` is unknown.

    Notes
    -----
    ``std`` is the error from the finite number of scored rows; it does not know how another
    training sample would have moved the classifier, which ``folds`` show. 3,000 against 3,000
    showers of 900 cells take some 15 s of one core with trees and as long with the network.

    References
    ----------
    D. Lopez-Paz, M. Oquab, arXiv:1610.06545.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import classifier_auc
    >>> rng = np.random.default_rng(0)
    >>> real, fake = rng.normal(0, 1, (1000, 1)), rng.normal(1, 1, (1000, 1))
    >>> test = classifier_auc(real, fake, model="logistic", random_state=0)
    >>> bool(abs(test.auc - 0.7602) < 3 * test.std)  # Φ(1/√2)
    True
    """
    pair = read_pair(real, fake, weight_real, weight_fake)
    n_splits = check_number("n_splits", n_splits, 2)
    seeds = seed_sequence(random_state).spawn(2)
    fold_real, fold_fake = _folds(pair, groups, n_splits, seeds[0])
    classifier = make_classifier(model, int(seeds[1].generate_state(1)[0] % 2**31))
    label = np.repeat([False, True], [len(pair.real), len(pair.fake)])
    rows, fold = np.concatenate([pair.real, pair.fake]), np.concatenate([fold_real, fold_fake])
    weight = np.concatenate([pair.weight_real, pair.weight_fake]) if pair.weighted else None
    score = np.empty(len(rows))
    parts = []
    for number in range(n_splits):
        test = fold == number
        score[test] = score_of_fake(classifier, rows, label, weight, test)
        parts.append(
            delong_roc_auc(label[test], score[test], None if weight is None else weight[test])
        )
    values = np.array([part.value for part in parts])
    std = np.sqrt(np.sum([part.std**2 for part in parts])) / n_splits
    return ClassifierAUC(float(values.mean()), float(std), values, score[~label], score[label])


def _folds(
    pair: SamplePair, groups: Any, n_splits: int, seeds: np.random.SeedSequence
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give each row its fold: groups in random order, dealt out like cards."""
    rng = numpy_generator(seeds)
    if groups is None:
        folds = [rng.permutation(len(rows)) % n_splits for rows in (pair.real, pair.fake)]
    else:
        named = _read_groups(groups, len(pair.real), len(pair.fake))
        distinct, index = np.unique(np.concatenate(named), return_inverse=True)
        if len(distinct) < n_splits:
            raise ValueError(
                f"groups holds {len(distinct)} different groups, fewer than n_splits={n_splits}."
            )
        dealt = (rng.permutation(len(distinct)) % n_splits)[index]
        folds = [dealt[: len(pair.real)], dealt[len(pair.real) :]]
    fewest = min(np.bincount(fold, minlength=n_splits).min() for fold in folds)
    if fewest < 2:
        raise ValueError(
            f"With n_splits={n_splits} a fold gets {fewest} rows of a sample and the AUC needs two "
            "of each; lower n_splits, or give more rows or groups."
        )
    return folds[0], folds[1]


def _read_groups(groups: Any, n_real: int, n_fake: int) -> list[NDArray[Any]]:
    if isinstance(groups, tuple) and len(groups) == 2 and np.ndim(groups[0]) == 1:
        named = [np.asarray(part) for part in groups]
    else:
        named = [np.asarray(groups)] * 2
    lengths = [part.shape for part in named]
    if lengths != [(n_real,), (n_fake,)]:
        raise ValueError(
            f"groups has the shapes {lengths}, expected [({n_real},), ({n_fake},)]; give a pair "
            "(groups_real, groups_fake) where the samples differ in length."
        )
    return named
