"""docs/codes.md against the program, in both directions."""

import re
from pathlib import Path

from kits import codes as codes_kit

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "codes.md").read_text()


def documented() -> set[str]:
    """Every code in the first column of a table, and in the last paragraph, which has no table."""
    first = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    last = PAGE.rstrip().rpartition("\n\n")[2]
    return set(re.findall(r"`([a-z0-9_]+)`", " ".join([*first, last])))


def test_each_code_that_the_program_can_give_is_on_the_page():
    """A new one needs its line."""
    assert codes_kit.codes() - documented() == set()


def test_each_code_on_the_page_is_one_that_the_program_can_give():
    """One that is given no more loses its line."""
    assert documented() - codes_kit.codes() == set()


def test_each_code_is_explained():
    """No cell that says what it means is empty, but where the number of a status says all."""
    for line in PAGE.splitlines():
        if line.startswith("| `") and "`method_not_allowed`" not in line:
            assert len(line.split("|")[-2].strip() + line.split("|")[2].strip()) > 8, line


def test_the_program_has_codes_at_all():
    """So that reading them off the source cannot fail silently."""
    assert {"non_finite", "rank_too_high", "disk_full", "queue_full", "probe_collapsed"} <= codes_kit.codes()
    assert len(codes_kit.codes()) > 180
