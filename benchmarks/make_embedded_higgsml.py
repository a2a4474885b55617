"""Cut the HiggsML sample that ships with the package out of the development file.

    python benchmarks/make_embedded_higgsml.py [SOURCE.parquet] [TARGET.npz]

SOURCE is by default higgsml/higgsml_dev.parquet in the data folder, TARGET the file in the
package. All events of the source are taken; the coding is exact, and the script reads the result
back and compares every value before it reports. The same source gives the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from skhep_anomaly._atomic import replacing
from skhep_anomaly.datasets import data_home, read_table
from skhep_anomaly.datasets._embedded import EMBEDDED_FILE, decode, encode

MOST_BYTES = 2_000_000


def main(source: Path, target: Path) -> None:
    frame = read_table(source)
    features = [name for name in frame.columns if name.startswith(("DER_", "PRI_"))]
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    arrays = encode(columns, features)
    compare(columns, decode(arrays))
    with replacing(target) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    size = target.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{target} has {size} bytes, more than {MOST_BYTES}")
    signal = int((columns["Label"] == "s").sum())
    print(f"{target}: {len(frame)} events ({signal} signal), {size} bytes")


def compare(columns: dict[str, np.ndarray], decoded: dict[str, np.ndarray]) -> None:
    """Every column equals the source, value by value."""
    if list(columns) != list(decoded):
        sys.exit(f"columns differ: {list(columns)} and {list(decoded)}")
    for name, values in columns.items():
        if not np.array_equal(values, decoded[name]):
            sys.exit(f"column {name} is not coded exactly")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    default = [data_home() / "higgsml" / "higgsml_dev.parquet", EMBEDDED_FILE]
    main(*(given + default[len(given) :]))
