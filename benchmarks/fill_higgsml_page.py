"""Put the recorded tables into docs/guide/benchmarks_higgsml.md, between its markers.

python benchmarks/fill_higgsml_page.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import higgsml_detectors
import thesis_tables
from _record import Record

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "benchmarks_higgsml.md"


def main() -> None:
    settings = higgsml_detectors.SETTINGS
    events = {"events": "embedded sample of t, split", "epochs": 1000}
    thesis = Record("thesis_tables", events)
    tables = {
        "detectors": higgsml_detectors.table(Record("higgsml_detectors", settings)),
        "choice": higgsml_detectors.table(Record("higgsml_choice", settings)),
        "thesis": thesis_tables.thesis_table(thesis),
        "judged": thesis_tables.judged_table(thesis),
    }
    text = PAGE.read_text("utf-8")
    for name, table in tables.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        text = pattern.sub(lambda _, new=f"{begin}\n{table}\n{end}": new, text)
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
