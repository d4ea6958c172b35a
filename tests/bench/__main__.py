"""`make bench [SCALE=1]`: a table of our figures against the limits, measured in the same run."""

import argparse
import importlib
import sys

from tests.bench.table import HEAD

PARTS = ("appending", "postgres", "proving", "audit", "carrying", "pages", "console")


def main() -> int:
    """Print every row as it is measured; 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is what the targets speak of")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part")
    wanted = parser.parse_args()
    print(HEAD)
    missed = 0
    for part in wanted.part or PARTS:
        for row in importlib.import_module(f"tests.bench.{part}").rows(wanted.scale):
            print(row, flush=True)
            missed += not row.is_met
    print(f"{missed} targets missed" if missed else "every target met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
