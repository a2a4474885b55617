"""Flow detector: odd is where a normalising flow of the normal rows has little density.

Default is the noise-conditional form: one flow learns log p(z + s·n | s) for all s in [.03, .6]. A
row's anomaly joins its −log p and its radius ‖u‖ in the base space, each averaged over s in {.05,
.1, .2, .4} and put on the scale of its training tail probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skhep_anomaly._random import seed_sequence, torch_generator
from skhep_anomaly._validation import Interval, StrOptions
from skhep_anomaly.nn import FLOW_KINDS, Flow, FlowDensity, Standardizer
from skhep_anomaly.outliers._base import Detector
from skhep_anomaly.outliers._density import LOWEST, FlowLoss, level_code
from skhep_anomaly.outliers._dequantize import dequantization_widths, whole
from skhep_anomaly.outliers._tail import learn_tail, log_log_tail
from skhep_anomaly.training import Net

__all__ = ["FlowOutlierDetector"]

_LEVELS = (0.05, 0.1, 0.2, 0.4)
_FARTHEST = 1e4
_WIDE = 200


class FlowOutlierDetector(Detector):
    """Find outliers as rows of low density under a normalising flow.

    An invertible net u = f(x) is trained on rows taken as normal so that u is standard normal;
    then log p(x) = log N(u; 0, 1) + log|det ∂u/∂x| exactly. By default the flow is
    noise-conditional, log p(x + s·n | s), and a row is scored by both −log p and ‖u‖.

    Parameters
    ----------
    flow : {"maf", "nsf", "realnvp"}, default="maf"
        Masked autoregressive affine maps; the same with monotonic splines (sharper, several times
        slower); affine couplings (fastest `sample`).
    n_transforms : int, default=3
        Maps after each other; more bend further.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Hidden layers of the net in each map.
    noise : {"conditional"} or None, default="conditional"
        Train on all noise levels s in [.03, .6] standard deviations with the level as input; None:
        on the rows as they are.
    n_members : int, default=1
        Flows trained side by side; the score is their mean, `score_std` their spread.
    score_kind : {"nll+radius", "log_density"}, default="nll+radius"
        "nll+radius" adds −log p and ‖u‖, each averaged over s in {.05, .1, .2, .4} and turned into
        the log of its log tail probability among the training rows. "log_density" is log p itself,
        in nats.
    dequantize : "auto" or bool, default="auto"
        Add uniform noise within the spacing of a column's values in training: "auto" to columns
        with mass points or few distinct values, True to every column, False to none. Scores are
        taken at the value itself and are never random.
    log_prob_units : {"standard", "data"}, default="standard"
        Density per standard deviation of each feature, or per unit of the data.
    learning_rate : float, default=3e-3
        Of Adam.
    lr_schedule : {"cosine", "constant"}, default="cosine"
        Course of the learning rate; "cosine" with a warm-up over 5 % of the steps.
    max_grad_norm : float or None, default=5.0
        Bound on the norm of the gradient.
    max_epochs : int or None, default=None
        None: as many as make 1,600 steps (200 if there are more than 200 features), at least one.
    batch_size : int, default=256
        Rows per step.
    weight_decay : float, default=0.0
        L2 penalty of Adam.
    early_stopping : bool, default=True
        Hold rows out, stop when their −log p no longer falls, and keep the best weights.
    validation_fraction : float, default=0.1
        Share of rows held out for `early_stopping`.
    n_iter_no_change : int, default=100
        Epochs without improvement before stopping.
    tol : float, default=1e-4
        Smallest improvement that counts, in nats.
    threshold : {"contamination", "percentile", "median", "mean"}, float or callable
        Default "contamination". Rule for `offset_` from the training scores; a number is `offset_`
        itself.
    percentile : float, default=40
        For ``threshold="percentile"``: percentile of the training anomaly scores above which a row
        is an outlier.
    contamination : float in (0, 0.5] or "min", default=0.1
        Share of training rows flagged; "min" flags none.
    standardize : bool, default=True
        Standardise features and clip them at ±8; False takes them as they are.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Of training and scoring; "auto" keeps float32 and takes float64 for the rest.
    device : str, default="cpu"
        "cpu", "cuda" or "auto".
    random_state : int, RandomState, Generator or None, default=None
        Seed of weights, order and noise.
    verbose : int, default=0
        1 shows a progress bar.
    callbacks : list of skorch callbacks, default=None
        Called during training.
    warm_start : bool, default=False
        `fit` goes on from the present weights.

    Attributes
    ----------
    net_ : Net
        Trained net; ``net_.module_`` is the torch module.
    offset_ : float
        Scores below it are outliers.
    n_iter_ : int
        Epochs trained.
    history_ : list of dict
        One row per epoch: ``epoch``, ``train_loss`` and ``valid_loss`` [nats], ``dur`` [s].
    integer_columns_ : ndarray of bool, shape (n_features,)
        Dequantised columns that held whole numbers only; `sample` rounds them.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names, where X had them.

    Notes
    -----
    `early_stopping` is on, unlike in the other detectors: a flow's likelihood of the training rows
    has no bound, and it goes on to rise long after that of new rows falls. Patience is 100 epochs
    because a small table makes one step an epoch. One epoch costs O(n·p) for p weights, `sample` d
    times that ("maf", "nsf"). "maf" is this package's own (zuko's model, with its gradient written
    out); "nsf" and "realnvp" are zuko's.

    References
    ----------
    .. [1] G. Papamakarios et al., "Masked Autoregressive Flow for Density Estimation",
       arXiv:1705.07057, equations 4 and 5.
    .. [2] C. Durkan et al., "Neural Spline Flows", arXiv:1906.04032.
    .. [3] L. Dinh et al., "Density estimation using Real NVP", arXiv:1605.08803.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import FlowOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = FlowOutlierDetector(random_state=0, max_epochs=20).fit(X)
    >>> detector.predict([[0.0, 0.0, 0.0], [9.0, -9.0, 9.0]])
    array([ 1, -1])
    >>> detector.sample(2, random_state=0).shape
    (2, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Detector._parameter_constraints,
        "flow": [StrOptions(set(FLOW_KINDS))],
        "n_transforms": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "noise": [StrOptions({"conditional"}), None],
        "score_kind": [StrOptions({"nll+radius", "log_density"})],
        "dequantize": [StrOptions({"auto"}), "boolean"],
        "log_prob_units": [StrOptions({"standard", "data"})],
    }
    _extra_state = ("_tails",)

    def __init__(
        self,
        flow: str = "maf",
        n_transforms: int = 3,
        *,
        hidden_layer_sizes: Sequence[int] = (64, 64),
        noise: str | None = "conditional",
        n_members: int = 1,
        score_kind: str = "nll+radius",
        dequantize: str | bool = "auto",
        log_prob_units: str = "standard",
        learning_rate: float = 3e-3,
        lr_schedule: str = "cosine",
        max_grad_norm: float | None = 5.0,
        max_epochs: int | None = None,
        batch_size: int = 256,
        weight_decay: float = 0.0,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 100,
        tol: float = 1e-4,
        threshold: str | float | Callable[[NDArray[np.float64]], float] = "contamination",
        percentile: float = 40,
        contamination: float | str = 0.1,
        standardize: bool = True,
        dtype: str = "auto",
        device: str = "cpu",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Any] | None = None,
        warm_start: bool = False,
    ) -> None:
        self.flow = flow
        self.n_transforms = n_transforms
        self.hidden_layer_sizes = hidden_layer_sizes
        self.noise = noise
        self.n_members = n_members
        self.score_kind = score_kind
        self.dequantize = dequantize
        self.log_prob_units = log_prob_units
        self.learning_rate = learning_rate
        self.lr_schedule = lr_schedule
        self.max_grad_norm = max_grad_norm
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.threshold = threshold
        self.percentile = percentile
        self.contamination = contamination
        self.standardize = standardize
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.warm_start = warm_start

    # ------------------------------------------------------------- building

    def _make_net(self) -> Net:
        d = self.n_features_in_
        bound = 8.0 if self.standardize else np.inf
        flow = Flow(
            d,
            int(self.noise == "conditional"),
            kind=self.flow,
            n_transforms=self.n_transforms,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            n_members=self.n_members,
        )
        module = FlowDensity(flow, Standardizer(np.zeros(d), np.ones(d), bound))
        return Net(
            module.to(getattr(torch, self.dtype_)),
            FlowLoss(self.noise == "conditional"),
            optimizer__weight_decay=self.weight_decay,
            **self._net_options(),
        ).initialize()

    def _start(self, X: NDArray[Any], weight: NDArray[np.float64] | None, device: str) -> None:
        super()._start(X, weight, device)
        self.integer_columns_ = np.zeros(X.shape[1], dtype=bool)
        if self.dequantize is False:
            return
        module = self.net_.module_
        scale = module.standardizer.scale.cpu().double().numpy()
        widths = dequantization_widths(X, weight, scale, every=self.dequantize is True)
        module.width.copy_(torch.from_numpy(widths))
        self.integer_columns_ = np.array(
            [w > 0 and whole(x) for w, x in zip(widths, X.T, strict=True)]
        )

    def _reset_weights(self, generator: torch.Generator) -> None:
        self.net_.module_.flow.reset(generator)

    # ------------------------------------------------------------- training

    def _max_epochs_rule(self, n_rows: int) -> int:
        """Give twice the steps of the other detectors, but for wide tables."""
        return super()._max_epochs_rule(n_rows) * (2 if self.n_features_in_ <= _WIDE else 1)

    def _finish(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        """Learn the training distribution of both parts of "nll+radius"."""
        if self.score_kind == "nll+radius":
            self._tails = [
                learn_tail(part, weight) for part in self._parts(X).reshape(len(X), -1).T
            ]

    # --------------------------------------------------------------- scores

    def _nll_and_radius(self, z: Tensor, level: float) -> Tensor:
        """Give (2, n_members, n): −log p(z | level) and ‖u‖."""
        flow = self.net_.module_.flow
        context = None
        if self.noise is not None:
            context = z.new_full((len(z), 1), level_code(level))
        u, log_det = flow.to_base(z, context)
        square = u.square().sum(dim=-1)
        constant = 0.5 * self.n_features_in_ * math.log(2 * math.pi)
        both = torch.stack([0.5 * square - log_det + constant, square.sqrt()])
        return both.reshape(2, self.n_members, len(z))

    def _parts(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Give (n, 2, n_members): −log p and ‖u‖, each a mean over the levels."""
        levels = _LEVELS if self.noise == "conditional" else (LOWEST,)

        def parts(x: Tensor) -> Tensor:
            z = self.net_.module_.standardizer(x)
            each = torch.stack([self._nll_and_radius(z, level) for level in levels])
            return each.mean(dim=0).permute(2, 0, 1)

        return self._map(parts, X).astype(np.float64)

    def _member_scores(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Give the anomaly score of each row by each member, shape (n, n_members)."""
        if self.score_kind == "log_density":
            return -self._log_density(X, self.net_.module_.standardizer.bound)
        parts = self._parts(X)
        flat = parts.reshape(len(X), -1).T
        tails = [log_log_tail(part, tail) for part, tail in zip(flat, self._tails, strict=True)]
        total: NDArray[np.float64] = np.stack(tails, axis=1).reshape(parts.shape).sum(axis=1)
        return total

    def _anomaly(self, X: NDArray[Any]) -> NDArray[np.float64]:
        score: NDArray[np.float64] = self._member_scores(X).mean(axis=1)
        return score

    def score_std(self, X: Any) -> NDArray[np.float64]:
        """Give the spread of the members' anomaly scores, an uncertainty of the score.

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
        spread: NDArray[np.float64] = self._member_scores(self._check(X, reset=False)).std(axis=1)
        return spread

    # -------------------------------------------------------------- density

    def _log_density(self, X: NDArray[Any], bound: float) -> NDArray[np.float64]:
        """Give log p by each member, shape (n, n_members), of rows clipped at ±`bound`."""
        standardizer = self.net_.module_.standardizer

        def log_density(x: Tensor) -> Tensor:
            z = ((x - standardizer.mean) / standardizer.scale).clamp(-bound, bound)
            return -self._nll_and_radius(z, LOWEST)[0].T

        result: NDArray[np.float64] = self._map(log_density, X).astype(np.float64)
        return result + self._log_jacobian

    @property
    def _log_jacobian(self) -> float:
        """Log of dz/dx for densities per unit of the data."""
        if self.log_prob_units == "standard":
            return 0.0
        return -float(self.net_.module_.standardizer.scale.double().log().sum())

    def log_prob(self, X: Any) -> NDArray[np.float64]:
        """Give the log-density of rows in nats, normalised over all space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            log p(X). With ``noise="conditional"`` at the smallest level: the density of rows to
            which Gaussian noise of .03 standard deviations was added. Dequantised columns: the
            density of the column plus its uniform noise, at the value itself. Several members: log
            of the mean density. Unlike the scores, rows are not clipped before 10,000 standard
            deviations.
        """
        check_is_fitted(self)
        each = self._log_density(self._check(X, reset=False), _FARTHEST)
        top = each.max(axis=1, keepdims=True)
        result: NDArray[np.float64] = top[:, 0] + np.log(np.exp(each - top).mean(axis=1))
        return result

    def sample(self, n: Any, random_state: Any = None) -> NDArray[Any]:
        """Draw new rows from the learnt density.

        Parameters
        ----------
        n : int
            Number of rows, at least 1.
        random_state : int, RandomState, Generator or None, default=None
            Seed of this draw.

        Returns
        -------
        ndarray of shape (n, n_features)
            In the units of ``fit``; whole numbers where a dequantised column held such. With
            ``noise="conditional"`` the rows carry noise of .03 standard deviations.

        Raises
        ------
        ValueError
            If `n` is not a positive integer.
        """
        check_is_fitted(self)
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n={n!r} is no number of rows: an integer of at least 1 is needed.")
        module = self.net_.module_
        like = module.standardizer.mean
        generator = torch_generator(seed_sequence(random_state))
        shape = (self.n_members, -(-int(n) // self.n_members), self.n_features_in_)
        base = torch.randn(shape, generator=generator, dtype=torch.float64).to(
            like.device, like.dtype
        )
        with torch.inference_mode():
            u = base[0] if self.n_members == 1 else base
            context = None
            if self.noise is not None:
                context = u.new_full((*u.shape[:-1], 1), level_code(LOWEST))
            x = module.standardizer.inverse(module.flow.from_base(u, context))
        rows: NDArray[Any] = x.reshape(shape).transpose(0, 1).flatten(0, 1)[:n].cpu().numpy()
        rows[:, self.integer_columns_] = np.rint(rows[:, self.integer_columns_])
        return rows
