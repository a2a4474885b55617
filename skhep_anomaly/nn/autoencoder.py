"""Autoencoders z → latent → ẑ on standardised rows, with the noise level as input where wanted.

The built-in one is a single `MLP` (several members side by side) cut at its code layer; a user's
own encoder and decoder, convolutional ones for images say, take its place as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skhep_anomaly.nn.mlp import MLP
from skhep_anomaly.nn.standardizer import Standardizer

__all__ = ["Autoencoder", "ModuleAutoencoder"]


class Autoencoder(nn.Module):
    """Mirror-image MLP.

    Parameters
    ----------
    n_features : int
        Width d of a row.
    hidden_layer_sizes : sequence of int
        With a `latent_dim`: the encoder's hidden layers, mirrored in the decoder. Without: all
        hidden layers.
    latent_dim : int or None
        Width of the linear code layer; None: no bottleneck, the code is the middle hidden layer.
    activation : str
        Name in `ACTIVATIONS`.
    output : {"linear", "sigmoid"}
        Applied to the decoder's last layer.
    conditional : bool
        Append the noise level to the input.
    n_members : int
        Copies side by side.
    dropout : float
        Of hidden layers, in training.
    standardizer : Standardizer
        Maps rows to z.
    """

    def __init__(
        self,
        n_features: int,
        hidden_layer_sizes: Sequence[int],
        latent_dim: int | None,
        activation: str,
        *,
        output: str,
        conditional: bool,
        n_members: int,
        dropout: float,
        standardizer: Standardizer,
    ) -> None:
        super().__init__()
        hidden = [int(width) for width in hidden_layer_sizes]
        if latent_dim is None:
            middle = hidden
            names = [activation] * len(hidden)
            self.code = (len(hidden) + 1) // 2
        else:
            middle = [*hidden, latent_dim, *hidden[::-1]]
            names = [activation] * len(hidden) + ["linear"] + [activation] * len(hidden)
            self.code = len(hidden) + 1
        sizes = [n_features + conditional, *middle, n_features]
        self.net = MLP(sizes, [*names, "linear"], n_members=n_members, dropout=dropout)
        self.code_dim = sizes[self.code]
        self.output, self.conditional, self.n_members = output, conditional, n_members
        self.standardizer = standardizer

    def reset(self, generator: torch.Generator) -> None:
        """Draw new weights."""
        self.net.reset(generator)

    def with_level(self, z: Tensor, level: Tensor | float) -> Tensor:
        """Append the noise level s as 1 + 2·log10(s), in [−1, 1] for s in [.1, 1]."""
        if not self.conditional:
            return z
        s = torch.as_tensor(level, dtype=z.dtype, device=z.device)
        code = 1.0 + 2.0 * torch.log10(s)
        return torch.cat([z, code.expand(*z.shape[:-1], 1)], dim=-1)

    def activate(self, out: Tensor) -> Tensor:
        """Apply the output activation."""
        return torch.sigmoid(out) if self.output == "sigmoid" else out

    def forward(self, z: Tensor, level: Tensor | float = 0.1) -> Tensor:
        """Map z to its reconstruction before the output activation."""
        return self.net(self.with_level(z, level))

    def encode(self, z: Tensor, level: float = 0.1) -> Tensor:
        """Map z to the code, shape (n, k) or (n_members, n, k)."""
        return self.net.run(self.with_level(z, level), 0, self.code)

    def decode(self, code: Tensor) -> Tensor:
        """Map a code to the reconstruction before the output activation."""
        return self.net.run(code, self.code, self.net.n_layers)


class ModuleAutoencoder(nn.Module):
    """A user's encoder and decoder in place of the built-in ones; one member, no level."""

    conditional = False
    n_members = 1

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, *, output: str, standardizer: Standardizer
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.output = encoder, decoder, output
        self.standardizer = standardizer

    def activate(self, out: Tensor) -> Tensor:
        """Apply the output activation."""
        return torch.sigmoid(out) if self.output == "sigmoid" else out

    def forward(self, z: Tensor, level: float = 0.0) -> Tensor:
        """Map z to its reconstruction before the output activation."""
        out: Tensor = self.decoder(self.encoder(z))
        return out

    def encode(self, z: Tensor, level: float = 0.0) -> Tensor:
        """Map z to the code."""
        code: Tensor = self.encoder(z)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Map a code to the reconstruction before the output activation."""
        out: Tensor = self.decoder(code)
        return out
