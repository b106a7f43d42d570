"""docs/codes.md against the codes that the program can give."""

import re
from collections.abc import Iterator
from pathlib import Path

from hotswapd.codes import Code
from hotswapd.daemon.report.catalogue import SECTIONS, page

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "codes.md").read_text()


def members() -> Iterator[Code]:
    """Yield every code of every enum: the catalogue imports them all."""
    for kind in Code.__subclasses__():
        yield from kind


def test_the_page_is_what_the_catalogue_writes() -> None:
    """`python -m hotswapd.daemon.report.catalogue > docs/codes.md` brings it up to date."""
    assert page() == PAGE


def test_each_code_with_a_meaning_is_on_the_page() -> None:
    """An enum that no section names would be missing; one without a meaning is not for people."""
    shown = {code for section in SECTIONS for code in section.codes}
    assert {str(code) for code in members() if code.meaning} <= {str(code) for code in shown}
    assert {str(code) for code in shown if code.meaning} == set(re.findall(r"`(\w+)`(?=[^|]*\|)", _first_cells()))


def _first_cells() -> str:
    """Return the first cell of each row, with its end."""
    return "\n".join(f"{line.split('|')[1]}|" for line in PAGE.splitlines() if line.startswith("| `"))


def test_a_section_has_each_code_once() -> None:
    """Two packages may give the same code: it is one row of a section."""
    for section in PAGE.split("\n#"):
        codes = [code for line in section.splitlines() if line.startswith("| `") for code in _codes(line)]
        assert len(codes) == len(set(codes)), section.splitlines()[0]


def _codes(row: str) -> list[str]:
    return re.findall(r"`(\w+)`", row.split("|")[1])


def test_codes_are_plain_and_many() -> None:
    """So that a page without them cannot pass."""
    codes = {str(code) for code in members()}
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", code) for code in codes)
    assert {"non_finite", "rank_too_high", "disk_full", "queue_full", "probe_collapsed", "watch_errors"} <= codes
    assert len(codes) > 180


def test_pipes_and_newlines_break_no_row() -> None:
    """A cell is one line, and holds nothing that a table reads."""
    assert not [code for code in members() if set("|\n") & set(code.meaning + code.remedy)]
