"""What a fitted VAE can be asked besides its score: latents, likelihood, new rows."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted
from torch import Tensor

from skhep_anomaly._random import seed_sequence, torch_generator
from skhep_anomaly.nn.vae import balanced_noise
from skhep_anomaly.outliers._base import Detector
from skhep_anomaly.training import map_rows

__all__ = ["LatentDetector"]

_ROWS_TIMES_DRAWS = 2**14


class LatentDetector(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Detector):  # type: ignore[misc]
    """Base of `VAEOutlierDetector`; not for direct use."""

    net_: Any
    noise_seed_: int
    log_prob_units: str
    n_members: int

    def _module_map(self, function: Any, X: NDArray[Any], n_draws: int = 1) -> NDArray[Any]:
        """Apply a function of standardised rows chunk by chunk, fewer rows for more draws."""
        module = self.net_.module_
        chunk_rows = max(16, _ROWS_TIMES_DRAWS // n_draws)
        return map_rows(
            lambda x: function(module.standardizer(x)), X, module=module, chunk_rows=chunk_rows
        )

    def _first(self, values: Tensor) -> Tensor:
        """Give the first member's part."""
        return values[0] if self.n_members > 1 else values

    def _noise(self, n_draws: int | None) -> Tensor:
        """Give the noise vectors of the fit, or `n_draws` others that are as fixed."""
        own: Tensor = self.net_.module_.score_noise
        if n_draws is None or n_draws == len(own):
            return own
        if n_draws < 1:
            raise ValueError(f"n_draws={n_draws!r} is out of range: at least one draw is needed.")
        generator = torch_generator(seed_sequence(self.noise_seed_))
        return balanced_noise(n_draws, own.shape[-1], generator).to(own)

    def _log_scale(self) -> float:
        """Give Σ log scale, which turns a density of standardised rows into one of the data."""
        if self.log_prob_units == "standard":
            return 0.0
        return float(self.net_.module_.standardizer.scale.double().log().sum())

    def elbo(self, X: Any, n_draws: int | None = None) -> NDArray[np.float64]:
        """Give the evidence lower bound of log p(x), in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        n_draws : int, default=None
            Latents per row; None: those of the fit. Each number has its own fixed noise vectors.

        Returns
        -------
        ndarray of shape (n_samples,)
            E_q[log p(x|t)] − KL(q ‖ p), whatever β was in training; mean over the members.

        Raises
        ------
        ValueError
            If `n_draws` is below one.
        """
        check_is_fitted(self)
        X = self._check(X, reset=False)
        return (
            self._elbo_terms(X, self._noise(n_draws)).sum(axis=2).mean(axis=1) * -1.0
            - self._log_scale()
        )

    def _elbo_terms(self, X: NDArray[Any], noise: Tensor) -> NDArray[np.float64]:
        """Give reconstruction term and KL, shape (n, n_members, 2)."""
        module = self.net_.module_
        terms = self._module_map(
            lambda z: torch.stack(module.elbo_terms(z, noise), dim=-1).transpose(0, 1),
            X,
            len(noise),
        )
        return terms.astype(np.float64)

    def log_likelihood(
        self, X: Any, method: str = "iwae", n_draws: int | None = None
    ) -> NDArray[np.float64]:
        """Estimate log p(x), in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        method : {"iwae", "elbo"}, default="iwae"
            Importance-weighted bound, which rises to log p(x) with `n_draws`, or the ELBO.
        n_draws : int, default=None
            Latents per row; None: those of the fit.

        Returns
        -------
        ndarray of shape (n_samples,)
            Mean over the members.

        Raises
        ------
        ValueError
            If `method` is unknown or `n_draws` below one.
        """
        if method == "elbo":
            return self.elbo(X, n_draws)
        if method != "iwae":
            raise ValueError(f"method={method!r} is unknown; use 'iwae' or 'elbo'.")
        check_is_fitted(self)
        bound = self._iwae(self._check(X, reset=False), self._noise(n_draws)).mean(axis=1)
        return bound - self._log_scale()

    def _iwae(self, X: NDArray[Any], noise: Tensor) -> NDArray[np.float64]:
        """Give the importance-weighted bound, shape (n, n_members)."""
        module = self.net_.module_
        return self._module_map(lambda z: module.iwae(z, noise).T, X, len(noise)).astype(np.float64)

    def encode(self, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give mean and width of q(t|x), from the first member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        mu, sigma : ndarray of shape (n_samples, latent_dim)
        """
        check_is_fitted(self)
        module = self.net_.module_

        def both(z: Tensor) -> Tensor:
            mu, log_var = module.encode(z)
            return torch.stack([self._first(mu), torch.exp(0.5 * self._first(log_var))], dim=1)

        code = self._module_map(both, self._check(X, reset=False))
        return code[:, 0], code[:, 1]

    def transform(self, X: Any) -> NDArray[Any]:
        """Give the latent means μ, from the first member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, latent_dim)
        """
        return self.encode(X)[0]

    @property
    def _n_features_out(self) -> int:
        dim: int = self.net_.module_.latent_dim
        return dim

    def inverse_transform(self, Z: Any) -> NDArray[Any]:
        """Turn latents into expected rows, with the first member.

        Parameters
        ----------
        Z : array-like of shape (n_samples, latent_dim)
            Latents.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of the rows of ``fit``.

        Raises
        ------
        ValueError
            If the width of `Z` is not ``latent_dim``.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=[np.float64, np.float32])
        if Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but {type(self).__name__} has "
                f"{self._n_features_out} latents."
            )
        module = self.net_.module_

        def back(t: Tensor) -> Tensor:
            wide = t.expand(self.n_members, -1, -1) if self.n_members > 1 else t
            x: Tensor = module.standardizer.inverse(
                self._first(module.activate(module.decode(wide)))
            )
            return x

        return map_rows(back, Z, module=module)

    def reconstruct(self, X: Any) -> NDArray[Any]:
        """Give the rows that the decoder expects at μ(x).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of `X`; mean over the members.
        """
        check_is_fitted(self)
        module = self.net_.module_

        def back(z: Tensor) -> Tensor:
            out = module(z)
            x: Tensor = module.standardizer.inverse(out.mean(dim=0) if self.n_members > 1 else out)
            return x

        return self._module_map(back, self._check(X, reset=False))

    def sample(self, n: Any = 1, random_state: Any = None) -> NDArray[Any]:
        """Draw new rows: t from the prior, then x from p(x|t); several members in equal shares.

        Parameters
        ----------
        n : int, default=1
            Number of rows.
        random_state : int, RandomState, Generator or None, default=None
            Seed.

        Returns
        -------
        ndarray of shape (n, n_features)
            In the units of the rows of ``fit``; zeros and ones for ``decoder="bernoulli"``.

        Raises
        ------
        ValueError
            If `n` is not a positive integer.
        """
        check_is_fitted(self)
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n={n!r} is no number of rows: an integer of at least 1 is needed.")
        n = int(n)
        module = self.net_.module_
        generator = torch_generator(seed_sequence(random_state))
        with torch.inference_mode():
            share = -(-n // self.n_members)
            t = module.prior.sample(share, generator).to(module.score_noise)
            x = module.sample(t if self.n_members > 1 else t[0], generator)
            x = module.standardizer.inverse(x).reshape(self.n_members, share, -1)
            rows: NDArray[Any] = x.transpose(0, 1).flatten(0, 1)[:n].cpu().numpy()
        return rows
