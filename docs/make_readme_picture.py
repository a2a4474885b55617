"""Draw docs/_static/compare.png, the picture of the readme, from a real comparison.

    skhep-anomaly compare --json compare.json
    python docs/make_readme_picture.py compare.json

The numbers are those of the embedded HiggsML events; nothing is drawn that was not measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

from skhep_anomaly import ComparisonResult
from skhep_anomaly.comparison.figures import all_pictures

TARGET = Path(__file__).parent / "_static" / "compare.png"
LARGEST = 150_000  # bytes


def main(path: str) -> None:
    figure = all_pictures(ComparisonResult.from_json(path))[0].figure
    figure.savefig(TARGET, dpi=100, facecolor="white")
    size = TARGET.stat().st_size
    if size > LARGEST:
        sys.exit(f"{TARGET} has {size} bytes; at most {LARGEST} are wanted")
    print(f"{TARGET}: {size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["compare.json"])
