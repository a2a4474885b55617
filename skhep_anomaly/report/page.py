"""The report's HTML: every text that comes from outside passes `text`, which escapes it.

A Content-Security-Policy allows the page's own style sheet (by its hash) and ``data:`` images and
nothing else: no script, no form, no address outside the file, even if an escape were missed.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skhep_anomaly.report._style import CSS
from skhep_anomaly.report.picture import Picture
from skhep_anomaly.report.table import Table

__all__ = ["facts_html", "figure_html", "page_html", "table_html", "text"]


PIXELS_PER_INCH = 110  # of a figure on the screen, so that its letters match the text's


def text(value: Any) -> str:
    """Return a value as escaped HTML text, with the reader's home folder written as "~".

    Parameters
    ----------
    value : object
        Anything that ``str`` takes.

    Returns
    -------
    escaped : str
        Safe between tags and inside quoted attributes; control characters are dropped.

    Examples
    --------
    >>> from skhep_anomaly.report.page import text
    >>> text('<script>alert("1")</script>')
    '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;'
    """
    words = "".join(sign for sign in str(value) if sign >= " " or sign in "\t\n")
    home = str(Path.home())
    if len(home) > 1:
        words = words.replace(f"{home}/", "~/")
    return html.escape(words.encode("utf-8", "replace").decode("utf-8"), quote=True)


def table_html(table: Table) -> str:
    """Return a table with caption, scoped headings, aligned numbers and the best values marked.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    html : str
        A scrollable block.
    """
    heads = "".join(_head_html(table, name) for name in table.columns)
    columns = [_cells_html(table, name, first=i == 0) for i, name in enumerate(table.columns)]
    rows = "".join(f"<tr>{''.join(cells)}</tr>\n" for cells in zip(*columns, strict=True))
    key = ""
    if any(table.best_rows(name) for name in table.columns):
        key = '<p class="key"><span class="best">Bold</span> marks the best value of a column.</p>'
    notes = "".join(f'<p class="key">{text(note)}</p>' for note in table.notes)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{text(table.caption)}">'
        f"<table>\n<caption>{text(table.caption)}</caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}</tbody></table>{key}{notes}</div>\n"
    )


def _head_html(table: Table, name: str) -> str:
    unit = f' <span class="unit">[{text(table.units[name])}]</span>' if name in table.units else ""
    kind = ' class="number"' if table.is_numeric(name) else ""
    return f'<th scope="col"{kind}>{text(name)}{unit}</th>'


def _cells_html(table: Table, name: str, *, first: bool) -> list[str]:
    tag, scope = ("th", ' scope="row"') if first else ("td", "")
    best = table.best_rows(name)
    cells = []
    for row, words in enumerate(table.texts(name)):
        kinds = [
            kind
            for kind, holds in (("number", table.is_numeric(name)), ("best", row in best))
            if holds
        ]
        kind = f' class="{" ".join(kinds)}"' if kinds else ""
        mark = '<span class="unseen"> (best)</span>' if row in best else ""
        cells.append(f"<{tag}{scope}{kind}>{text(words)}{mark}</{tag}>")
    return cells


def figure_html(picture: Picture, number: int, uri: str) -> str:
    """Return a numbered figure with its caption and its text for screen readers.

    Parameters
    ----------
    picture : Picture
        Caption and alt text.
    number : int
        Its number in the report.
    uri : str
        The drawn figure as a ``data:`` address.

    Returns
    -------
    html : str
        A ``<figure>``.
    """
    width, height = (round(PIXELS_PER_INCH * inches) for inches in picture.drawn.get_size_inches())
    return (
        f'<figure><img src="{uri}" width="{width}" height="{height}" alt="{text(picture.alt)}">\n'
        f"<figcaption><b>Figure {number}.</b> {text(picture.caption)}</figcaption></figure>\n"
    )


def facts_html(caption: str, facts: Mapping[str, Any]) -> str:
    """Return names and values as a two-column table; a mapping inside becomes a table below it.

    Parameters
    ----------
    caption : str
        What the facts are about.
    facts : mapping of str to object
        Values are written with ``str``, numbers in full.

    Returns
    -------
    html : str
        Empty where there are no facts.
    """
    flat = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    nested = {name: value for name, value in facts.items() if isinstance(value, Mapping)}
    rows = "".join(
        f'<tr><th scope="row">{text(name)}</th><td>{text(_fact(value))}</td></tr>\n'
        for name, value in flat.items()
    )
    head = f"<caption>{text(caption)}</caption>"
    table = (
        f'<div class="scroll"><table>{head}<tbody>\n{rows}</tbody></table></div>\n' if rows else ""
    )
    return table + "".join(
        facts_html(f"{caption}: {name}", value) for name, value in nested.items()
    )


def _fact(value: Any) -> str:
    """Write a parameter as the user would type it: numbers with all their digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return f"({', '.join(_fact(item) for item in value)})"
    return str(value)


def page_html(
    *,
    title: str,
    subtitle: str,
    notes: Sequence[str],
    sections: Sequence[tuple[str, str]],
) -> str:
    """Return the whole page.

    Parameters
    ----------
    title, subtitle : str
        Heading and the line below it; not yet escaped.
    notes : sequence of str
        What the reader should know first; not yet escaped.
    sections : sequence of (str, str)
        Heading (not yet escaped) and HTML of each section; empty ones are left out.

    Returns
    -------
    html : str
        A document without scripts and outside addresses.
    """
    style_hash = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; "
        "script-src 'none'; base-uri 'none'; form-action 'none'"
    )
    items = "".join(f"<li>{text(note)}</li>" for note in notes)
    body = "".join(
        f"<section>\n<h2>{text(name)}</h2>\n{content}</section>\n"
        for name, content in sections
        if content
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f"<header><h1>{text(title)}</h1>\n"
        + (f'<p class="made">{text(subtitle)}</p>' if subtitle else "")
        + (f'<ul class="notes">{items}</ul>' if items else "")
        + f"</header>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
