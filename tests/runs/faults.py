"""The table of faults in docs/reliability/faults.md, and a program that runs every test that it names and counts."""

import os
import re
import sys
from pathlib import Path

import pytest

TABLE = Path(__file__).parents[2] / "docs" / "reliability" / "faults.md"
_ROW = re.compile(r"\| (?!fault |-)(?P<fault>[^|]+) \|.*\| `(?P<test>tests/[^`]+)` \|")


def rows() -> list[tuple[str, str]]:
    """Return each class of faults with the id of the test that shows it."""
    found = (_ROW.fullmatch(line) for line in TABLE.read_text().splitlines())
    return [(row["fault"], row["test"]) for row in found if row]


def main() -> int:
    """Run them all, those that `make test` leaves out too, and say how many classes they are."""
    os.environ["HOTSWAPD_TEST_FAULTS"] = "all"
    table = rows()
    tests = sorted({test for _, test in table})
    status = pytest.main(["-q", "-p", "no:randomly", *tests])
    print(f"{len(table)} classes of faults, {len(tests)} tests: {'all hold' if status == 0 else 'NOT all hold'}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
