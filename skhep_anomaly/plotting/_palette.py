"""The colours of all figures, in one place.

They are those that M. Okabe and K. Ito chose for readers with any colour vision ("Color universal
design", 2008), without the yellow, which is too faint on white, and with two darker tones. Colour
never carries meaning alone: background is filled and signal an open line, models differ in dashes
too. The test of this file simulates three kinds of colour blindness.
"""

from __future__ import annotations

__all__ = [
    "BACKGROUND",
    "DASHES",
    "DEPOSITS",
    "GUIDE",
    "INK",
    "RATIOS",
    "SERIES",
    "SIGNAL",
    "TRAIN",
    "VALID",
]

BACKGROUND = "#0072B2"  # blue
SIGNAL = "#D55E00"  # vermilion
TRAIN = "#222222"
VALID = "#009E73"  # bluish green
INK = "#222222"
GUIDE = "#767676"  # thresholds, diagonals: there, but behind the data

SERIES = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#222222",  # ink
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#5A3D7A",  # dark violet
)
"""Colours of several models, the most different first."""

DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)))
"""Line styles of several models, cycled beside `SERIES` (3 and 8 share no factor: 24 pairs)."""

DEPOSITS = "viridis_r"
"""Map of energy deposits: light to dark in even steps of lightness, so that grey shows the same."""

RATIOS = "PuOr"
"""Map of ratios and differences, white where two samples agree; the sign is written into cells."""
