"""How a shower generator is built and trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from skhep_anomaly._device import resolve_device
from skhep_anomaly._random import numpy_generator, torch_generator
from skhep_anomaly._validation import InvalidParameterError, check_weights
from skhep_anomaly.generators._adversaries import ShowerAdversaries
from skhep_anomaly.generators._conditions import CONDITION_NAMES, check_conditions
from skhep_anomaly.generators._images import check_images
from skhep_anomaly.generators._parts import ShowerParts
from skhep_anomaly.nn.cell_noise import TableNoise
from skhep_anomaly.nn.shower_deconv import DeconvTrunk
from skhep_anomaly.nn.shower_frame import PlainFrame, ShowerFrame
from skhep_anomaly.nn.shower_net import GaussianNoise, MLPTrunk, ResponseHead, ShowerNet
from skhep_anomaly.nn.shower_score import ShowerScore
from skhep_anomaly.persistence import SaveMixin
from skhep_anomaly.training import AdversarialNet, NetEstimator, Objective, Rows

__all__ = ["ShowerFitting"]

_STEPS, _ROUND = 8_000, 100
_LEARN_ROWS = 20_000  # showers that moments are taken from
_KEPT_CONDITIONS = 10_000
_LOW_ROWS = 4_000  # showers that the map of small deposits is learnt from
_RARE = (0.01, 0.05)  # occupancy of cells whose deposits are single ones
_FEWEST_RARE = 100
_WEIGHTS, _TABLE, _ROWS, _LOW = 0, 2, 3, 5  # what the seeds of a fit are for


class ShowerFitting(ShowerAdversaries, SaveMixin, NetEstimator):
    """What `CaloGANGenerator` does between its parameters and its showers."""

    def __sklearn_is_fitted__(self) -> bool:
        return "net_" in vars(self)

    def _check_settings(self) -> None:
        shape, geometry = tuple(self.shape), tuple(self.geometry)
        if len(shape) != 2 or not all(isinstance(n, int | np.integer) and n >= 2 for n in shape):
            raise InvalidParameterError(
                f"The 'shape' parameter of {type(self).__name__} must be two ints (nx, ny) in the "
                f"range [2, inf). Got {self.shape!r} instead."
            )
        numbers = all(isinstance(value, int | float | np.number) for value in geometry)
        if len(geometry) != 2 or not numbers or geometry[0] <= 0 or geometry[1] < 0:
            raise InvalidParameterError(
                f"The 'geometry' parameter of {type(self).__name__} must be (cell width > 0, "
                f"depth >= 0) in cm. Got {self.geometry!r} instead."
            )
        self._check_adversaries()

    # ------------------------------------------------------------- building

    def _make_generator(self) -> ShowerNet:
        shape = tuple(int(n) for n in self.shape)
        cell, depth = self.geometry
        frame: PlainFrame = PlainFrame(shape)  # type: ignore[arg-type]
        if self.frame == "canonical":
            frame = ShowerFrame(shape, float(cell), float(depth))  # type: ignore[arg-type]
        noise: torch.nn.Module | None = None
        if self.cell_noise is not None:
            noise = TableNoise(frame.map_shape) if self.cell_noise == "table" else GaussianNoise()
        response = ResponseHead(self.latent_dim) if self.response == "head" else None
        trunk = self._make_trunk(frame.map_shape)
        return ShowerNet(frame, trunk, int(self.latent_dim), noise=noise, response=response)

    def _make_trunk(self, map_shape: tuple[int, int]) -> MLPTrunk | DeconvTrunk:
        if self.architecture == "deconv":
            return DeconvTrunk(len(CONDITION_NAMES), int(self.latent_dim), map_shape)
        return MLPTrunk(self.latent_dim, self.hidden_layer_sizes, map_shape[0] * map_shape[1])

    def _make_score(self) -> ShowerScore:
        cell, depth = self.geometry
        nx, ny = self.shape
        return ShowerScore((int(nx), int(ny)), float(cell), float(depth))

    def _make_net(self) -> AdversarialNet:
        generator = self._make_generator()
        others = self._make_adversaries(generator.frame.map_shape)
        parts = ShowerParts(generator, self._make_score(), **others)
        net = AdversarialNet(
            parts.to(self.device_), Objective(), players=self._players(), **self._net_options()
        )
        return net.initialize()

    def _reset_weights(self, generator: torch.Generator) -> None:
        net = self.net_.module_.generator
        net.trunk.reset(generator)
        if net.response is not None:
            net.response.reset(generator)
        for part in self._adversaries():
            part.reset(generator)

    def _net_options(self) -> dict[str, Any]:
        return {**super()._net_options(), "max_time": self.max_time}

    # ------------------------------------------------------------------ fit

    def _read(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64] | None]:
        """Check training rows, and drop those of weight zero."""
        owner = type(self).__name__
        conditions = check_conditions(X, owner)
        images = check_images(y, self.shape, owner)
        check_consistent_length(conditions, images)
        if not images.any():
            raise ValueError(f"All {len(images)} images of y are empty: {owner} learns from some.")
        weight = check_weights(sample_weight, conditions, owner=owner)
        if weight is None or weight.all():
            return conditions, images, weight
        keep = weight > 0
        return conditions[keep], images[keep], weight[keep] / weight[keep].mean()

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, resume: bool, partial: bool) -> None:
        self._check_settings()
        device = resolve_device(self.device)
        conditions, images, weight = self._read(X, y, sample_weight)
        if resume:
            self._check_same_net()
            self.net_.players = self._players()  # their rates may be others
        else:
            self._start(conditions, images, weight, device)
        self.net_.planned = not partial
        rows = Rows(images, weight, dtype=torch.float32, device=self.device_, conditions=conditions)
        self._train(
            lambda: self._run(rows, partial), lambda: self._finish(conditions, images, weight)
        )
        self.n_iter_ = len(self.history_)

    def _run(self, rows: Rows, partial: bool) -> bool:
        if partial or self.max_epochs is not None:
            self.net_.max_steps = None
            return self._run_net(rows, 1 if partial else int(self.max_epochs))
        self.net_.max_steps = _STEPS
        return self._run_net(rows, _STEPS // _ROUND)

    def _finish(
        self,
        conditions: NDArray[np.float32],
        images: NDArray[np.float32],
        weight: NDArray[np.float64] | None,
    ) -> None:
        """Put the smallest deposits right, from showers under conditions of the training."""
        net: ShowerNet = self.net_.module_.generator
        if net.noise is None:
            return
        rng = numpy_generator(self._seeds[_LOW])
        share = None if weight is None else weight / weight.sum()
        chosen = rng.choice(len(images), size=min(len(images), _LOW_ROWS), p=share)
        source = torch_generator(self._seeds[_LOW], self.device_)
        made = []
        with torch.inference_mode():
            for some in np.array_split(chosen, -(-len(chosen) // 256)):
                under = torch.from_numpy(conditions[some]).to(self.device_)
                made.append(net(under, *net.draw_noise(len(some), source)).cpu().numpy())
        net.low.learn(np.concatenate(made), images[chosen])

    def _start(
        self,
        conditions: NDArray[np.float32],
        images: NDArray[np.float32],
        weight: NDArray[np.float64] | None,
        device: str,
    ) -> None:
        """Set up a new fit: what is learnt in closed form, and first weights."""
        self._settle_on(images, device)
        self.dtype_ = "float32"
        self.n_features_in_ = len(CONDITION_NAMES)
        self.feature_names_in_ = np.array(CONDITION_NAMES, dtype=object)
        self.net_ = self._make_net()
        rng = numpy_generator(self._seeds[_ROWS])
        chosen = _some(len(images), _LEARN_ROWS, rng)
        some = None if weight is None else weight[chosen]
        self._learn(conditions[chosen], images[chosen], some)
        self._keep(conditions, weight, rng)
        self._reset_weights(torch_generator(self._seeds[_WEIGHTS]))

    def _learn(
        self,
        conditions: NDArray[np.float32],
        images: NDArray[np.float32],
        weight: NDArray[np.float64] | None,
    ) -> None:
        module = self.net_.module_
        net: ShowerNet = module.generator
        if isinstance(net.frame, ShowerFrame):
            centroids = _centroids(images, self.shape, float(self.geometry[0]))
            net.frame.learn_depth(conditions, centroids, weight)
        net.frame.learn(conditions, weight)
        if self.regressor_weight > 0:
            module.regressor.learn(conditions, weight)
        c, y = torch.from_numpy(conditions), torch.from_numpy(images)
        w = None if weight is None else torch.from_numpy(weight).float()
        c, y = c.to(self.device_), y.to(self.device_)
        w = None if w is None else w.to(self.device_)
        net.learn(c, y, w)
        framed = net.frame(c)
        module.score.summary.learn(y, framed.c, module.score.track(c), w)
        if isinstance(net.noise, TableNoise):
            spectrum = _single_deposits(framed.cells.cpu().numpy(), images)
            net.noise.start(spectrum, numpy_generator(self._seeds[_TABLE]))

    def _keep(
        self,
        conditions: NDArray[np.float32],
        weight: NDArray[np.float64] | None,
        generator: np.random.Generator,
    ) -> None:
        """Keep conditions to draw from, as often as their weight says, and the range of all."""
        kept = _some(len(conditions), _KEPT_CONDITIONS, generator)
        if weight is not None:
            share = weight / weight.sum()
            kept = np.sort(generator.choice(len(conditions), size=_KEPT_CONDITIONS, p=share))
        self.conditions_ = conditions[kept]
        frame = self.net_.module_.generator.frame
        split = torch.from_numpy(conditions).split(2**16)
        u = [frame.scaled(part.to(self.device_)).cpu() for part in split]
        self.c_low_ = torch.cat([part.amin(dim=0, keepdim=True) for part in u]).amin(dim=0).numpy()
        self.c_high_ = torch.cat([part.amax(dim=0, keepdim=True) for part in u]).amax(dim=0).numpy()


def _some(n: int, most: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Give up to `most` row numbers in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(generator.choice(n, size=most, replace=False))


def _centroids(images: NDArray[np.float32], shape: Any, cell: float) -> NDArray[np.float64]:
    """Give centres of gravity [cm] of images (n, nx·ny); the middle where they are empty."""
    nx, ny = shape
    cells = images.reshape(-1, nx, ny)
    total = cells.sum(axis=(1, 2), dtype=np.float64).clip(min=1e-12)
    x = cells.sum(axis=2) @ ((np.arange(nx) - (nx - 1) / 2) * cell) / total
    y = cells.sum(axis=1) @ ((np.arange(ny) - (ny - 1) / 2) * cell) / total
    return np.column_stack([x, y])


def _single_deposits(cells: NDArray[np.int64], images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the deposits [MeV] of cells that are hit so rarely that each is one deposit."""
    n_map = int(cells.max()) + 1
    hit = images > 0
    occupancy = np.bincount(cells.ravel(), hit.ravel(), n_map)
    occupancy = occupancy / np.bincount(cells.ravel(), minlength=n_map).clip(min=1)
    rare = (occupancy > _RARE[0]) & (occupancy < _RARE[1])
    deposits = images[hit & rare[cells]].astype(np.float64)
    if len(deposits) >= _FEWEST_RARE:
        return deposits
    hits = np.sort(images[hit].astype(np.float64))  # dense images: their smaller half
    return hits[: max(1, len(hits) // 2)] if len(hits) else np.ones(1)
