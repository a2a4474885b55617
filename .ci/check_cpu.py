"""Fail when the environment holds a CUDA package: the tests need none, and they weigh gigabytes."""

from __future__ import annotations

import sys
from importlib.metadata import distributions

PREFIXES = ("nvidia-", "nvidia_", "cuda-", "cuda_", "triton")


def main() -> int:
    """Name the CUDA packages found on standard error; the exit code says whether there were any."""
    names = sorted({d.name.lower() for d in distributions() if d.name})
    found = [name for name in names if name.startswith(PREFIXES)]
    if found:
        sys.stderr.write(
            f"CUDA packages in the environment: {', '.join(found)}.\n"
            "Start again with `make distclean` and a CPU build of torch (TORCH_INDEX=URL).\n"
        )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
