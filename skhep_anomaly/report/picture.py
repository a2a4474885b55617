"""A captioned figure, turned into the text of an ``<img>`` that needs no other file.

Vector graphics (SVG) are sharp at every size and small for curves and histograms; a scatter of many
points is smaller as PNG. The smaller of the two wins once the SVG is large. Both are free of dates
and random ids, so the same figure always gives the same bytes.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Picture", "data_uri"]

SVG_IS_SMALL = 250_000  # bytes; below this, sharpness is worth more than size


@dataclass(frozen=True)
class Picture:
    """A figure with a caption and a text for readers who cannot see it.

    Parameters
    ----------
    caption : str
        What the figure shows and what to conclude from it.
    figure : matplotlib.figure.Figure or Display
        The figure, or a Display on which ``plot`` has been called.
    alt : str
        The figure's content in words, read out by a screen reader.

    Raises
    ------
    ValueError
        The Display has not been plotted, or `alt` is empty.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skhep_anomaly.report import Picture
    >>> Picture("An empty page.", Figure(), alt="nothing is drawn").caption
    'An empty page.'
    """

    caption: str
    figure: Any
    alt: str

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError(
                f"the figure {self.caption!r} has no alt text; say in words what it shows"
            )
        if not hasattr(self.drawn, "savefig"):
            raise ValueError(
                f"figure={self.figure!r} holds no matplotlib figure; call its plot method first"
            )

    @property
    def drawn(self) -> Any:
        """The matplotlib figure."""
        return getattr(self.figure, "figure_", self.figure)


def data_uri(figure: Any, *, dpi: int = 160, svg_bytes: int = SVG_IS_SMALL) -> str:
    """Return a figure as a ``data:`` address, SVG where small, else the smaller of SVG and PNG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to draw.
    dpi : int, default=160
        Resolution of the PNG, and of what the SVG holds as pixels.
    svg_bytes : int, default=250_000
        Largest SVG that is taken without a look at the PNG; 0: always PNG.

    Returns
    -------
    uri : str
        ``data:image/…;base64,…``
    """
    image, kind = (_svg(figure, dpi), "svg+xml") if svg_bytes else (_png(figure, dpi), "png")
    if kind == "svg+xml" and len(image) > svg_bytes:
        pixels = _png(figure, dpi)
        if len(pixels) < len(image):
            image, kind = pixels, "png"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"


def _svg(figure: Any, dpi: int) -> bytes:
    """Draw as SVG with letters as outlines: the same look on every machine."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with mpl.rc_context({"svg.hashsalt": "skhep_anomaly", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", dpi=dpi, metadata=nothing)
    text = re.sub(
        r"<!--.*?-->|<\?xml.*?\?>|<!DOCTYPE.*?>", "", buffer.getvalue().decode(), flags=re.S
    )
    text = re.sub(r' (?:d|x|y)="[^"]*"', _shorten, text)
    return re.sub(r"\s*\n\s*", "\n", text).strip().encode()


def _shorten(attribute: re.Match[str]) -> str:
    """Cut coordinates at a hundredth of a point."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def _png(figure: Any, dpi: int) -> bytes:
    """Draw as PNG; 128 colours are enough for a plot and a third of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    buffer.seek(0)
    small = io.BytesIO()
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(128).save(small, format="png", optimize=True)
    return small.getvalue()
