"""(1+ε)-class classification: one slider from one-class to two-class.

A net g is trained to call normal rows normal, known anomalies not, and, with weight 1 − ε,
generated pseudo-anomalies neither (losses.py has the formulas and their source). Known anomalies
sharpen the boundary where they are; pseudo-anomalies keep it closed where none are known.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skhep_anomaly._validation import HasMethods, Interval, StrOptions
from skhep_anomaly.nn import ACTIVATIONS
from skhep_anomaly.ope._fitting import OPEFitting
from skhep_anomaly.ope.losses import ENERGY_LOSSES
from skhep_anomaly.ope.samplers import PseudoAnomalySampler

__all__ = ["OPEClassifier"]


class OPEClassifier(OPEFitting):
    """Classify normal against known and unknown anomalies, with pseudo-anomalies in between.

    The logit g of "normal" minimises L⁺ + γ L⁻ + (1 − ε) L⁰: cross-entropy on normal rows, on known
    anomalies and on pseudo-anomalies that a sampler generates in a box Ω around the data. At
    ``eps=1`` that is two-class classification, which knows nothing of other kinds of anomalies; at
    ``eps=0`` one-class classification, which ignores the known ones (unless `gamma` is given).

    Parameters
    ----------
    eps : float in [0, 1], default=0.5
        ε; larger trusts known anomalies more and pseudo-anomalies less.
    sampler : {"uniform", "swap", "hmc", "rmsprop", "deep", "flow", "gmm", "mixture"} or sampler, \
