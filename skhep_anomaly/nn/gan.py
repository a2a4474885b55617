"""Generator and critic of a generative adversarial net on rows, several members side by side.

A hidden layer is h ← noise(dropout(φ(norm(h W + b)))) with φ the leaky ReLU of slope .2, norm a
batch norm (generator only: a critic with it would judge a row by its neighbours). The weights
of one member are one row of ``flat``, so that members are independent: of each other's
gradients, and of each other's bound on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from skhep_anomaly.nn.dropout import SeededDropout
from skhep_anomaly.nn.residual_metric import ResidualMetric
from skhep_anomaly.nn.standardizer import Standardizer

__all__ = ["GAN", "AdversarialMLP", "Critic", "Generator", "SeededNoise"]

_SLOPE = 0.2
_START_WIDTH = 4.0
_MOMENTUM, _EPS = 0.1, 1e-5


class SeededNoise(nn.Module):
    """Add Gaussian noise of width `std` in training, from the generator that the engine sets."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = float(std)
        self.generator: torch.Generator | None = None

    def forward(self, h: Tensor) -> Tensor:
        """Add noise while training."""
        if not self.training or self.std == 0.0 or self.generator is None:
            return h
        return h + self.std * torch.empty_like(h).normal_(generator=self.generator)


class AdversarialMLP(nn.Module):
    """Perceptron with leaky ReLU, and batch norm, dropout and noise where asked for.

    Parameters
    ----------
    sizes : sequence of int
        Widths from input to output; the last layer is linear.
    n_members : int, default=1
        Independent copies.
    batch_norm : bool, default=False
        Normalise hidden layers over the batch; running moments serve in evaluation mode.
    dropout : float, default=0.0
        Share of hidden units dropped in training.
    noise : float, default=0.0
        Width of the Gaussian noise on hidden layers in training.

    Notes
    -----
    Input (n, d), shared, or (n_members, n, d); output (n_members, n, k).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        n_members: int = 1,
        batch_norm: bool = False,
        dropout: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_members, self.batch_norm = n_members, batch_norm
        self.dropout, self.noise = SeededDropout(dropout), SeededNoise(noise)
        self._shapes = [s for i, o in pairwise(sizes) for s in ((i, o), (1, o))]
        if batch_norm:
            self._shapes += [(1, width) for width in sizes[1:-1]]
        self._n_layers = len(sizes) - 1
        self.flat = nn.Parameter(torch.zeros(n_members, sum(a * b for a, b in self._shapes)))
        widths = sum(sizes[1:-1]) if batch_norm else 0
        self.register_buffer("running_mean", torch.zeros(n_members, 1, widths))
        self.register_buffer("running_var", torch.ones(n_members, 1, widths))
        self._hidden = list(sizes[1:-1])

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw Xavier uniform weights; zero biases, unit gains."""
        pieces = self._split()
        for k, piece in enumerate(pieces):
            if k >= 2 * self._n_layers:
                piece.fill_(1.0)
            elif k % 2:
                piece.zero_()
            else:
                bound = (6.0 / (piece.shape[1] + piece.shape[2])) ** 0.5
                draw = torch.rand(piece.shape, generator=generator, dtype=torch.float64)
                piece.copy_((2.0 * draw - 1.0) * bound)
        self.get_buffer("running_mean").zero_()
        self.get_buffer("running_var").fill_(1.0)

    def _split(self) -> list[Tensor]:
        """Cut the buffer into weights and biases by turns, then the gains of the batch norm."""
        parts = self.flat.split([a * b for a, b in self._shapes], dim=1)
        return [p.view(-1, *shape) for p, shape in zip(parts, self._shapes, strict=True)]

    def output_weight(self) -> Tensor:
        """Give the weights of the last layer, a view of ``flat``."""
        return self._split()[2 * (self._n_layers - 1)]

    def features(self, x: Tensor) -> Tensor:
        """Map input to the last hidden layer (the input itself where there is none)."""
        return self._hidden_layers(x, self._split())

    def forward(self, x: Tensor) -> Tensor:
        """Map input to output."""
        pieces = self._split()
        last = 2 * (self._n_layers - 1)
        return torch.baddbmm(pieces[last + 1], self._hidden_layers(x, pieces), pieces[last])

    def _hidden_layers(self, x: Tensor, pieces: list[Tensor]) -> Tensor:
        h = x if x.dim() == 3 else x.expand(self.n_members, *x.shape)
        start = 0
        for k, width in enumerate(self._hidden):
            weight, bias = pieces[2 * k], pieces[2 * k + 1]
            if self.batch_norm:
                unit = self._normalise(torch.bmm(h, weight), slice(start, start + width))
                h = unit * pieces[2 * self._n_layers + k] + bias
            else:
                h = torch.baddbmm(bias, h, weight)
            start += width
            h = self.noise(self.dropout(functional.leaky_relu(h, _SLOPE)))
        return h

    def _normalise(self, h: Tensor, columns: slice) -> Tensor:
        running_mean = self.get_buffer("running_mean")[..., columns]
        running_var = self.get_buffer("running_var")[..., columns]
        if not self.training:
            return (h - running_mean) / (running_var + _EPS).sqrt()
        var, mean = torch.var_mean(h, dim=1, keepdim=True, correction=0)
        n = h.shape[1]
        with torch.no_grad():
            running_mean.lerp_(mean, _MOMENTUM)
            running_var.lerp_(var * (n / max(1, n - 1)), _MOMENTUM)
        return (h - mean) / (var + _EPS).sqrt()


