"""``python -m skhep_anomaly``: the command line."""

from __future__ import annotations

import sys

from skhep_anomaly.cli import main

if __name__ == "__main__":
    sys.exit(main())