default="uniform"
        Where pseudo-anomalies come from. "uniform", "swap", "flow" and "gmm" are reference
        samplers with a fixed density; "hmc", "rmsprop" and "deep" follow exp(g), the regions that
        the net still takes for normal; see ``skhep_anomaly.ope.samplers``.
    estimator : classifier, default=None
        Any scikit-learn classifier whose ``fit`` takes ``sample_weight``, in place of the net:
        boosted trees, a linear model. Reference samplers only.
    gamma : float ≥ 0, default=None
        Weight γ of the known anomalies; None: γ = `eps`.
    reference : {"auto", "gmm", "flow"} or None, default="auto"
        Reference correction: pseudo-anomalies are drawn from a density q fitted to the normal rows
        (a widened Gaussian mixture, or a flow) in place of `sampler`, and the score is
        g + log q. "auto": "gmm" where no anomalies are known and `sampler` is "uniform", else
        None, no correction.
    hidden_layer_sizes : sequence of int, default=(64, 64)
        Hidden layers of the net.
    activation : str, default="leaky_relu"
        One of ``relu, relu6, leaky_relu, tanh, sigmoid, elu, silu, linear``. Smooth ones help
        energy samplers.
    max_iter : int ≥ 1, default=2000
        Training steps.
    batch_size : int ≥ 1, default=128
        Normal rows in a step; at most as many known anomalies.
    n_pseudo : int ≥ 1, default=None
        Pseudo-anomalies in a step; None: `batch_size`. With an `estimator`: in all, None: as many
        as normal rows, at least 1,000.
    learning_rate : float > 0, default=1e-3
        Of Adam.
    lr_schedule : {"constant", "cosine"}, default="cosine"
        Learning rate over the steps; "cosine" falls to zero after a short warm-up.
    max_grad_norm : float > 0 or None, default=None
        Bound on the gradient's norm.
    weight_decay : float ≥ 0 or "auto", default="auto"
        L2 penalty ½ · `weight_decay` · ‖W‖² in the loss, not on biases. "auto": 0.03, with a
        reference correction 1e-4. Larger is smoother.
    energy_loss : {"log1pz", "logz"}, default="log1pz"
        Loss of energy samplers: log(1 + Z), or the paper's log Z, which is unstable for small
        `eps`.
    energy_penalty : float ≥ 0, default=0.01
        λ of λ(E₊ g² + E_P g²) with energy samplers: keeps the scale of g from growing.
    sample_every : int ≥ 1, default=2
        Steps for which rows of an energy sampler are used. Chains move in blocks of two draws, so
        the second draw's rows are as many steps older.
    sampler_params : dict, default=None
        Parameters of a sampler given by name, or of the reference where there is a correction.
    bounds : "data" or (low, high), default="data"
        Box Ω in preprocessed coordinates: the range of the training rows, or two numbers or
        arrays of shape (n_features,).
    bounds_pad : float ≥ 0, default=0.1
        Widening of a "data" box on either side, in units of its width.
    preprocessing : {"standard", "quantile"}, transformer or None, default="standard"
        Coordinates of net and box, learnt from normal rows: mean 0 and variance 1, clipped at ±8;
        normal scores of the ranks; a transformer, which is cloned; or the rows as they are.
    latent_transform : transformer, default=None
        Cloned, fitted to the normal rows and applied first: net and box then live in its output,
        such as the latent of an autoencoder for images.
    contamination : float in (0, 0.5] or None, default=None
        Share of the normal training weight below ``offset_``. None: ``offset_`` = 0 where it has a
        meaning (labels and a reference sampler, no correction), else a share of 0.1.
    anomaly_label : object, default=None
        Label of the anomalies; needed where y is neither {0, 1} (1 = anomaly) nor {−1, +1}.
    module : torch.nn.Module, default=None
        Your own net from preprocessed rows (in the shape of a row of `X`, where no transformer
        changes it) to one logit. It starts from the weights it comes with.
    n_members : int ≥ 1, default=1
        Nets side by side (or fits of `estimator`), each with its own start and pseudo-anomalies;
        the score is the mean of their logits.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Training dtype; "auto" keeps float32 and trains anything else in float64 on a CPU.
    device : str, default="cpu"
        "cpu", "cuda" or "auto".
    random_state : int, RandomState, Generator or None, default=None
        Seed of everything random; a transformer or `estimator` with a seed of its own keeps it.
    verbose : int, default=0
        1 shows a progress bar.
    callbacks : list of skorch callbacks, default=None
        An epoch is a round of about 100 steps.
    warm_start : bool, default=False
        Go on from the present weights of the net, in the coordinates and the box of the first fit.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Labels; [−1, 1] without y.
    anomaly_class_ : object
        The one of them that marks anomalies.
    offset_ : float
        Rows that score below it are anomalies.
    net_ : skorch net
        The trained net; absent with `estimator`.
    estimators_ : list
        Fitted classifiers (1 = normal), with `estimator` only.
    sampler_ : sampler or None
        Bound sampler; None at ``eps=1``.
    reference_ : str or None
        Reference correction in use.
    box_ : ndarray of shape (2, n_coordinates)
        Box Ω, low and high.
    n_iter_ : int
        Steps made.
    history_ : list of dict
        Losses of each round of about 100 steps.
    log_z_ : float
        log E[e^g] over the box (mean over members).
    bias_residual_ : float
        |E₊σ(−g) − γE₋σ(g) − (1−ε)w|, 0 at the optimum (largest over members); above 0.1 comes a
        ConvergenceWarning.
    energy_scale_ : float
        Standard deviation of g over normal rows, the box and rows of reference samplers.
    sampler_stats_ : dict
        Diagnostics of the sampler (of a mixture's parts as ``name__key``), and means of g on the
        kinds of rows.

    Raises
    ------
    ValueError
        If `y` has not two classes, or parameters do not go together.

    Notes
    -----
    *Signs.* ``decision_function`` is the score of ``classes_[1]``: with y in {0, 1} it grows with
    anomaly (so that ``scoring="roc_auc"`` is right), with y in {−1, +1} or none with normality.
    ``score_samples`` always grows with normality.

    *Probabilities.* For a reference sampler of density q, g* = log[p₊ / (γp₋ + (1−ε)q)], a
    posterior for γ and 1 − ε as class weights. Of energy samplers, f is no probability.

    *Deviations from the paper.* The published gradient has ε·L⁻ and the published algorithm γ·L⁻;
    here γ = ε unless given. ``energy_loss="log1pz"`` in place of log Z; a penalty on g, restarts of
    a few chains. Each term is divided by its own sum of weights. ``weight_decay`` spares biases, so
    that `bias_residual_` can vanish.

    *Cost.* O(max_iter · (batch_size + n_pseudo) · weights), times 1 + n_steps gradients with
    respect to the pseudo-anomalies every `sample_every` steps for "hmc" and "rmsprop".

    References
    ----------
    .. [1] M. Borisyak, A. Ryzhikov, A. Ustyuzhanin, D. Derkach, F. Ratnikov, O. Mineeva,
       "(1+ε)-class classification: an anomaly detection method for highly imbalanced or incomplete
       data sets", arXiv:1906.06096.

    Examples
    --------
    >>> from skhep_anomaly import OPEClassifier, make_moons_anomalies
    >>> moons = make_moons_anomalies(500, 15, kinds=["cluster"], random_state=0)
    >>> est = OPEClassifier(eps=0.5, max_iter=300, random_state=0).fit(moons.X, moons.y)
    >>> unseen = make_moons_anomalies(200, 200, kinds=["ring"], random_state=1)
    >>> from sklearn.metrics import roc_auc_score
    >>> bool(roc_auc_score(unseen.y, est.decision_function(unseen.X)) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **OPEFitting._parameter_constraints,
        "eps": [Interval(Real, 0, 1, closed="both")],
        "sampler": [str, PseudoAnomalySampler],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "gamma": [Interval(Real, 0, None, closed="left"), None],
        "reference": [StrOptions({"auto", "gmm", "flow"}), None],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_pseudo": [Interval(Integral, 1, None, closed="left"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "energy_loss": [StrOptions(set(ENERGY_LOSSES))],
        "energy_penalty": [Interval(Real, 0, None, closed="left")],
        "sample_every": [Interval(Integral, 1, None, closed="left")],
        "sampler_params": [dict, None],
        "bounds": [StrOptions({"data"}), list, tuple],
        "bounds_pad": [Interval(Real, 0, None, closed="left")],
        "preprocessing": [
            StrOptions({"standard", "quantile"}),
            HasMethods(["fit", "transform"]),
            None,
        ],
        "latent_transform": [HasMethods(["fit", "transform"]), None],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
        "anomaly_label": "no_validation",
        "module": [nn.Module, None],
    }

    def __init__(
        self,
        eps: float = 0.5,
        sampler: Any = "uniform",
        *,
        estimator: Any = None,
        gamma: float | None = None,
        reference: str | None = "auto",
        hidden_layer_sizes: Any = (64, 64),
        activation: str = "leaky_relu",
        max_iter: int = 2000,
        batch_size: int = 128,
        n_pseudo: int | None = None,
        learning_rate: float = 1e-3,
        lr_schedule: str = "cosine",
        max_grad_norm: float | None = None,
        weight_decay: float | str = "auto",
        energy_loss: str = "log1pz",
        energy_penalty: float = 0.01,
        sample_every: int = 2,
        sampler_params: dict[str, Any] | None = None,
        bounds: Any = "data",
        bounds_pad: float = 0.1,
        preprocessing: Any = "standard",
        latent_transform: Any = None,
        contamination: float | None = None,
        anomaly_label: Any = None,
        module: nn.Module | None = None,
        n_members: int = 1,
        dtype: str = "auto",
        device: str = "cpu",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Any] | None = None,
        warm_start: bool = False,
    ) -> None:
        self.eps = eps
        self.sampler = sampler
        self.estimator = estimator
        self.gamma = gamma
        self.reference = reference
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.n_pseudo = n_pseudo
        self.learning_rate = learning_rate
        self.lr_schedule = lr_schedule
        self.max_grad_norm = max_grad_norm
        self.weight_decay = weight_decay
        self.energy_loss = energy_loss
        self.energy_penalty = energy_penalty
        self.sample_every = sample_every
        self.sampler_params = sampler_params
        self.bounds = bounds
        self.bounds_pad = bounds_pad
        self.preprocessing = preprocessing
        self.latent_transform = latent_transform
        self.contamination = contamination
        self.anomaly_label = anomaly_label
        self.module = module
        self.n_members = n_members
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.warm_start = warm_start

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn: two classes, labels optional."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.target_tags.required = False
        return tags

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from normal rows, known anomalies and pseudo-anomalies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; with a `module` or `latent_transform` they may have further axes.
        y : array-like of shape (n_samples,), default=None
            Labels of two classes (see `anomaly_label`); rows without a label belong to the normal
            ones, with a smaller weight if you like. None: every row is normal.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights ≥ 0 in any unit; each class is divided by its own sum.

        Returns
        -------
        self : OPEClassifier
            Fitted.

        Raises
        ------
        ValueError
            If the input is not a finite table with labels of two classes or none, or parameters do
            not go together.
        """
        self._validate_params()
        self._fit(X, y, sample_weight)
        return self

    # --------------------------------------------------------------- scores

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Score rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher = more normal: the logit g (mean over members), plus log q of the reference
            density, in preprocessed coordinates, where there is a correction.
        """
        check_is_fitted(self)
        z = self._coordinates(self._check(X, reset=False))
        return self._logits(z).mean(axis=1) + self._log_reference(z)

    def score_std(self, X: Any) -> NDArray[np.float64]:
        """Give the spread of the members' logits, an uncertainty of the score.

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
        spread: NDArray[np.float64] = self._logits(
            self._coordinates(self._check(X, reset=False))
        ).std(axis=1)
        return spread
