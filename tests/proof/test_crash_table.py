"""The table of crash points matches the tests: it has exactly the places at which they kill the daemon."""

import re
from pathlib import Path

from .test_crash import POINTS

PAGE = Path(__file__).parents[2] / "docs" / "reliability" / "crash.md"
_ROW = re.compile(r"\| (?P<point>[^|]+) \| `(?P<place>[a-z]+)`[^|]* \| [^|]+ \|")


def test_the_table_has_exactly_the_places() -> None:
    """In the order of the tests, each with the name that the environment gives it."""
    rows = [match.groups() for match in map(_ROW.fullmatch, PAGE.read_text().splitlines()) if match]
    assert rows == [(point, place) for point, (_, place, _) in POINTS.items()]


def test_there_are_two_dozen_at_least() -> None:
    """As many as an adapter's way has steps."""
    assert len({(act, place, passing) for act, place, passing in POINTS.values()}) == len(POINTS) >= 24
