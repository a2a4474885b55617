"""The errors and warnings that are this package's own.

A fault has one of these types only where no type of Python or scikit-learn says it: wrong input
stays a ``ValueError`` or ``TypeError``, an unfitted estimator scikit-learn's ``NotFittedError``, a
fit that did not converge its ``ConvergenceWarning``.
"""

from __future__ import annotations

__all__ = [
    "CheckpointWarning",
    "ExtrapolationWarning",
    "ModeCollapseWarning",
    "ModelFileError",
    "SimulatorError",
    "TrainingDivergedError",
]


class TrainingDivergedError(RuntimeError):
    """The loss became infinite or NaN before any usable weights existed.

    The message names the epoch and the learning rate. A smaller ``learning_rate`` or
    ``standardize=True`` is the usual cure. When finite weights do exist they are kept, and a
    ``ConvergenceWarning`` is given instead of this error.
    """


class ModelFileError(OSError):
    """A model file is damaged, unsafe, of a newer format or of another class.

    Nothing of the file has been executed and nothing written when this is raised.
    """


class SimulatorError(RuntimeError):
    """A user's simulator or sampler failed after all its retries.

    The message names the call; the original error is its ``__cause__``.
    """


class ModeCollapseWarning(UserWarning):
    """A generator gives (nearly) the same output for every latent vector."""


class ExtrapolationWarning(UserWarning):
    """A generator is asked for events outside the conditions that it was trained on."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; training goes on without it."""
