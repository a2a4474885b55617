"""How (1+ε)-class classification is fitted: labels, coordinates, box, sampler, net."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_consistent_length

from skhep_anomaly._device import resolve_device
from skhep_anomaly._random import isolated_torch, numpy_generator, torch_generator
from skhep_anomaly._validation import iter_slices, weighted_quantile
from skhep_anomaly.exceptions import TrainingDivergedError
from skhep_anomaly.nn import LogitNet, ModuleLogit, Standardizer
from skhep_anomaly.ope._coordinates import Coordinates
from skhep_anomaly.ope._decisions import DecisionsMixin
from skhep_anomaly.ope._diagnostics import diagnose
from skhep_anomaly.ope._labels import Labels, no_labels, read_labels
from skhep_anomaly.ope._objective import KnownAnomalies, OPELoss
from skhep_anomaly.ope._rows import TrainingRows
from skhep_anomaly.ope._weighted import classifier_logit, fit_weighted, fits_weights
from skhep_anomaly.ope.samplers import make_sampler
from skhep_anomaly.persistence import SaveMixin
from skhep_anomaly.training import AdversarialNet, Net, NetEstimator, Player

__all__ = ["OPEFitting"]

_BOUND = 8.0
_ROUND = 100
_RESIDUAL = 0.1
_DECAY, _DECAY_REFERENCE = 3e-2, 1e-4
_ONE_CLASS_SHARE = 0.1
_FEWEST_PSEUDO = 1000
_CHUNK_ROWS = 65_536
# what each of the seeds of a fit is for
_WEIGHTS, _TRANSFORM, _SAMPLER, _POOL, _KNOWN, _DIAGNOSE, _ESTIMATOR = 0, 2, 3, 4, 5, 6, 7


class OPEFitting(SaveMixin, DecisionsMixin, NetEstimator):
    """What `OPEClassifier` does between its parameters and its scores."""

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        before = dict(vars(self))
        try:
            resume, rows = self._read(X, y, sample_weight)
            pool = self._bind_sampler(rows)
            if resume:
                self._check_same_net()
        except BaseException:  # a fit that is refused changes nothing
            self.__dict__ = before
            raise
        if self.estimator is not None:
            self._fit_estimators(rows, pool)
        else:
            self._fit_net(rows, pool, resume)

    def _read(self, X: Any, y: Any, sample_weight: Any) -> tuple[bool, TrainingRows]:
        """Check the input and give its rows; tell whether the last net goes on."""
        device = resolve_device(self.device)
        resume = self.warm_start and hasattr(self, "net_") and self.estimator is None
        X = self._check(X, reset=not resume, min_rows=2)
        if y is not None:
            check_consistent_length(X, y)
        weight, keep = self._check_weight(sample_weight, X)
        if keep is not None:
            X, y = X[keep], None if y is None else np.asarray(y)[keep]
        owner = type(self).__name__
        labels = no_labels(len(X)) if y is None else read_labels(y, self.anomaly_label, owner)
        self._check_combination(labels)
        if resume:
            return True, TrainingRows(self._coordinates(X), labels.flags, weight)
        self._settle_on(X, device)
        return False, self._learn_coordinates(X, labels, weight)

    @property
    def _gamma(self) -> float:
        return float(self.eps if self.gamma is None else self.gamma)

    def _takes_images(self) -> bool:
        return self.module is not None or self.latent_transform is not None

    def _check_combination(self, labels: Labels) -> None:
        """Refuse parameters that do not go together; settle the reference correction."""
        known = bool(labels.flags.any())
        if self.eps == 1 and not known:
            raise ValueError(
                "eps=1 is two-class classification and needs known anomalies: give labels y, or "
                "eps < 1."
            )
        if self.eps == 1 and self._gamma == 0:
            raise ValueError(
                "eps=1 with gamma=0 leaves nothing to tell normal rows from. Raise gamma, or lower "
                "eps."
            )
        plain = isinstance(self.sampler, str) and self.sampler == "uniform"
        if self.reference in ("gmm", "flow") and not plain:
            raise ValueError(
                f"reference={self.reference!r} draws its own pseudo-anomalies; leave "
                f"sampler='uniform' (got {self.sampler!r}), or set reference=None."
            )
        if self.module is not None and (self.n_members != 1 or self.estimator is not None):
            raise ValueError(
                "module= is one net of your own; set n_members=1 and estimator=None with it."
            )
        if self.estimator is not None and not fits_weights(self.estimator):
            raise ValueError(
                f"estimator={type(self.estimator).__name__} takes no sample_weight in fit, which "
                "(1+ε)-class classification needs."
            )
        self.classes_, self.anomaly_class_ = labels.classes, labels.anomaly
        self.reference_ = self.reference
        if self.reference == "auto":
            self.reference_ = "gmm" if plain and not known else None
        if self.eps == 1:
            self.reference_ = None

    def _learn_coordinates(
        self, X: NDArray[Any], labels: Labels, weight: NDArray[np.float64] | None
    ) -> TrainingRows:
        """Fit transformers, moments and the box."""
        normal = np.flatnonzero(~labels.flags)
        coordinates = Coordinates.learn(
            X,
            normal,
            latent_transform=self.latent_transform,
            preprocessing=self.preprocessing,
            seed=_number(self._seeds[_TRANSFORM]),
        )
        self.transformers_, self.keeps_shape_ = coordinates.steps, coordinates.keeps_shape
        rows = TrainingRows(coordinates(X), labels.flags, weight)
        self.n_coordinates_ = rows.X.shape[1]
        self.center_, self.scale_ = np.zeros(self.n_coordinates_), np.ones(self.n_coordinates_)
        self.clip_ = np.inf
        if isinstance(self.preprocessing, str) and self.preprocessing == "standard":
            self.center_, self.scale_ = rows.moments()
            self.clip_ = _BOUND
        self.box_ = rows.box(self.bounds, self.bounds_pad, self._to_z)
        return rows

    def _standardizer(self) -> Standardizer:
        return Standardizer(self.center_, self.scale_, self.clip_)

    def _to_z(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Standardise flat rows, in their own dtype."""
        x = torch.from_numpy(rows if rows.flags.writeable else np.array(rows))
        z: NDArray[Any] = self._standardizer().to(x.dtype)(x).numpy()
        return z

    def _bind_sampler(self, rows: TrainingRows) -> NDArray[Any]:
        """Make the sampler and let it learn from a pool of normal rows, which is given back."""
        pool = self._to_z(rows.pool(numpy_generator(self._seeds[_POOL])).astype(self.dtype_))
        asked = self.sampler if self.reference in (None, "auto") else self.reference
        sampler = make_sampler(self.reference_ or asked, self.sampler_params)
        self.sampler_ = None
        if self.eps == 1:
            return pool
        self.sampler_ = sampler.bind(
            self.box_[0],
            self.box_[1],
            torch.from_numpy(pool).to(self.device_),
            self._seeds[_SAMPLER],
            n_members=int(self.n_members),
        )
        if self.estimator is not None and any(part.kind != "reference" for _, part in self._terms):
            raise ValueError(
                f"sampler={self.sampler!r} follows the gradient of a net, which estimator="
                f"{type(self.estimator).__name__} does not have; use a reference sampler: "
                "'uniform', 'swap', 'flow' or 'gmm'."
            )
        return pool

    @property
    def _terms(self) -> list[tuple[float, Any]]:
        """Shares and samplers of L⁰."""
        if self.sampler_ is None:
            return []
        return list(getattr(self.sampler_, "parts_", [(1.0, self.sampler_)]))

    # ------------------------------------------------------------------ net

    def _fit_net(self, rows: TrainingRows, pool: NDArray[Any], resume: bool) -> None:
        if not resume:
            self.n_iter_ = 0
            self.net_ = self._make_net()
            self._reset_weights(torch_generator(self._seeds[_WEIGHTS]))
        for _, part in self._terms:
            if hasattr(part, "attach"):
                part.attach(self.net_.module_)
        _set_loss(self.net_, self._make_loss(rows))
        self.net_.max_steps = int(self.max_iter)
        data = rows.normal_rows(self.dtype_, self.device_)
        epochs = max(1, round(self.max_iter / _ROUND))
        self._train(lambda: self._run_net(data, epochs), lambda: self._finish(rows, pool))

    def _run_net(self, data: Any, epochs: int) -> bool:
        if self.module is None:
            interrupted = super()._run_net(data, epochs)
        else:
            with isolated_torch(self._seeds[_WEIGHTS]):  # dropout of the user's module
                interrupted = super()._run_net(data, epochs)
        self.n_iter_ += self.net_.n_steps
        return interrupted

    def _make_net(self) -> Net:
        module: LogitNet | ModuleLogit
        if self.module is None:
            module = LogitNet(
                self.hidden_layer_sizes,
                self.activation,
                self._standardizer(),
                n_members=int(self.n_members),
            )
        else:
            kept = self.latent_transform is None and math.prod(self.row_shape_)
            shape = self.row_shape_ if kept == self.n_coordinates_ else (self.n_coordinates_,)
            module = ModuleLogit(copy.deepcopy(self.module), self._standardizer(), tuple(shape))
        kind = getattr(torch, self.dtype_)
        deep = [part for _, part in self._terms if hasattr(part, "make_generator")]
        if not deep:
            return Net(module.to(kind), _no_loss(), **self._net_options()).initialize()
        module.generator = deep[0].make_generator(self.n_coordinates_)
        player = dataclasses.replace(deep[0].players("generator"), every=int(self.sample_every))
        net_player = Player("classifier", ("net",), _no_loss())
        return AdversarialNet(
            module.to(kind), players=(player, net_player), **self._net_options()
        ).initialize()

    def _reset_weights(self, generator: torch.Generator) -> None:
        module = self.net_.module_
        if self.module is None:
            module.reset(generator)
        if hasattr(module, "generator"):
            module.generator.reset(generator)

    def _make_loss(self, rows: TrainingRows) -> OPELoss:
        known = None
        if rows.n_known and self._gamma > 0:
            shuffle = numpy_generator(self._seeds[_KNOWN])
            known_rows = rows.known_rows(self.dtype_, self.device_)
            known = KnownAnomalies(known_rows, int(self.batch_size), shuffle)
        decay: Any = self.weight_decay
        if decay == "auto":
            decay = _DECAY if self.reference_ is None else _DECAY_REFERENCE
        return OPELoss(
            float(self.eps),
            self._gamma,
            known,
            self._terms,
            n_pseudo=int(self.n_pseudo or self.batch_size),
            energy_loss=self.energy_loss,
            energy_penalty=float(self.energy_penalty),
            sample_every=int(self.sample_every),
            weight_decay=float(decay),
        )

    def _finish(self, rows: TrainingRows, pool: NDArray[Any]) -> None:
        """Set what depends on the trained net, and let go of the data."""
        _set_loss(self.net_, _no_loss())
        self._conclude(rows, pool)
        if not self.bias_residual_ <= _RESIDUAL:
            warnings.warn(
                f"{type(self).__name__} has not converged: bias_residual_ = "
                f"{self.bias_residual_:.3g} after {self.n_iter_} steps, above {_RESIDUAL:g}. Raise "
                "max_iter, or lower weight_decay or energy_penalty.",
                ConvergenceWarning,
                stacklevel=7,
            )

    # ---------------------------------------------------------- classifiers

    def _fit_estimators(self, rows: TrainingRows, pool: NDArray[Any]) -> None:
        """Fit each member's classifier on rows and pseudo-anomalies of its own."""
        seeds = self._seeds[_ESTIMATOR].generate_state(int(self.n_members))
        self.estimators_ = [self._fit_one(rows, int(seed) >> 1) for seed in seeds]
        self.n_iter_, self.history_ = 1, []
        self._conclude(rows, pool)

    def _fit_one(self, rows: TrainingRows, seed: int) -> Any:
        n_pseudo = int(self.n_pseudo or max(_FEWEST_PSEUDO, len(rows.normal)))
        parts = [(self._to_z(rows.X[rows.normal]), 1.0, rows.weight_of(rows.normal))]
        if rows.n_known and self._gamma > 0:
            known = self._to_z(rows.X[rows.known])
            parts.append((known, self._gamma, rows.weight_of(rows.known)))
        for share, part in self._terms:
            pseudo = part.sample(max(1, round(share * n_pseudo))).cpu().numpy()
            parts.append((pseudo, (1.0 - self.eps) * share, None))
        return fit_weighted(self.estimator, parts, seed)

    def _forget(self) -> None:
        super()._forget()
        self.__dict__.pop("estimators_", None)

    # --------------------------------------------------------------- scores

    def _coordinates(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give flat rows before the standardisation."""
        return Coordinates(self.transformers_, keeps_shape=self.keeps_shape_)(X)

    def _logits(self, rows: NDArray[Any], *, in_z: bool = False) -> NDArray[np.float64]:
        """Give g of flat rows, standardised already if `in_z`, shape (n, n_members)."""
        if hasattr(self, "estimators_"):  # the parameter may have changed since
            return self._in_chunks(
                lambda z: np.stack([classifier_logit(m, z) for m in self.estimators_], axis=1),
                rows,
                in_z=in_z,
            )
        module = self.net_.module_

        def logit(x: torch.Tensor) -> torch.Tensor:
            g = module(x if in_z else module.coordinates(x))
            return g.reshape(module.n_members, -1).T  # type: ignore[no-any-return]

        return self._map(logit, rows).astype(np.float64, copy=False)

    def _log_reference(self, rows: NDArray[Any]) -> Any:
        """Give log q of flat rows, 0 without a correction."""
        if self.reference_ is None:
            return 0.0
        sampler: Any = self.sampler_
        return self._in_chunks(lambda z: sampler.log_prob(z).cpu().numpy(), rows)

    def _in_chunks(
        self, function: Any, rows: NDArray[Any], *, in_z: bool = False
    ) -> NDArray[np.float64]:
        chunks = (rows[c] for c in iter_slices(len(rows), _CHUNK_ROWS))
        parts = [function(chunk if in_z else self._to_z(chunk)) for chunk in chunks]
        return np.concatenate(parts).astype(np.float64)

    # ------------------------------------------------------------ afterwards

    def _conclude(self, rows: TrainingRows, pool: NDArray[Any]) -> None:
        """Set diagnostics and ``offset_``."""
        self.__dict__.update(self._diagnose(rows, pool))
        meaningful = self.reference_ is None and all(p.kind == "reference" for _, p in self._terms)
        if self.contamination is None and rows.n_known and meaningful:
            self.offset_ = 0.0
            return
        share = _ONE_CLASS_SHARE if self.contamination is None else self.contamination
        score = self._logits(rows.X).mean(axis=1) + self._log_reference(rows.X)
        score = score[rows.normal]  # to select the rows first would copy them all
        if not np.isfinite(score).all():
            raise TrainingDivergedError(
                f"{type(self).__name__} scores {int((~np.isfinite(score)).sum())} of {len(score)} "
                f"training rows as NaN or infinite after {self.n_iter_} steps: the net diverged. "
                f"Lower learning_rate (now {self.learning_rate:g}), or look for extreme values in "
                "X."
            )
        offset = float(weighted_quantile(score, share, rows.weight_of(rows.normal)))
        # a hair lower: the row that lies on it stays normal whatever rows it is scored with
        self.offset_ = offset - 64 * float(np.finfo(self.dtype_).eps) * max(1.0, abs(offset))

    def _diagnose(self, rows: TrainingRows, pool: NDArray[Any]) -> dict[str, Any]:
        known = None
        if rows.n_known:
            known = (self._to_z(rows.X[rows.known]), rows.weight_of(rows.known))
        return diagnose(
            lambda z: self._logits(z, in_z=True),
            pool,
            known,
            self.sampler_,
            eps=float(self.eps),
            gamma=self._gamma,
            energy_loss=self.energy_loss,
            generator=torch_generator(self._seeds[_DIAGNOSE]),
        )


def _number(seeds: np.random.SeedSequence) -> int:
    return int(seeds.generate_state(1)[0] >> 1)


def _no_loss() -> OPELoss:
    """Give a loss that holds no rows, for a net that is not being trained."""
    return OPELoss(1.0, 1.0, None, [], n_pseudo=1)


def _set_loss(net: Net, loss: OPELoss) -> None:
    """Put a loss into a net, as its criterion or as that of the classifying player."""
    if isinstance(net, AdversarialNet):
        generator, classifier = net.players
        net.players = (generator, dataclasses.replace(classifier, loss=loss))
    net.criterion = net.criterion_ = loss
