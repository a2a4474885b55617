"""Autoencoder detector: a row that a net trained on normal rows reproduces badly is odd.

Default is the noise-conditional form: the net sees x + s·n and the level s, and gives x back, for
all s in [.1, 1]; a row's anomaly is the sum over s in {.1, .2, .4, .8} of the Mahalanobis size of
its residual, each over its training median.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted
from torch import Tensor, nn

from skhep_anomaly._random import isolated_torch
from skhep_anomaly._validation import Interval, StrOptions, iter_slices, weighted_quantile
from skhep_anomaly.nn import (
    ACTIVATIONS,
    Autoencoder,
    ModuleAutoencoder,
    ResidualMetric,
    Standardizer,
)
from skhep_anomaly.outliers._base import Detector
from skhep_anomaly.outliers._neighbours import draw_reference, mean_distance
from skhep_anomaly.outliers._reconstruction import LEVELS, ReconstructionLoss
from skhep_anomaly.outliers._residuals import evenly_spaced, learn_metric
from skhep_anomaly.outliers._robust import PROXIMAL_STEPS
from skhep_anomaly.outliers._tail import learn_tail, log_log_tail
from skhep_anomaly.training import Net

__all__ = ["AEOutlierDetector"]

_N_NEIGHBORS = 10
_MOST_REFERENCE = 10_000
_DISTANCE_ROWS = 2**15
_ROBUST_ROUNDS = 10


class AEOutlierDetector(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Detector):  # type: ignore[misc]
    """Find outliers as rows with a large reconstruction error.

    A net f is trained on rows taken as normal to give back what it is shown; the anomaly score
    measures the residual r = f(x) − x in standardised coordinates. By default the net is
    noise-conditional, three nets are trained side by side, and r is measured by the covariance C of
    the training residuals, r′C⁻¹r.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(64, 64, 64)
        Hidden layers; with a `latent_dim` those of the encoder, mirrored in the decoder.
    latent_dim : int, default=None
        Width of the linear code layer. None: no bottleneck, noise is the constraint, `transform` is
        the middle hidden layer.
    activation : {"silu", "relu", "relu6", "leaky_relu", "elu", "tanh", "sigmoid", "linear"}
        Of the hidden layers.
    dropout : float in [0, 1), default=0.0
        Share of hidden units dropped in training.
    noise : "conditional", float or None, default="conditional"
        Noise on the standardised input in training: all levels with the level as input, one level,
        or none.
    noise_kind : {"gaussian", "mask"}, default="gaussian"
        For a float `noise`: width of Gaussian noise, or share of features set to zero.
    n_members : int, default=3
        Nets trained side by side; the score is their mean, `score_std` their spread.
    score_kind : {"mahalanobis", "hybrid", "mse", "norm", "per_feature_nll"}, default="mahalanobis"
        Size of the residual: r′C⁻¹r, mean r², ‖r‖, or −log of a Gaussian likelihood with a variance
        per feature; "hybrid" adds the mean distance to 10 neighbours to "mahalanobis", each as the
        log of its log tail probability.
    robust : {"l1", "l21_rows", "l21_columns"} or None, default=None
        Split X = low_rank_ + sparse_ and train on the first part only (Zhou & Paffenroth 2017).
    robust_lambda : float, default=1.0
        Weight of ‖S‖ in standardised units; larger: fewer entries in `sparse_`.
    output : {"linear", "sigmoid"}, default="linear"
        Activation of the reconstruction.
    loss : {"mse", "bce"}, default="mse"
        Squared error, or binary cross-entropy (``output="sigmoid"``, ``standardize=False`` and X in
        [0, 1]).
    encoder, decoder : torch.nn.Module, default=None
        Own modules in the place of the built-in ones, for images of shape (n, c, h, w) say; with
        ``n_members=1`` and ``noise=None`` or a float.
    learning_rate : float, default=3e-3
        Of Adam.
    lr_schedule : {"cosine", "constant"}, default="cosine"
        Course of the learning rate; "cosine" with a warm-up over 5 % of the steps.
    max_grad_norm : float or None, default=5.0
        Bound on the norm of each net's gradient.
    max_epochs : int or None, default=None
        None: as many as make 800 steps (200 if there are more than 200 features), at least one.
    batch_size : int, default=256
        Rows per step.
    weight_decay : float, default=0.0
        L2 penalty of Adam.
    early_stopping : bool, default=False
        Stop when the loss on held-out rows no longer falls; keeps the best weights.
    validation_fraction : float, default=0.1
        Share of rows held out for `early_stopping`.
    n_iter_no_change : int, default=10
        Epochs without improvement before stopping.
    tol : float, default=1e-4
        Smallest improvement that counts.
    threshold : {"contamination", "percentile", "median", "mean"}, float or callable
        Rule for `offset_` from the training scores; a number is `offset_` itself.
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
        One row per epoch: ``epoch``, ``train_loss``, ``valid_loss`` where rows were held out,
        ``dur`` [s].
    low_rank_, sparse_ : ndarray of shape (n_samples, n_features)
        With `robust`: the two parts of the training rows.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names, where X had them.

    Notes
    -----
    Differs from A. Nardelli's thesis (its model is `AEOutlierDetector.thesis`) in noise, residual
    metric and ensemble: mean AUC .884 against .859 on 26 tabular sets. One epoch costs O(n·p) for p
    weights. Residual moments are those of at most 131,072 evenly spaced training rows. "hybrid"
    keeps at most 10,000 training rows and counts each once, whatever its weight.

    References
    ----------
    .. [1] C. Zhou, R. C. Paffenroth, "Anomaly Detection with Robust Deep Autoencoders", KDD 2017.
    .. [2] P. Vincent et al., "Extracting and composing robust features with denoising
    autoencoders", ICML 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import AEOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = AEOutlierDetector(random_state=0, max_epochs=20).fit(X)
    >>> detector.predict([[0.0, 0.0, 0.0], [9.0, -9.0, 9.0]])
    array([ 1, -1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Detector._parameter_constraints,
        "hidden_layer_sizes": ["array-like"],
        "latent_dim": [Interval(Integral, 1, None, closed="left"), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "noise": [StrOptions({"conditional"}), Interval(Real, 0, None, closed="neither"), None],
        "noise_kind": [StrOptions({"gaussian", "mask"})],
        "score_kind": [StrOptions({"mahalanobis", "hybrid", "mse", "norm", "per_feature_nll"})],
        "robust": [StrOptions(set(PROXIMAL_STEPS)), None],
        "robust_lambda": [Interval(Real, 0, None, closed="left")],
        "output": [StrOptions({"linear", "sigmoid"})],
        "loss": [StrOptions({"mse", "bce"})],
        "encoder": [nn.Module, None],
        "decoder": [nn.Module, None],
    }
    _extra_state = ("_tails", "_reference")

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (64, 64, 64),
        latent_dim: int | None = None,
        *,
        activation: str = "silu",
        dropout: float = 0.0,
        noise: str | float | None = "conditional",
        noise_kind: str = "gaussian",
        n_members: int = 3,
        score_kind: str = "mahalanobis",
        robust: str | None = None,
        robust_lambda: float = 1.0,
        output: str = "linear",
        loss: str = "mse",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        learning_rate: float = 3e-3,
        lr_schedule: str = "cosine",
        max_grad_norm: float | None = 5.0,
        max_epochs: int | None = None,
        batch_size: int = 256,
        weight_decay: float = 0.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.latent_dim = latent_dim
        self.activation = activation
        self.dropout = dropout
        self.noise = noise
        self.noise_kind = noise_kind
        self.n_members = n_members
        self.score_kind = score_kind
        self.robust = robust
        self.robust_lambda = robust_lambda
        self.output = output
        self.loss = loss
        self.encoder = encoder
        self.decoder = decoder
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

    @classmethod
    def thesis(cls, **params: Any) -> AEOutlierDetector:
        """Give the autoencoder of Nardelli's thesis: 50-25-2-25-50, relu6, dropout .1, MSE.

        Parameters
        ----------
        **params
            Override any parameter.

        Returns
        -------
        AEOutlierDetector
            With Adam at 1e-4 and 1,000 epochs of batches of 512, as there.
        """
        settings: dict[str, Any] = {
            "hidden_layer_sizes": (50, 25),
            "latent_dim": 2,
            "activation": "relu6",
            "dropout": 0.1,
            "noise": None,
            "n_members": 1,
            "score_kind": "mse",
            "learning_rate": 1e-4,
            "lr_schedule": "constant",
            "max_grad_norm": None,
            "max_epochs": 1000,
            "batch_size": 512,
            "threshold": "percentile",
        }
        return cls(**(settings | params))

    # ------------------------------------------------------------- building

    def _takes_images(self) -> bool:
        return self.encoder is not None

    def _check_settings(self) -> None:
        if (self.encoder is None) != (self.decoder is None):
            raise ValueError("encoder and decoder go together: give both or none.")
        if self.encoder is not None and (self.noise == "conditional" or self.n_members != 1):
            raise ValueError(
                "Own encoder and decoder take no noise level and are trained alone: set "
                f"n_members=1 and noise=None or a float; got n_members={self.n_members}, "
                f"noise={self.noise!r}."
            )
        if self.noise_kind == "mask" and (
            self.noise == "conditional" or float(self.noise or 0) >= 1
        ):
            raise ValueError(
                f"noise_kind='mask' needs noise=None or a share below 1; got noise={self.noise!r}."
            )
        if self.loss == "bce" and (self.output != "sigmoid" or self.standardize):
            raise ValueError(
                "loss='bce' needs output='sigmoid' and standardize=False; "
                f"got output={self.output!r}, standardize={self.standardize}."
            )
        if self.encoder is None and not len(self.hidden_layer_sizes) and self.latent_dim is None:
            raise ValueError("hidden_layer_sizes=() needs a latent_dim.")

    def _learn_shape(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        if self.loss == "bce" and not (X.min() >= 0 and X.max() <= 1):
            raise ValueError(
                f"loss='bce' needs X in [0, 1]; got values from {X.min():.4g} to {X.max():.4g}. "
                "Scale X first."
            )

    def _make_net(self) -> Net:
        shape = tuple(self.row_shape_)
        bound = 8.0 if self.standardize else np.inf
        standardizer = Standardizer(np.zeros(shape), np.ones(shape), bound)
        module: Autoencoder | ModuleAutoencoder
        if self.encoder is not None:
            module = self._own_modules(standardizer)
        else:
            module = Autoencoder(
                self.n_features_in_,
                self.hidden_layer_sizes,
                self.latent_dim,
                self.activation,
                output=self.output,
                conditional=self.noise == "conditional",
                n_members=self.n_members,
                dropout=self.dropout,
                standardizer=standardizer,
            )
        module.metric = ResidualMetric(len(self._levels) * self.n_members, int(np.prod(shape)))
        module.register_buffer("level_median", torch.ones(len(self._levels), self.n_members))
        return Net(
            module.to(getattr(torch, self.dtype_)),
            ReconstructionLoss(self.noise, self.noise_kind, self.loss),
            optimizer__weight_decay=self.weight_decay,
            **self._net_options(),
        ).initialize()

    def _own_modules(self, standardizer: Standardizer) -> ModuleAutoencoder:
        import copy

        return ModuleAutoencoder(
            copy.deepcopy(self.encoder),  # type: ignore[arg-type]
            copy.deepcopy(self.decoder),  # type: ignore[arg-type]
            output=self.output,
            standardizer=standardizer,
        )

    def _reset_weights(self, generator: torch.Generator) -> None:
        if self.encoder is None:
            self.net_.module_.reset(generator)

    @property
    def _levels(self) -> tuple[float, ...]:
        """Noise levels at which rows are scored."""
        return LEVELS if self.noise == "conditional" else (LEVELS[0],)

    # ------------------------------------------------------------- training

    def _run_epochs(self, X: NDArray[Any], weight: NDArray[np.float64] | None, epochs: int) -> bool:
        run = super()._run_epochs
        if self.robust is not None:
            return self._run_robust(run, X, weight, epochs)
        if self.encoder is None:
            return run(X, weight, epochs)
        with isolated_torch(self._seeds[3]):
            return run(X, weight, epochs)

    def _run_robust(self, run: Any, X: NDArray[Any], weight: Any, epochs: int) -> bool:
        """Alternate between training on X − S and the proximal step for S."""
        flat = X.reshape(len(X), -1)
        scale = self.net_.module_.standardizer.scale.cpu().double().numpy().reshape(-1)
        sparse = np.zeros(flat.shape)
        rounds = min(_ROBUST_ROUNDS, epochs)
        interrupted = False
        for k in range(rounds):
            low_rank = (flat - sparse * scale).astype(X.dtype).reshape(X.shape)
            share = epochs * (k + 1) // rounds - epochs * k // rounds
            interrupted = run(low_rank, weight, share)
            error = (flat - self._reconstruct(low_rank).reshape(flat.shape)) / scale
            sparse = PROXIMAL_STEPS[str(self.robust)](error, self.robust_lambda)
            if interrupted:
                break
        self.sparse_ = (sparse * scale).reshape(X.shape)
        self.low_rank_ = X - self.sparse_
        return interrupted

    def _finish(
        self, X: NDArray[Any], weight: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        """Learn covariance of the residuals, medians of the levels, and what "hybrid" needs."""
        module = self.net_.module_
        clean = X if self.robust is None else self.low_rank_.astype(X.dtype, copy=False)
        some, share = evenly_spaced(clean, weight)
        learn_metric(module.metric, self._residuals, some, share, module=module)
        self._learn_medians(some, share)
        return self._learn_hybrid(X, weight) if self.score_kind == "hybrid" else None

    def _learn_medians(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        if len(self._levels) == 1:
            return
        sizes = self._map(lambda x: self._sizes(x).permute(2, 0, 1), X)
        flat = sizes.reshape(len(X), -1)
        medians = np.array([float(weighted_quantile(column, 0.5, weight)) for column in flat.T])
        medians = np.where(medians > 0, medians, 1.0).reshape(sizes.shape[1:])
        self.net_.module_.level_median.copy_(torch.from_numpy(medians))

    def _learn_hybrid(
        self, X: NDArray[Any], weight: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        """Learn both tails; give the training rows' scores, each left out of its neighbours."""
        chosen = draw_reference(len(X), _MOST_REFERENCE, np.random.default_rng(self._seeds[3]))
        self._reference = self._map(self._flat_standardised, X[chosen])
        skip = np.full(len(X), -1)
        skip[chosen] = np.arange(len(chosen))
        parts = self._residual_score(X), self._distance(X, skip)
        self._tails = [learn_tail(part, weight) for part in parts]
        return self._hybrid(*parts)

    # --------------------------------------------------------------- scores

    def _flat_standardised(self, x: Tensor) -> Tensor:
        z: Tensor = self.net_.module_.standardizer(x).flatten(1)
        return z

    def _residuals(self, x: Tensor) -> Tensor:
        """Give residuals (n_levels × n_members, n, d) at each noise level, on clean rows."""
        module = self.net_.module_
        z = module.standardizer(x)
        parts = [module.activate(module(z, level)) - z for level in self._levels]
        return torch.stack(parts).reshape(-1, len(x), z[0].numel())

    def _sizes(self, x: Tensor) -> Tensor:
        """Give the size of the residuals, shape (n_levels, n_members, n)."""
        residual = self._residuals(x)
        metric = self.net_.module_.metric
        if self.score_kind in ("mahalanobis", "hybrid"):
            size = metric(residual)
        elif self.score_kind == "per_feature_nll":
            size = metric.nll(residual)
        else:
            size = residual.square().mean(dim=-1)
            size = size.mul(residual.shape[-1]).sqrt() if self.score_kind == "norm" else size
        return size.reshape(len(self._levels), self.n_members, len(x))

    def _member_scores(self, x: Tensor) -> Tensor:
        """Give the anomaly score of each row by each member, shape (n, n_members)."""
        size = self._sizes(x)
        if len(self._levels) > 1 and self.score_kind != "per_feature_nll":
            size = size / self.net_.module_.level_median[:, :, None]
        return size.sum(dim=0).T

    def _residual_score(self, X: NDArray[Any]) -> NDArray[np.float64]:
        score = self._map(lambda x: self._member_scores(x).mean(dim=1), X)
        return score.astype(np.float64, copy=False)

    def _distance(
        self, X: NDArray[Any], skip: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Give the mean distance to the neighbours, chunk by chunk."""
        out = np.empty(len(X))
        for rows in iter_slices(len(X), _DISTANCE_ROWS):
            Z = self._map(self._flat_standardised, X[rows])
            own = None if skip is None else skip[rows]
            out[rows] = mean_distance(Z, self._reference, _N_NEIGHBORS, own)
        return out

    def _hybrid(
        self, residual: NDArray[np.float64], distance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        ours, neighbours = self._tails
        return log_log_tail(residual, ours) + log_log_tail(distance, neighbours)

    def _anomaly(self, X: NDArray[Any]) -> NDArray[np.float64]:
        score = self._residual_score(X)
        if self.score_kind != "hybrid":
            return score
        if not hasattr(self, "_reference"):
            raise ValueError("score_kind='hybrid' was set after fit; call fit again.")
        return self._hybrid(score, self._distance(X))

    def score_std(self, X: Any) -> NDArray[np.float64]:
        """Give the spread of the members' anomaly scores, an uncertainty of the score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Standard deviation over the members (0 for one member); for "hybrid" that of its
            autoencoder part.
        """
        check_is_fitted(self)
        scores = self._map(self._member_scores, self._check(X, reset=False))
        spread: NDArray[np.float64] = scores.astype(np.float64).std(axis=1)
        return spread

    def feature_errors(self, X: Any) -> NDArray[np.float64]:
        """Tell which features made a row odd.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Squared residual in standardised units, mean over members, at the lowest noise level.
        """
        check_is_fitted(self)
        X = self._check(X, reset=False)

        def squares(x: Tensor) -> Tensor:
            return self._residuals(x)[: self.n_members].square().mean(dim=0)

        return self._map(squares, X).astype(np.float64)

    # ----------------------------------------------------------- transforms

    def _reconstruct(self, X: NDArray[Any], level: float = LEVELS[0]) -> NDArray[Any]:
        module = self.net_.module_

        def back(x: Tensor) -> Tensor:
            out = module.activate(module(module.standardizer(x), level))
            if self.n_members > 1:
                out = out.mean(dim=0)
            z: Tensor = module.standardizer.inverse(out)
            return z

        return self._map(back, X)

    def reconstruct(self, X: Any, noise_level: float = LEVELS[0]) -> NDArray[Any]:
        """Give the rows back as the net sees them; trained with noise, this removes noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of ``fit``.
        noise_level : float in [0.1, 1], default=0.1
            With ``noise="conditional"``: how noisy the rows are taken to be, in standard deviations
            of each feature.

        Returns
        -------
        ndarray of the shape of X
            In the units of `X`; mean over the members.
        """
        check_is_fitted(self)
        if not LEVELS[0] <= noise_level <= 1.0:
            raise ValueError(
                f"noise_level={noise_level!r} is outside [0.1, 1], where the net was trained."
            )
        return self._reconstruct(self._check(X, reset=False), noise_level)

    @property
    def _n_features_out(self) -> int:
        if self.encoder is None:
            return int(self.net_.module_.code_dim)
        x = np.zeros((1, *self.row_shape_), dtype=self.dtype_)
        return int(self._encode(x).shape[1])

    def _encode(self, X: NDArray[Any]) -> NDArray[Any]:
        module = self.net_.module_

        def code(x: Tensor) -> Tensor:
            h: Tensor = module.encode(module.standardizer(x))
            return (h[0] if self.n_members > 1 else h).flatten(1)

        return self._map(code, X)

    def transform(self, X: Any) -> NDArray[Any]:
        """Give the code (latent coordinates) of rows, from the first member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, latent_dim)
        """
        check_is_fitted(self)
        return self._encode(self._check(X, reset=False))

    def inverse_transform(self, Z: Any) -> NDArray[Any]:
        """Turn codes back into rows, with the first member.

        Parameters
        ----------
        Z : array-like of shape (n_samples, latent_dim)
            Codes, as `transform` gives them.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of the rows of ``fit``.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=[np.float64, np.float32])
        if Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"Z has {Z.shape[1]} features, but {type(self).__name__} has a code of "
                f"{self._n_features_out}."
            )
        module = self.net_.module_

        def back(code: Tensor) -> Tensor:
            wide = code.expand(self.n_members, -1, -1) if self.n_members > 1 else code
            out = module.activate(module.decode(wide))
            x: Tensor = module.standardizer.inverse(out[0] if self.n_members > 1 else out)
            return x

        return self._map(back, Z)
