"""`python -m tests.mutations`: switches each mechanism off once and looks whether its test fails."""

from __future__ import annotations

import argparse
import sys

from tests.mutations.row import as_markdown
from tests.mutations.runner import run_all
from tests.mutations.table import LATER, MUTATIONS


def main() -> int:
    """Runs the table, or prints it for the document; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--only", help="the rows of these invariants, such as I8 or I7,I8")
    parser.add_argument("--jobs", type=int, default=2, help="rows that run side by side")
    parser.add_argument("--table", action="store_true", help="print the tables of docs/invariants.md instead")
    arguments = parser.parse_args()
    if arguments.table:
        print(as_markdown(MUTATIONS, LATER), end="")
        return 0
    wanted = None if arguments.only is None else set(arguments.only.split(","))
    rows = [row for row in MUTATIONS if wanted is None or row.invariant in wanted]
    if not rows:
        parser.error(f"no mutation of {arguments.only}")
    return run_all(rows, arguments.jobs)


if __name__ == "__main__":
    sys.exit(main())
