"""What a result was made with: versions and the machine, without a name that points at a person.

Host names, user names and folders are left out on purpose: reports are passed around.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

__all__ = ["machine_summary", "package_versions"]

PACKAGES = (
    "skhep_anomaly",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "skorch",
    "pyod",
    "zuko",
    "safetensors",
    "matplotlib",
)


def package_versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a result.

    Parameters
    ----------
    packages : tuple of str
        Distribution names; the default names this package and what it computes with.

    Returns
    -------
    versions : dict of str to str
        "not installed" where a package is missing. Nothing is imported.

    Examples
    --------
    >>> from skhep_anomaly.report import package_versions
    >>> package_versions(("numpy", "no-such-package"))["no-such-package"]
    'not installed'
    """
    versions = {"Python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def machine_summary() -> dict[str, str]:
    """Return what bears on speed: operating system, processor, usable cores, memory.

    Returns
    -------
    summary : dict of str to str
        Host name, user name and folders are not in it.

    Examples
    --------
    >>> from skhep_anomaly.report import machine_summary
    >>> int(machine_summary()["usable cores"]) >= 1
    True
    """
    summary = {
        "system": f"{platform.system()} {platform.machine()}".strip(),
        "processor": _processor(),
        "usable cores": str(_usable_cores()),
        "memory": _memory(),
    }
    return {name: value for name, value in summary.items() if value}


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    """Return the processor's model name where Linux tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2] for line in text.splitlines() if line.startswith("model name")]
    return names[0].strip() if names else platform.processor()


def _memory() -> str:
    """Return the memory in GiB, empty where the system does not tell."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return ""
    return f"{size / 2**30:.0f} GiB"
