"""Optional packages, imported when they are first needed.

The core package runs without pandas, pyarrow, h5py and uproot. A function that needs one asks
here, so that the person who lacks it reads which extra to install.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def require(module: str, extra: str, purpose: str) -> Any:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module : str
        Name of the module, such as ``"pandas"``.
    extra : str
        Extra of this package that installs it.
    purpose : str
        What the module is needed for, read after "needed".

    Returns
    -------
    module
        The imported module.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        msg = (
            f"{name} is needed {purpose} and could not be imported. "
            f'Install it with: pip install "skhep_anomaly[{extra}]"'
        )
        raise ImportError(msg) from error
