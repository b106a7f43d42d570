"""docs/security.md: each test that it names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text())))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_each_test_exists(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / file).read_text()


def test_every_row_names_a_test() -> None:
    """Of the tables that say what somebody tries."""
    rows = [line for line in (ROOT / "docs" / "security.md").read_text().splitlines() if line.startswith("| ")]
    tried = [row for row in rows if row.count(" | ") == 2 and "`tests/" in row]
    assert len(tried) >= 35
    assert len(NAMED) >= 35
