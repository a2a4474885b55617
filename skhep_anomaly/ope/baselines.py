"""What (1+ε)-class classification is measured against: an autoencoder, then a classifier.

1. An autoencoder learns a code h(x) of all training rows, without their labels.
2. A classifier of the code minimises the cross-entropy L⁺ + L⁻ = −E₊ log f(h) − E₋ log(1 − f(h)):
   `OPEClassifier` at ε = 1, without pseudo-anomalies.

Source: the "semi-supervised" column of Borisyak et al., arXiv:1906.06096, section 4.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skhep_anomaly._random import seed_sequence, seeded_clone
from skhep_anomaly._validation import HasMethods, Interval, StrOptions, check_rows, check_weights
from skhep_anomaly.ope._decisions import DecisionsMixin
from skhep_anomaly.ope._labels import read_labels
from skhep_anomaly.ope.classifier import OPEClassifier
from skhep_anomaly.outliers import AEOutlierDetector
from skhep_anomaly.persistence import SaveMixin

__all__ = ["SemiSupervisedAEClassifier"]

_WIDEST_CODE = 32


class SemiSupervisedAEClassifier(SaveMixin, DecisionsMixin, BaseEstimator):  # type: ignore[misc]
    """Classify normal against known anomalies in the code of an autoencoder of all rows.

    The autoencoder reduces the dimension with what rows without labels can teach; a net with
    cross-entropy loss then needs few known anomalies. It is a two-class classifier all the same:
    kinds of anomalies that it was not shown may fall on either side.

    Parameters
    ----------
    latent_dim : int ≥ 1, default=None
        Width of the code of the built-in autoencoder. None: half the features (rounded up), at
        most 32.
    hidden_layer_sizes : sequence of int, default=(64, 64)
        Hidden layers of the classifier. The first one's width (64 if there is none) is that of the
        one hidden layer on either side of the code.
    autoencoder : transformer, default=None
        Your own in its place, cloned and fitted to all rows, such as an `AEOutlierDetector` with
        convolutions for images of shape (n, c, h, w).
    max_iter : int ≥ 1, default=2000
        Training steps of the classifier; the built-in autoencoder has 800 (200 beyond 200
        features).
    batch_size : int ≥ 1, default=128
        Normal rows in a step of the classifier; at most as many known anomalies.
    learning_rate : float > 0, default=1e-3
        Of the classifier.
    weight_decay : float ≥ 0, default=3e-2
        L2 penalty ½ · `weight_decay` · ‖W‖² of the classifier. Larger is smoother.
    n_members : int ≥ 1, default=1
        Classifiers side by side; the score is the mean of their logits.
    contamination : float in (0, 0.5] or None, default=None
        Share of the normal training weight below ``offset_``; None: ``offset_`` = 0.
    anomaly_label : object, default=None
        Label of the anomalies; needed where y is neither {0, 1} (1 = anomaly) nor {−1, +1}.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Training dtype; "auto" keeps float32 and trains anything else in float64 on a CPU.
    device : str, default="cpu"
        "cpu", "cuda" or "auto".
    random_state : int, RandomState, Generator or None, default=None
        Seed of everything random; an `autoencoder` with a seed of its own keeps it.
    verbose : int, default=0
        1 shows progress bars.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Labels.
    anomaly_class_ : object
        The one of them that marks anomalies.
    offset_ : float
        Rows that score below it are anomalies.
    autoencoder_ : transformer
        Fitted; its ``transform`` gives the code.
    classifier_ : OPEClassifier
        Fitted on the code (1 = anomaly).
    n_iter_ : int
        Steps of the classifier.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names, where X had them.

    Raises
    ------
    ValueError
        If `y` is None or has not two classes, or parameters do not go together.

    See Also
    --------
    OPEClassifier : With ``eps=1`` the same without an autoencoder, with ``eps < 1`` it watches for
        unknown kinds, too.

    Notes
    -----
    *Signs.* ``decision_function`` is the score of ``classes_[1]``: with y in {0, 1} it grows with
    anomaly, with y in {−1, +1} with normality. ``score_samples`` always grows with normality.

    *Rows without a label* belong to the normal class, with a smaller weight if wanted; the
    autoencoder sees every row with its weight.

    References
    ----------
    .. [1] M. Borisyak et al., "(1+ε)-class classification: an anomaly detection method for highly
       imbalanced or incomplete data sets", arXiv:1906.06096, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import SemiSupervisedAEClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(size=(300, 4)), rng.normal(3, 1, size=(20, 4))])
    >>> y = np.repeat([0, 1], [300, 20])
    >>> est = SemiSupervisedAEClassifier(2, max_iter=500, random_state=0).fit(X, y)
    >>> est.predict([[0, 0, 0, 0], [3, 3, 3, 3]])
    array([0, 1])
    >>> est.autoencoder_.transform(X).shape
    (320, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "latent_dim": [Interval(Integral, 1, None, closed="left"), None],
        "hidden_layer_sizes": ["array-like"],
        "autoencoder": [HasMethods(["fit", "transform"]), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
        "anomaly_label": "no_validation",  # type: ignore[dict-item]
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str],
        "random_state": ["random_state", np.random.Generator, np.random.SeedSequence],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        latent_dim: int | None = None,
        hidden_layer_sizes: Any = (64, 64),
        *,
        autoencoder: Any = None,
        max_iter: int = 2000,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        weight_decay: float = 3e-2,
        n_members: int = 1,
        contamination: float | None = None,
        anomaly_label: Any = None,
        dtype: str = "auto",
        device: str = "cpu",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.latent_dim = latent_dim
        self.hidden_layer_sizes = hidden_layer_sizes
        self.autoencoder = autoencoder
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.n_members = n_members
        self.contamination = contamination
        self.anomaly_label = anomaly_label
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn: two classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn a code from all rows and a boundary in it from labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; with an `autoencoder` they may have further axes.
        y : array-like of shape (n_samples,)
            Labels of two classes (see `anomaly_label`).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights ≥ 0 in any unit; the classifier divides by their sum within each class.

        Returns
        -------
        self : estimator
            Fitted.

        Raises
        ------
        ValueError
            If there are no labels of two classes, or the input is not a finite table.
        """
        self._validate_params()
        owner = type(self).__name__
        if y is None:
            raise ValueError(
                f"{owner} requires y to be passed, but the target y is None: it needs known "
                "anomalies. Without any use OPEClassifier or AEOutlierDetector."
            )
        X = self._check(X, reset=True, min_rows=2)
        check_consistent_length(X, y)
        weight = check_weights(sample_weight, X, owner=owner)
        if weight is not None:
            keep = weight > 0
            X, y, weight = X[keep], np.asarray(y)[keep], weight[keep]
        labels = read_labels(y, self.anomaly_label, owner)
        autoencoder, classifier = self._parts(X)
        autoencoder.fit(X, **({} if weight is None else {"sample_weight": weight}))
        classifier.fit(autoencoder.transform(X), labels.flags.astype(int), weight)
        self.autoencoder_, self.classifier_ = autoencoder, classifier
        self.classes_, self.anomaly_class_ = labels.classes, labels.anomaly
        self.offset_, self.n_iter_ = classifier.offset_, classifier.n_iter_
        return self

    def _check(self, X: Any, *, reset: bool, min_rows: int = 1) -> NDArray[Any]:
        images = self.autoencoder is not None
        return check_rows(
            self, X, reset=reset, dtype=self.dtype, min_rows=min_rows, allow_nd=images
        )

    def _parts(self, X: NDArray[Any]) -> tuple[Any, OPEClassifier]:
        """Make autoencoder and classifier, each with a seed of its own."""
        parts = seed_sequence(self.random_state).spawn(2)
        seeds = [int(part.generate_state(1)[0] >> 1) for part in parts]
        shared: dict[str, Any] = {
            "dtype": self.dtype,
            "device": self.device,
            "verbose": self.verbose,
        }
        classifier = OPEClassifier(
            eps=1,
            hidden_layer_sizes=self.hidden_layer_sizes,
            max_iter=self.max_iter,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            n_members=self.n_members,
            contamination=self.contamination,
            random_state=seeds[1],
            **shared,
        )
        if self.autoencoder is not None:
            return self._own_autoencoder(seeds[0]), classifier
        width = tuple(self.hidden_layer_sizes)[:1] or (64,)
        code = self.latent_dim or min(-(-X.shape[1] // 2), _WIDEST_CODE)
        autoencoder = AEOutlierDetector(
            width, code, noise=None, n_members=1, random_state=seeds[0], **shared
        )
        return autoencoder, classifier

    def _own_autoencoder(self, seed: int) -> Any:
        if self.latent_dim is not None:
            raise ValueError(
                f"latent_dim={self.latent_dim} is the code of the built-in autoencoder; with "
                "autoencoder=... set it there."
            )
        return seeded_clone(self.autoencoder, seed)

    # --------------------------------------------------------------- scores

    def _code(self, X: Any) -> NDArray[Any]:
        code: NDArray[Any] = self.autoencoder_.transform(self._check(X, reset=False))
        return code

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Score rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            The logit of "normal", higher = more normal.
        """
        check_is_fitted(self)
        return self.classifier_.score_samples(self._code(X))

    def score_std(self, X: Any) -> NDArray[np.float64]:
        """Give the spread of the classifiers' logits, an uncertainty of the score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Standard deviation over the members, 0 for one member.
        """
        check_is_fitted(self)
        return self.classifier_.score_std(self._code(X))
