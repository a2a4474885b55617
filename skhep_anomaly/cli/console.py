"""What the command line says, and where: results on stdout, the rest on stderr."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

__all__ = ["complain", "print_table", "say"]

PROGRAM = "skhep-anomaly"
WIDTH = 100


def say(text: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(_writable(f"{text}\n", sys.stderr))
    sys.stderr.flush()


def complain(text: str) -> None:
    """Write an error as one line to stderr."""
    say(f"{PROGRAM}: error: {' '.join(text.split())}")


def print_table(table: Any) -> None:
    """Write a table to stdout, long notes wrapped, plain signs where the terminal knows no others.

    Parameters
    ----------
    table : Table
        The table.
    """
    from skhep_anomaly.report import format_table

    wrapped = replace(
        table, caption=textwrap.fill(table.caption, WIDTH), notes=_wrapped(table.notes)
    )
    text = format_table(wrapped)
    if _writable(text, sys.stdout) != text:
        text = format_table(wrapped, ascii_only=True)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _wrapped(notes: Sequence[str]) -> list[str]:
    return [line for note in notes for line in textwrap.wrap(note, WIDTH, subsequent_indent="  ")]


def _writable(text: str, stream: Any) -> str:
    """Replace signs that the stream's encoding does not have."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
