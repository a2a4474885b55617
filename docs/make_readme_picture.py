"""Draw docs/_static/compare*.png, the pictures of the readme, from a real comparison.

    skhep-anomaly compare --json compare.json
    python docs/make_readme_picture.py compare.json

The numbers are those of the embedded HiggsML events; nothing is drawn that was not measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

from skhep_anomaly import ComparisonResult
from skhep_anomaly.comparison.figures import all_pictures

FOLDER = Path(__file__).parent / "_static"
LARGEST = 150_000  # bytes


def main(path: str) -> None:
    pictures = all_pictures(ComparisonResult.from_json(path))
    for picture, name in zip(pictures, ("compare.png", "compare_known.png"), strict=False):
        target = FOLDER / name  # background alone, then with known signal
        picture.figure.savefig(target, dpi=100, facecolor="white")
        size = target.stat().st_size
        if size > LARGEST:
            sys.exit(f"{target} has {size} bytes; at most {LARGEST} are wanted")
        print(f"{target}: {size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["compare.json"])
