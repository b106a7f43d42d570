"""Only names that tools give to what is not finished are ignored, and the page lists each with its maker."""

from pathlib import Path

import pytest

from hotswapd.loaders.ignored import RULES, ignored_sentence, rule_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


@pytest.mark.parametrize(
    "name",
    [".hidden", "..2026_11_28_01", "run-7.tmp", "run.part", "run.partial", "run.incomplete", "run~", "lost+found"],
)
def test_names_of_tools_are_ignored(name: str) -> None:
    assert rule_for(name)


@pytest.mark.parametrize(
    "name",
    [
        "run-7",
        "tmp",
        "part",
        "party",
        "v1.0",
        "lora.20261128",
        "run-7.1a2b3c4d",
        "lora.partner-v2",
        "run-7.tmp.3",
        "run.part2",
        "run.TMP",
        "run.incomplete-data",
        "a~b",
        "lost+found.2",
        "a\n.b",
    ],
)
def test_names_of_people_are_not_ignored(name: str) -> None:
    """Dates, short hashes and words with such an ending in them: whole endings count, not parts."""
    assert rule_for(name) is None


def test_a_line_break_hides_nothing() -> None:
    assert rule_for("run\n.tmp")


def test_the_first_ignored_name_of_a_path_is_the_reason() -> None:
    assert "'a.tmp' ends in .tmp" in ignored_sentence(["plain", "a.tmp", ".b"])
    assert ignored_sentence(["plain", "run-7"]) == ""


def test_the_page_lists_each_rule_with_its_maker() -> None:
    text = PAGE.read_text()
    for rule in RULES:
        assert f"| `{rule.shown}` | {rule.maker}" in text
