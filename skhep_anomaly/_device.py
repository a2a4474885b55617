"""From the parameter ``device`` to a device that is there."""

from __future__ import annotations

import torch

__all__ = ["resolve_device"]


def resolve_device(device: str) -> str:
    """Turn the parameter into a device that is there.

    Raises
    ------
    ValueError
        If `device` is neither a CPU nor a CUDA GPU, or is not there.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device; use 'cpu', 'cuda' or 'auto'."
        ) from error
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"device={device!r} is not supported; use 'cpu', 'cuda' or 'auto'.")
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and (torch.device(device).index or 0) >= n_gpus:
        raise ValueError(
            f"device={device!r} was asked for, but torch sees {n_gpus or 'no'} CUDA GPU here; "
            "use device='cpu' or 'auto'."
        )
    return device
