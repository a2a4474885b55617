"""PyOD's detectors as scikit-learn outlier detectors, and the other way round.

PyOD counts anomaly upwards and labels outliers 1; here normality counts upwards and outliers are
−1. The signs meet at this border only:

    score_samples = −decision_function of PyOD,    offset_ = quantile of −decision_scores_.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skhep_anomaly._random import seed_sequence
from skhep_anomaly._validation import Interval, InvalidParameterError, check_rows, check_weights
from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.outliers._offset import OffsetMixin, normality
from skhep_anomaly.outliers._streams import borrowed_streams, no_print
from skhep_anomaly.outliers._threshold import THRESHOLD_CONSTRAINTS, offset_from_scores
from skhep_anomaly.persistence import SaveMixin

__all__ = ["PyODAdapter", "as_pyod"]

_LARGEST_SCORE = 1e300
_MOST_COPIES = 10  # rows made by repeating, per row given


class PyODAdapter(SaveMixin, OffsetMixin, BaseEstimator):  # type: ignore[misc]
    """A PyOD detector that behaves like a scikit-learn outlier detector.

    Clones the detector in ``fit``, turns PyOD's signs and labels into scikit-learn's, checks names
    and number of columns (PyOD takes permuted columns without a word), keeps the global random
    streams of NumPy, torch and Python as they were, and puts torch modules into evaluation mode
    before scoring.

    Parameters
    ----------
    detector : PyOD detector or class of one
        An instance, or the class, which is then built in ``fit`` from `detector_params`.
    threshold : {"contamination", "percentile", "median", "mean"}, float or callable
        Rule for ``offset_`` from the training scores, default "contamination".
    percentile : float in [0, 100], default=40
        For ``threshold="percentile"``.
    contamination : float in (0, 0.5], "min" or None, default=None
        Share of training rows to flag. None: the detector's own ``contamination`` (PyOD: 0.1).
    standardize : bool, default=False
        Bring columns to mean 0 and standard deviation 1 before the detector. Needed by distances
        and kernels; many deep detectors of PyOD do it themselves.
    max_rows : int or None, default=None
        Train on at most so many rows, drawn without replacement. For detectors that grow faster
        than linearly: a one-class SVM takes time O(n²) to O(n³) in rows.
    resample : bool, default=False
        What to do with weights that the detector cannot take: False refuses them, True trains on
        rows drawn in proportion to weight, with replacement. Duplicates mislead distances to
        neighbours.
    random_state : int, RandomState, Generator or None, default=None
        Seeds `max_rows`, `resample`, the global streams that the detector sees, and the detector's
        own ``random_state`` where it has one. None: the detector's own ``random_state`` stands.
    verbose : int, default=0
        0 silences the detector: its ``verbose`` becomes 0 and what it prints is dropped.
    detector_params : dict or None, default=None
        Parameters for a detector that is given as a class; reached as ``detector__name`` like
        those of an instance. ``n_features="auto"``, or leaving out a required ``n_features``,
        stands for the number of columns in ``fit``.
    **more_params
        The same written as keywords: ``PyODAdapter(DeepSVDD, epochs=20)``.

    Attributes
    ----------
    detector_ : PyOD detector
        The fitted clone.
    offset_ : float
        Rows that score below it are outliers.
    scaler_ : StandardScaler or None
        What `standardize` learned.
    seed_ : int
        Where the global streams started for the detector, in ``fit`` and in each scoring.
    n_rows_ : int
        Number of rows that the detector was trained on.
    n_features_in_ : int
        Number of columns in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names in ``fit``, where all were strings.

    Raises
    ------
    InvalidParameterError
        If `detector` is not PyOD's, or a parameter is out of range.

    See Also
    --------
    as_pyod : The other direction.
    baselines : IsolationForest, OC-SVM and DeepSVDD ready to fit.

    Notes
    -----
    The training scores are PyOD's ``decision_scores_``. Neighbour methods leave a row out of its
    own neighbourhood there, so ``predict`` flags fewer of the training rows than `contamination`,
    and that share of new rows.

    Most detectors of PyOD take no weights. Weights that are whole numbers (0 included) are then
    exact all the same: a row of weight k is given k times. Other weights are refused unless
    `resample`. ECOD and COPOD put the scored rows into their empirical distributions: their scores
    depend on what else is scored along. A batch larger than the data, with which PyOD's
    autoencoders fail, is cut to the data.

    ``fit`` and scoring borrow the process-wide random streams: one thread at a time does, and code
    in other threads that draws from these streams meanwhile draws from the borrowed ones.

    Examples
    --------
    >>> import numpy as np
    >>> from pyod.models.knn import KNN
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> adapter = PyODAdapter(KNN(n_neighbors=5), contamination=0.05).fit(X)
    >>> adapter.predict([[0, 0, 0], [9, 9, 9]])
    array([ 1, -1])
    >>> PyODAdapter(KNN, n_neighbors=7).fit(X).detector_.n_neighbors
    7
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **THRESHOLD_CONSTRAINTS,
        "contamination": [*THRESHOLD_CONSTRAINTS["contamination"], None],
        "standardize": ["boolean"],
        "max_rows": [Interval(Integral, 2, None, closed="left"), None],
        "resample": ["boolean"],
        "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
        "verbose": ["verbose"],
        "detector_params": [dict, None],
    }

    def __init__(
        self,
        detector: Any,
        *,
        threshold: Any = "contamination",
        percentile: float = 40,
        contamination: float | str | None = None,
        standardize: bool = False,
        max_rows: int | None = None,
        resample: bool = False,
        random_state: Any = None,
        verbose: int = 0,
        detector_params: dict[str, Any] | None = None,
        **more_params: Any,
    ) -> None:
        self.detector = detector
        self.threshold = threshold
        self.percentile = percentile
        self.contamination = contamination
        self.standardize = standardize
        self.max_rows = max_rows
        self.resample = resample
        self.random_state = random_state
        self.verbose = verbose
        if more_params:
            detector_params = {**_as_dict(detector_params), **more_params}
        self.detector_params = detector_params

    # ------------------------------------------------------------ parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters, those of the detector as ``detector__name``.

        Parameters
        ----------
        deep : bool, default=True
            Whether to give the detector's parameters too.

        Returns
        -------
        dict
            Parameter names and values.
        """
        params: dict[str, Any] = super().get_params(deep=deep)
        if deep and isinstance(self.detector, type):
            all_params = {**_constructor_defaults(self.detector), **_as_dict(self.detector_params)}
            params |= {f"detector__{name}": value for name, value in all_params.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the detector as ``detector__name``.

        Parameters
        ----------
        **params : dict
            Names and values; a name that the adapter does not have goes to `detector_params`, as in
            the constructor.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If the detector has no such parameter.
        """
        if "detector" in params:
            self.detector = params.pop("detector")
        own = super().get_params(deep=False)
        chosen = {key: key for key in params if key not in own and "__" not in key}
        if isinstance(self.detector, type):
            chosen |= {f"detector__{name}": name for name in _constructor_defaults(self.detector)}
            _refuse_unknown(self.detector, params)
        given = {name: params.pop(key) for key, name in chosen.items() if key in params}
        if given:
            self.detector_params = {**_as_dict(self.detector_params), **given}
        with borrowed_streams(0):
            return super().set_params(**params)

    def __sklearn_clone__(self) -> Self:
        with borrowed_streams(0):  # deep detectors seed the global streams when constructed
            return super().__sklearn_clone__()

    # ------------------------------------------------------------------- fit

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train a clone of the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows taken as normal, with a share `contamination` of outliers among them.
        y : ignored
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights ≥ 0; see the notes on which are possible.

        Returns
        -------
        self : estimator
            Fitted.

        Raises
        ------
        ValueError
            If the input is not a finite table of at least two rows, or the weights are impossible.
        TrainingDivergedError
            If the detector gives NaN for training rows.
        """
        self._validate_params()
        X = check_rows(self, X, reset=True, min_rows=2)
        check_weights(sample_weight, X, owner=type(self).__name__)
        detector, self.seed_ = self._built()
        X, weight = self._training_rows(X, sample_weight, detector)
        self.scaler_ = StandardScaler().fit(X, sample_weight=weight) if self.standardize else None
        self.n_rows_ = len(X)
        _fit_batch(detector, len(X))
        with self._foreign(self.seed_):
            options = {} if weight is None else {"sample_weight": weight}
            detector.fit(self._scaled(X), **options)
        self.detector_ = detector
        self.offset_ = offset_from_scores(
            self._normality(detector.decision_scores_),
            weight,
            threshold=self.threshold,
            percentile=self.percentile,
            contamination=self._contamination(detector),
        )
        return self

    def _built(self) -> tuple[Any, int]:
        """Give an untrained detector of our own and the seed of this fit."""
        with self._foreign(0):
            detector = self._new_detector()
        params = detector.get_params(deep=False)
        own = params.get("random_state")
        seed = _seed(own if self.random_state is None else self.random_state)
        changes: dict[str, Any] = {}
        if self.random_state is not None and "random_state" in params:
            changes["random_state"] = seed
        if not self.verbose and "verbose" in params:
            changes["verbose"] = type(params["verbose"])(0)
        return detector.set_params(**changes), seed

    def _new_detector(self) -> Any:
        from pyod.models.base import BaseDetector

        given = self.detector_params or {}
        if isinstance(self.detector, BaseDetector) and not given:
            return clone(self.detector)
        if isinstance(self.detector, BaseDetector):
            raise InvalidParameterError(
                f"PyODAdapter got the keyword parameters {sorted(given)} beside an instance of "
                f"{type(self.detector).__name__}; set them on the instance, or give the class."
            )
        if not (isinstance(self.detector, type) and issubclass(self.detector, BaseDetector)):
            raise InvalidParameterError(
                "The 'detector' parameter of PyODAdapter must be a detector of PyOD (an instance "
                f"or a class). Got {self.detector!r} instead; scikit-learn's detectors need no "
                "adapter."
            )
        params = dict(given)
        if _constructor_defaults(self.detector).get("n_features") is inspect.Parameter.empty:
            params.setdefault("n_features", "auto")
        if isinstance(params.get("n_features"), str):
            params["n_features"] = self.n_features_in_
        return self.detector(**params)

    def _training_rows(
        self, X: NDArray[Any], sample_weight: Any, detector: Any
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Give the rows to train on, and weights only where the detector takes them."""
        rng = np.random.default_rng(seed_sequence(self.seed_))
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weight is None or np.ptp(weight) == 0:
            index, weight = np.arange(len(X)), None
        elif has_fit_parameter(detector, "sample_weight"):
            index = np.flatnonzero(weight)
        else:
            index, weight = self._rows_for_weights(weight, detector, rng), None
        if self.max_rows is not None and len(index) > self.max_rows:
            index = np.sort(rng.choice(index, self.max_rows, replace=False))
        if len(index) == len(X) and weight is None and np.array_equal(index, np.arange(len(X))):
            return X, None
        return X[index], None if weight is None else weight[index]

    def _rows_for_weights(
        self, weight: NDArray[np.float64], detector: Any, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Turn weights into row numbers: k copies for a whole weight k, else a draw."""
        most = _MOST_COPIES * len(weight)
        if np.all(weight == np.round(weight)) and weight.sum() <= most:
            return np.repeat(np.arange(len(weight)), weight.astype(np.intp))
        if not self.resample:
            raise ValueError(
                f"{type(detector).__name__} takes no sample_weight, and these weights are not "
                "small whole numbers (which PyODAdapter honours by repeating rows). Use "
                "resample=True to train on rows drawn in proportion to weight, or leave "
                "sample_weight out."
            )
        return np.sort(rng.choice(len(weight), len(weight), p=weight / weight.sum()))

    def _contamination(self, detector: Any) -> float | str:
        if self.contamination is not None:
            return self.contamination
        own = getattr(detector, "contamination", 0.1)
        if not isinstance(own, Real):
            raise InvalidParameterError(
                f"contamination=None takes the detector's, which is a {type(own).__name__} and not "
                "a number; set the adapter's 'contamination' to a number."
            )
        return float(own)

    # ---------------------------------------------------------------- scores

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Score rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher = more normal: the negative of PyOD's ``decision_function``.
        """
        check_is_fitted(self)
        X = self._scaled(check_rows(self, X, reset=False))
        _to_evaluation(self.detector_)
        with self._foreign(self.seed_):
            return self._normality(self.detector_.decision_function(X))

    def _scaled(self, X: NDArray[Any]) -> NDArray[Any]:
        return X if self.scaler_ is None else self.scaler_.transform(X)

    def _normality(self, anomaly: Any) -> NDArray[np.float64]:
        score = -np.asarray(anomaly, dtype=np.float64).ravel()
        bad = int(np.isnan(score).sum())
        if bad:
            owner = getattr(self.detector, "__name__", type(self.detector).__name__)
            raise TrainingDivergedError(
                f"{owner} of PyOD gave NaN for {bad} of {len(score)} rows; a smaller learning rate "
                "or standardize=True is the usual cure."
            )
        return np.clip(score, -_LARGEST_SCORE, _LARGEST_SCORE)

    @contextmanager
    def _foreign(self, seed: int) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(borrowed_streams(seed))
            stack.enter_context(no_print(not self.verbose))
            yield


def as_pyod(estimator: Any, contamination: float | None = None) -> Any:
    """Give a PyOD detector that trains and asks a scikit-learn outlier detector.

    Parameters
    ----------
    estimator : outlier detector
        Ours or any of scikit-learn with ``score_samples`` or ``decision_function``; cloned in
        ``fit``.
    contamination : float in (0, 0.5] or None, default=None
        PyOD's share of outliers for ``threshold_`` and ``labels_``. None: the estimator's
        ``contamination`` where it is a number, else 0.1.

    Returns
    -------
    pyod.models.base.BaseDetector
        With ``decision_scores_``, ``threshold_`` and ``labels_`` after ``fit``;
        ``decision_function`` higher = more anomalous, ``predict`` 0 or 1, ``predict_proba``.

    Raises
    ------
    TypeError
        If `estimator` gives no score.

    See Also
    --------
    PyODAdapter : The other direction.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.covariance import EllipticEnvelope
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = as_pyod(EllipticEnvelope(random_state=0), contamination=0.05).fit(X)
    >>> int(detector.labels_.sum()), detector.predict([[0, 0], [9, 9]])
    (10, array([0, 1]))
    """
    from skhep_anomaly.outliers._to_pyod import EstimatorDetector

    normality(estimator)
    if contamination is None:
        own = getattr(estimator, "contamination", None)
        contamination = float(own) if isinstance(own, Real) else 0.1
    return EstimatorDetector(estimator, contamination=contamination)


def _as_dict(detector_params: Any) -> dict[str, Any]:
    """Give the dict, or an empty one for what ``fit`` is going to refuse."""
    return detector_params if isinstance(detector_params, dict) else {}


def _constructor_defaults(cls: type) -> dict[str, Any]:
    """Give the keyword parameters of a class and their defaults."""
    parameters = inspect.signature(cls).parameters.values()
    return {
        p.name: p.default for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }


def _refuse_unknown(cls: type, params: dict[str, Any]) -> None:
    """Refuse a ``detector__name`` that the class does not take."""
    allowed = _constructor_defaults(cls)
    for key in params:
        name = key.removeprefix("detector__")
        if key != name and name not in allowed:
            raise ValueError(
                f"Invalid parameter {name!r} for the detector class {cls.__name__}. Valid "
                f"parameters are: {sorted(allowed)!r}."
            )


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state) % 2**32
    return int(seed_sequence(random_state).generate_state(1)[0])


def _fit_batch(detector: Any, n_rows: int) -> None:
    """Cut a batch that no data would fill: PyOD drops unfilled batches and then has no loss."""
    batch_size = detector.get_params(deep=False).get("batch_size")
    if isinstance(batch_size, Integral) and int(batch_size) > n_rows:
        detector.set_params(batch_size=n_rows)


def _to_evaluation(detector: Any) -> None:
    """Switch dropout and batch statistics off in every torch module that the detector holds."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    for value in vars(detector).values():
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, torch.nn.Module):
                part.eval()
