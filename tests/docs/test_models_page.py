"""docs/models.md: made by a script, and about families that transformers has."""

import re
from pathlib import Path

from kits.families import families

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([\w.-]+) \| (.*) \|$", re.MULTILINE)


def rows(part: str) -> dict[str, str]:
    """Return the rest of each row by its family."""
    found = [(family, text) for family, text in ROW.findall(part) if family not in {"family", "---"}]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_many_families_are_served_and_each_is_one_of_transformers() -> None:
    served, refused = (rows(part) for part in PAGE.partition("## Not served")[::2])
    assert len(served) > 120
    assert not set(served) & set(refused)
    assert set(served) | set(refused) <= set(families())
    assert all(text.strip() for text in refused.values())


def test_no_family_is_served_with_other_answers_than_pefts() -> None:
    served = rows(PAGE.partition("## Not served")[0])
    assert max(float(text.split(" | ")[2]) for text in served.values()) <= 1e-4
