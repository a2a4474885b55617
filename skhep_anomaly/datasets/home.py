"""Where data files live on this machine.

The first of these that applies:

1. the folder named by the environment variable ``SKHEP_ANOMALY_DATA``;
2. ``../shared/data`` next to the project, when the package runs from a source checkout and
   that folder exists;
3. the user's cache folder of the platform.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ENVIRONMENT_VARIABLE = "SKHEP_ANOMALY_DATA"


def data_home(path: str | os.PathLike[str] | None = None) -> Path:
    r"""Folder in which data files are looked for and downloads are kept.

    Nothing is created here; :func:`fetch` makes the folder when it downloads.

    Parameters
    ----------
    path : str or path-like, optional
        Use this folder. By default: the environment variable ``SKHEP_ANOMALY_DATA``, else
        ``../shared/data`` next to a source checkout where it exists, else the user's cache
        folder (``~/.cache/skhep_anomaly`` on Linux, ``~/Library/Caches/skhep_anomaly`` on
        macOS, ``%LOCALAPPDATA%\skhep_anomaly`` on Windows).

    Returns
    -------
    folder : Path
        The folder; it need not exist.

    Examples
    --------
    >>> from skhep_anomaly.datasets import data_home
    >>> data_home("my_data").name
    'my_data'
    """
    if path is not None:
        return Path(path).expanduser()
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return Path(named).expanduser()
    beside = _beside_checkout(Path(__file__).resolve().parents[2])
    return beside if beside is not None else _user_cache()


def _beside_checkout(project: Path) -> Path | None:
    """``../shared/data`` of a source checkout; an installed package has none."""
    folder = project.parent / "shared" / "data"
    if (project / "pyproject.toml").is_file() and folder.is_dir():
        return folder
    return None


def _user_cache() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "skhep_anomaly"
