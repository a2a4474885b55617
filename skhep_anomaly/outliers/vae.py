"""Variational autoencoder as a detector: rows to which it gives a low likelihood are odd.

Default score: the negative ELBO plus half the Mahalanobis size of the residual at the latent mean,
both in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skhep_anomaly._random import seed_sequence, torch_generator
from skhep_anomaly._validation import Interval, StrOptions
from skhep_anomaly.nn import ACTIVATIONS, ResidualMetric, SecondMoments, Standardizer
from skhep_anomaly.nn.latent_prior import FlowPrior, MixturePrior
from skhep_anomaly.nn.vae import VAE, balanced_noise, kl_per_dim
from skhep_anomaly.outliers._base import Detector
from skhep_anomaly.outliers._elbo import ElboLoss, optimal_log_var
from skhep_anomaly.outliers._latent_priors import choose_rows, fit_flow, fit_mixture, mixture_size
from skhep_anomaly.outliers._residuals import gather_rows, learn_metric
from skhep_anomaly.outliers._vae_methods import LatentDetector
from skhep_anomaly.training import Net, column_moments

__all__ = ["VAEOutlierDetector"]

_SCORES = {"elbo+mahalanobis", "elbo", "iwae", "reconstruction", "kl", "radius", "mse"}
_BETAS = {"elbo": 1.0, "mse_kl": 0.01, "mse+kl": 1.0}
_ACTIVE = 0.01


class VAEOutlierDetector(LatentDetector):
    """Find outliers as rows of low likelihood under a variational autoencoder.

    An encoder gives q(t|x) = N(μ(x), diag σ²(x)), a decoder p(x|t); training on rows taken as
    normal maximises the ELBO, E_q[log p(x|t)] − β·KL(q(t|x) ‖ N(0, 1)), of the standardised rows.
    The default score adds to −ELBO the Mahalanobis size ½ r′C⁻¹r of the residual r at μ, with C the
    covariance of the training residuals.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Hidden layers of the encoder, mirrored in the decoder; () gives a linear model.
    latent_dim : int, default=None
        Number k of latents; None: half the features, rounded up.
    activation : str, default="silu"
        Of the hidden layers: "silu", "relu", "relu6", "leaky_relu", "elu", "tanh", "sigmoid" or
        "linear".
    dropout : float in [0, 1), default=0.0
        Share of hidden units dropped in training.
    decoder : {"gaussian", "gaussian_shared", "fixed", "bernoulli"}, default="gaussian"
        p(x|t): Gaussian with one σ per feature, one for all, a given one, or Bernoulli
        (``standardize=False`` and X in [0, 1]).
    sigma : {"learned", "optimal"}, float or None, default="optimal"
        The decoder's σ in standardised units: trained along from the data's scale, or set in every
        step to the root mean squared error (σ-VAE), at least .1; a float goes with "fixed", None
        with "bernoulli".
    beta : float, default=None
        Weight of the KL term. None: 1 for ``loss="elbo"`` and "mse+kl", .01 for "mse_kl". Larger:
        fewer latents in use.
    loss : {"elbo", "mse_kl", "mse+kl"}, default="elbo"
        Negative ELBO with β, (1 − β)·MSE + β·KL with 0 < β < 1, or MSE + β·KL. MSE is the mean over
        features, KL the sum over latents.
    kl_warmup : float in [0, 1], default=0.3
        Share of the steps of a `fit` over which β rises from zero.
    n_draws_train : int, default=1
        Latents drawn per row and step.
    n_draws_score : int, default=16
        Latents per row in scoring: the same noise vectors, drawn in `fit`, serve every row.
    score_kind : str, default="elbo+mahalanobis"
        Anomaly score; one of "elbo+mahalanobis", "elbo", "iwae", "reconstruction", "kl", "radius"
        and "mse": −ELBO + ½ r′C⁻¹r, −ELBO, the importance-weighted bound on −log p(x), −E_q[log
        p(x|t)], KL, ‖μ‖, or mean r². The bounds have β = 1 whatever `beta` is.
    prior : {"normal", "gmm", "flow"}, default="normal"
        p(t) in scores and in `sample`: N(0, 1), or a Gaussian mixture (up to 10 components) or a
        flow fitted after training to draws from q(t|x) of the training rows.
    log_var_bounds : tuple of float, default=(-6, 6)
        Bounds of log σ² of the encoder and of a learnt one of the decoder.
    log_prob_units : {"standard", "data"}, default="standard"
        Densities of standardised rows, or of rows in the units of X, which adds Σ log scale to −log
        p.
    n_members : int, default=1
        Nets trained side by side; the score is their mean, `score_std` their spread.
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
    threshold : str, float or callable, default="contamination"
        "contamination", "percentile", "median" or "mean": rule for `offset_` from the training
        scores; a number is `offset_` itself.
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
    kl_per_dim_ : ndarray of shape (latent_dim,)
        Mean KL of each latent over the training rows, first member [nats].
    active_units_ : int
        Number of latents whose μ varies by more than .01 over the training rows, first member.
    n_iter_ : int
        Epochs trained.
    history_ : list of dict
        One row per epoch: ``epoch``, ``train_loss``, ``valid_loss`` where rows were held out,
        ``dur`` [s].
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names, where X had them.

    Notes
    -----
    Differs from A. Nardelli's thesis (its model is `VAEOutlierDetector.thesis`) in width, number of
    latents, the closed-form σ, warm-up and residual metric. The noise vectors of scoring are moved
    to mean 0 and covariance 1 where there are more of them than latents, so that the ELBO of a
    linear decoder is exact. With weights, "gmm" and "flow" are fitted to rows drawn in proportion
    to weight, at most 20,000. One epoch costs O(n·p) for p weights, scoring `n_draws_score` times
    the decoder.

    References
    ----------
    .. [1] D. P. Kingma, M. Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114, eq. 3.
    .. [2] O. Rybkin et al., "Simple and Effective VAE Training with Calibrated Decoders",
       arXiv:2006.13202, eq. 6.
    .. [3] Y. Burda et al., "Importance Weighted Autoencoders", arXiv:1509.00519, eq. 8.

    Examples
    --------
    >>> import numpy as np
    >>> from skhep_anomaly import VAEOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = VAEOutlierDetector(random_state=0, max_epochs=20).fit(X)
    >>> detector.predict([[0.0, 0.0, 0.0], [9.0, -9.0, 9.0]])
    array([ 1, -1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Detector._parameter_constraints,
        "hidden_layer_sizes": ["array-like"],
        "latent_dim": [Interval(Integral, 1, None, closed="left"), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "decoder": [StrOptions({"gaussian", "gaussian_shared", "fixed", "bernoulli"})],
        "sigma": [
            StrOptions({"learned", "optimal"}),
            Interval(Real, 0, None, closed="neither"),
            None,
        ],
        "beta": [Interval(Real, 0, None, closed="left"), None],
        "loss": [StrOptions(set(_BETAS))],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
        "n_draws_train": [Interval(Integral, 1, None, closed="left")],
        "n_draws_score": [Interval(Integral, 1, None, closed="left")],
        "score_kind": [StrOptions(_SCORES)],
        "prior": [StrOptions({"normal", "gmm", "flow"})],
        "log_var_bounds": ["array-like"],
        "log_prob_units": [StrOptions({"standard", "data"})],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (64, 64),
        latent_dim: int | None = None,
        *,
        activation: str = "silu",
        dropout: float = 0.0,
        decoder: str = "gaussian",
        sigma: str | float | None = "optimal",
        beta: float | None = None,
        loss: str = "elbo",
        kl_warmup: float = 0.3,
        n_draws_train: int = 1,
        n_draws_score: int = 16,
        score_kind: str = "elbo+mahalanobis",
        prior: str = "normal",
        log_var_bounds: tuple[float, float] = (-6.0, 6.0),
        log_prob_units: str = "standard",
        n_members: int = 1,
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
        self.decoder = decoder
        self.sigma = sigma
        self.beta = beta
        self.loss = loss
        self.kl_warmup = kl_warmup
        self.n_draws_train = n_draws_train
        self.n_draws_score = n_draws_score
        self.score_kind = score_kind
        self.prior = prior
        self.log_var_bounds = log_var_bounds
        self.log_prob_units = log_prob_units
        self.n_members = n_members
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
    def thesis(cls, **params: Any) -> VAEOutlierDetector:
        """Give the VAE of Nardelli's thesis: (50, 25)-2-(25, 50), ReLU6, learnt σ.

        Parameters
        ----------
        **params
            Override any parameter.

        Returns
        -------
        VAEOutlierDetector
            With Adam at 1e-4 and 1,000 epochs of batches of 512, scored by the ELBO, as there.
        """
        settings: dict[str, Any] = {
            "hidden_layer_sizes": (50, 25),
            "latent_dim": 2,
            "activation": "relu6",
            "dropout": 0.1,
            "sigma": "learned",
            "kl_warmup": 0.0,
            "score_kind": "elbo",
            "learning_rate": 1e-4,
            "lr_schedule": "constant",
            "max_grad_norm": None,
            "max_epochs": 1000,
            "batch_size": 512,
            "threshold": "percentile",
        }
        return cls(**(settings | params))

    # ------------------------------------------------------------- building

    def _check_settings(self) -> None:
        self._check_sigma()
        low, high = self._bounds()
        if not low < high:
            raise ValueError(
                f"log_var_bounds={self.log_var_bounds!r} is no pair of rising numbers; "
                "(-6, 6) is one."
            )
        if self.loss == "mse_kl" and not 0 < self._beta < 1:
            raise ValueError(
                f"loss='mse_kl' weighs MSE by 1 - beta and needs 0 < beta < 1; "
                f"got beta={self.beta!r}."
            )
        if self.decoder == "bernoulli" and self.standardize:
            raise ValueError(
                "decoder='bernoulli' needs standardize=False and X in [0, 1]; got standardize=True."
            )

    def _check_sigma(self) -> None:
        kind = self.sigma if isinstance(self.sigma, str) or self.sigma is None else "a float"
        allowed: tuple[str | None, ...] = {
            "fixed": ("a float",),
            "bernoulli": (None,),
        }.get(self.decoder, ("learned", "optimal"))
        if kind not in allowed:
            raise ValueError(
                f"decoder={self.decoder!r} goes with sigma = {' or '.join(map(str, allowed))}; "
                f"got sigma={self.sigma!r}."
            )
        if self.loss != "elbo" and kind in ("learned", None):
            raise ValueError(
                f"loss={self.loss!r} has no likelihood to learn sigma by: use sigma='optimal', "
                "which is set after training, or decoder='fixed' with a float; got "
                f"decoder={self.decoder!r}, sigma={self.sigma!r}."
            )

    def _bounds(self) -> tuple[float, float]:
        bounds = np.asarray(self.log_var_bounds, dtype=np.float64).ravel()
        return (float(bounds[0]), float(bounds[1])) if len(bounds) == 2 else (0.0, 0.0)

    @property
    def _beta(self) -> float:
        return _BETAS[self.loss] if self.beta is None else float(self.beta)

    def _learn_shape(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        if self.decoder == "bernoulli" and not (X.min() >= 0 and X.max() <= 1):
            raise ValueError(
                f"decoder='bernoulli' needs X in [0, 1]; got values from {X.min():.4g} to "
                f"{X.max():.4g}. Scale X first."
            )
        if self.prior == "gmm":
            self.n_components_ = mixture_size(len(X))
        self.noise_seed_ = int(self._seeds[3].generate_state(1)[0])
        scale = 1.0 if self.standardize else column_moments(X, weight)[1]
        self._first_log_var = 2.0 * np.log(np.broadcast_to(scale, X.shape[1:]))

    def _make_net(self) -> Net:
        d = self.n_features_in_
        bound = 8.0 if self.standardize else np.inf
        latent_dim = -(-d // 2) if self.latent_dim is None else int(self.latent_dim)
        module = VAE(
            d,
            self.hidden_layer_sizes,
            latent_dim,
            self.activation,
            decoder=self.decoder,
            learn_log_var=self.sigma == "learned",
            log_var_bounds=self._bounds(),
            n_draws=self.n_draws_score,
            n_members=self.n_members,
            dropout=self.dropout,
            standardizer=Standardizer(np.zeros(d), np.ones(d), bound),
        )
        module.metric = ResidualMetric(self.n_members, d)
        if self.prior == "gmm":
            module.prior = MixturePrior(self.n_components_, latent_dim, self.n_members)
        elif self.prior == "flow":
            module.prior = FlowPrior(latent_dim, self.n_members)
        loss = ElboLoss(
            self.loss, self._beta, self.kl_warmup, self.n_draws_train, self.sigma == "optimal"
        )
        return Net(
            module.to(getattr(torch, self.dtype_)),
            loss,
            optimizer__weight_decay=self.weight_decay,
            **self._net_options(),
        ).initialize()

    @torch.no_grad()
    def _reset_weights(self, generator: torch.Generator) -> None:
        module = self.net_.module_
        module.reset(generator)
        noise = balanced_noise(
            self.n_draws_score, module.latent_dim, torch_generator(seed_sequence(self.noise_seed_))
        )
        module.score_noise.copy_(noise)
        first = torch.from_numpy(self._first_log_var)
        if self.decoder == "fixed":
            first = torch.tensor([2.0 * math.log(float(self.sigma))])  # type: ignore[arg-type]
        elif self.decoder != "gaussian":
            first = first.mean(dim=0, keepdim=True)
        if self.sigma == "learned":
            first = first.clamp(*self._bounds())
        module.log_var.copy_(first)

    # ------------------------------------------------------------- after training

    def _finish(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        """Learn the residuals' covariance, the optimal σ and the use of the latents."""
        module = self.net_.module_
        learn_metric(
            module.metric,
            lambda x: self._residuals(module.standardizer(x)),
            X,
            weight,
            module=module,
        )
        if self.sigma == "optimal":
            self._learn_sigma(X, weight)
        self._describe_latents(X, weight)

    def _run_epochs(self, X: NDArray[Any], weight: NDArray[np.float64] | None, epochs: int) -> bool:
        interrupted = super()._run_epochs(X, weight, epochs)
        if self.prior == "normal":
            return interrupted
        prior = self.net_.module_.prior
        rng = np.random.default_rng(self._seeds[3])
        mu, sigma = self._posterior(X[choose_rows(len(X), weight, rng)])
        if self.prior == "gmm":
            fit_mixture(prior, mu + sigma * rng.standard_normal(mu.shape), rng)
            return interrupted
        return fit_flow(prior, mu, sigma, self._seeds[3], self.device_) or interrupted

    def _learn_sigma(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        """Set σ_d² to the mean squared error of the training rows over the noise of scoring."""
        module, d = self.net_.module_, self.n_features_in_
        noise = module.score_noise
        moments = SecondMoments(1, self.n_members * d, noise.device)

        def squares(x: Tensor, w: Tensor | None) -> None:
            z = module.standardizer(x)
            out = module.decode(module.draw(*module.encode(z), noise))
            error = (out - z.repeat(len(noise), 1)).square()
            error = error.reshape(self.n_members, len(noise), len(z), d).mean(dim=1)
            moments.add(error.transpose(0, 1).reshape(1, len(z), -1), w)

        gather_rows(squares, X, weight, module=module, chunk_rows=max(16, 2**14 // len(noise)))
        variance = moments.mean.reshape(self.n_members, d)
        module.log_var.copy_(optimal_log_var(variance, self.decoder == "gaussian_shared"))

    def _describe_latents(self, X: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        """Set ``kl_per_dim_`` and ``active_units_`` of the first member."""
        module = self.net_.module_
        moments = SecondMoments(2, module.latent_dim, module.score_noise.device)

        def describe(x: Tensor, w: Tensor | None) -> None:
            mu, log_var = (self._first(part) for part in module.encode(module.standardizer(x)))
            moments.add(torch.stack([kl_per_dim(mu, log_var), mu]), w)

        gather_rows(describe, X, weight, module=module)
        self.kl_per_dim_ = moments.mean[0].cpu().numpy()
        variance = moments.covariance[1].diagonal()
        self.active_units_ = int((variance > _ACTIVE).sum())

    def _posterior(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Give μ and σ of q(t|x), stacked: (2, n_members, n, k)."""
        module = self.net_.module_

        def both(z: Tensor) -> Tensor:
            mu, log_var = module.encode(z)
            parts = torch.stack([mu, torch.exp(0.5 * log_var)])
            return parts.reshape(2, self.n_members, len(z), -1).permute(2, 0, 1, 3)

        return self._module_map(both, X).astype(np.float64).transpose(1, 2, 0, 3)

    # --------------------------------------------------------------- scores

    def _residuals(self, z: Tensor) -> Tensor:
        """Give residuals at μ, (n_members, n, d)."""
        module = self.net_.module_
        return (module(z) - z).reshape(self.n_members, len(z), -1)

    def _member_scores(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Give the anomaly score of each row by each member, shape (n, n_members)."""
        noise = self.net_.module_.score_noise
        kind = self.score_kind
        if kind == "iwae":
            return self._log_scale() - self._iwae(X, noise)
        if kind in ("mse", "radius"):
            return self._module_map(self._plain_size, X).astype(np.float64)
        reconstruction, kl = np.moveaxis(self._elbo_terms(X, noise), -1, 0)
        if kind == "kl":
            return kl
        if kind == "reconstruction":
            return reconstruction + self._log_scale()
        if kind == "elbo":
            return reconstruction + kl + self._log_scale()
        metric = self.net_.module_.metric
        size = self._module_map(lambda z: metric(self._residuals(z)).T, X).astype(np.float64)
        return reconstruction + kl + 0.5 * size

    def _plain_size(self, z: Tensor) -> Tensor:
        """Give the mean squared residual, or the distance of μ from the origin, (n, n_members)."""
        if self.score_kind == "mse":
            return self._residuals(z).square().mean(dim=-1).T
        mu = self.net_.module_.encode(z)[0].reshape(self.n_members, len(z), -1)
        return torch.linalg.vector_norm(mu, dim=-1).T

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
            Standard deviation over the members (0 for one member).
        """
        check_is_fitted(self)
        spread: NDArray[np.float64] = self._member_scores(self._check(X, reset=False)).std(axis=1)
        return spread
