"""The command line ``skhep-anomaly``: compare, fit, score, report, simulate.

Results go to stdout, everything else to stderr. A mistake of the user is one line and exit code 2,
Ctrl-C is 130; what is neither is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from skhep_anomaly.cli.console import complain, say
from skhep_anomaly.cli.parser import build_parser
from skhep_anomaly.exceptions import TrainingDivergedError

__all__ = ["main"]

USER_ERROR, INTERRUPTED, CLOSED_PIPE = 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments without the program's name; None: those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 1 a detector failed, 2 a mistake in the command or its files, 130 Ctrl-C.

    Examples
    --------
    >>> from skhep_anomaly.cli import main
    >>> main(["compare", "--models", "crystal-ball"])
    2
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        options = build_parser().parse_args(words)
        options.words = words
        with _plain_warnings(options.quiet):
            return _command(options.command)(options)
    except SystemExit as stop:  # argparse has said what is to be said
        return stop.code if isinstance(stop.code, int) else USER_ERROR
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except (ValueError, OSError, ImportError, TrainingDivergedError) as error:
        if getattr(options, "verbose", 0):
            raise
        complain(str(error))
        return USER_ERROR


def _command(name: str) -> Callable[[Any], int]:
    """Load a command when it is asked for: help and wrong options answer at once."""
    if name == "compare":
        from skhep_anomaly.cli.comparing import run
    elif name == "fit":
        from skhep_anomaly.cli.fitting import run
    elif name == "score":
        from skhep_anomaly.cli.scoring import run
    elif name == "simulate":
        from skhep_anomaly.cli.simulating import run
    else:
        from skhep_anomaly.cli.reporting import run
    return run


@contextmanager
def _plain_warnings(quiet: bool) -> Iterator[None]:
    """Show warnings as one line of text, and only those that concern users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not quiet:
            warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _show
        yield


def _show(message: Any, category: Any, *place: Any, **more: Any) -> None:
    if not issubclass(category, (DeprecationWarning, FutureWarning)):
        say(f"warning: {' '.join(str(message).split())}")
