"""Torch tensors as the bytes of a safetensors file, and back onto the CPU.

safetensors is a JSON header (names, dtypes, shapes, offsets) and the raw numbers: nothing in it
can be executed. The header's claimed length is compared with the bytes at hand before it is read.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors.torch import load as read_safetensors
from safetensors.torch import save as write_safetensors

from skhep_anomaly.exceptions import ModelFileError

__all__ = ["STORABLE_DTYPES", "tensors_from_bytes", "tensors_to_bytes"]

STORABLE_DTYPES = frozenset(
    {
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.bfloat16,
        torch.float16,
        torch.float32,
        torch.float64,
        torch.complex64,
    }
)


def tensors_to_bytes(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Give the safetensors bytes of dense tensors; tensors that share memory are stored apart."""
    # clone: safetensors refuses shared memory
    return bytes(
        write_safetensors(
            {
                name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
                for name, tensor in tensors.items()
            }
        )
    )


def tensors_from_bytes(data: bytes) -> dict[str, torch.Tensor]:
    """Give the tensors in `data`, on the CPU."""
    header_size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or header_size > len(data) - 8:
        msg = f"its weights claim a header of {header_size} bytes and have {len(data)} in all"
        raise ModelFileError(msg)
    return dict(read_safetensors(data))