class Generator(nn.Module):
    """Map Gaussian latent vectors to rows in the net's coordinates.

    Parameters
    ----------
    latent_dim : int
        Width k of the latent vectors.
    hidden_layer_sizes : sequence of int
        Hidden layers.
    n_features : int
        Width d of a row.
    output : {"linear", "tanh"}
        Activation of the last layer.
    **kwargs
        Of `AdversarialMLP`.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden_layer_sizes: Sequence[int],
        n_features: int,
        output: str,
        **kwargs: float,
    ) -> None:
        super().__init__()
        self.latent_dim, self.output = latent_dim, output
        sizes = [latent_dim, *map(int, hidden_layer_sizes), n_features]
        self.net = AdversarialMLP(sizes, **kwargs)  # type: ignore[arg-type]

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights; linear output starts wide, so that the critic meets far-out rows."""
        self.net.reset(generator)
        if self.output == "linear":
            self.net.output_weight().mul_(_START_WIDTH)

    def forward(self, latent: Tensor) -> Tensor:
        """Map latent (n_members, n, k) to rows (n_members, n, d)."""
        out: Tensor = self.net(latent)
        return torch.tanh(out) if self.output == "tanh" else out

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Generate `n` rows per member."""
        flat = self.net.flat
        latent = torch.empty(
            (self.net.n_members, n, self.latent_dim), dtype=flat.dtype, device=flat.device
        )
        out: Tensor = self(latent.normal_(generator=generator))
        return out

    @contextmanager
    def stochastic(self, generator: torch.Generator) -> Iterator[None]:
        """Keep dropout and layer noise on, from `generator`; batch norm stays as it is."""
        layers = (self.net.dropout, self.net.noise)
        for layer in layers:
            layer.train()
            layer.generator = generator
        try:
            yield
        finally:
            for layer in layers:
                layer.eval()
                layer.generator = None


class Critic(nn.Module):
    """Map rows to one number, higher = more like the data.

    Parameters
    ----------
    n_features : int
        Width d of a row.
    hidden_layer_sizes : sequence of int
        Hidden layers.
    **kwargs
        Of `AdversarialMLP`.
    """

    def __init__(self, n_features: int, hidden_layer_sizes: Sequence[int], **kwargs: float) -> None:
        super().__init__()
        sizes = [n_features, *map(int, hidden_layer_sizes), 1]
        self.n_hidden = sizes[-2]
        self.net = AdversarialMLP(sizes, **kwargs)  # type: ignore[arg-type]

    def forward(self, z: Tensor) -> Tensor:
        """Map rows (n, d) or (n_members, n, d) to outputs (n_members, n)."""
        out: Tensor = self.net(z)
        return out.squeeze(-1)

    def features(self, z: Tensor) -> Tensor:
        """Map rows to the last hidden layer (n_members, n, h)."""
        return self.net.features(z)


class GAN(nn.Module):
    """Generator and critic with the coordinates that they share.

    Parameters
    ----------
    generator : Generator
        Makes rows.
    critic : Critic
        Judges rows.
    standardizer : Standardizer
        Maps rows to the coordinates of both.

    Attributes
    ----------
    metric : ResidualMetric
        Distance between critic's features and those of the data.
    """

    def __init__(self, generator: Generator, critic: Critic, standardizer: Standardizer) -> None:
        super().__init__()
        self.generator, self.critic, self.standardizer = generator, critic, standardizer
        self.metric = ResidualMetric(critic.net.n_members, critic.n_hidden)

    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights."""
        self.generator.reset(generator)
        self.critic.net.reset(generator)
