"""Named places do nothing unless the environment names them and a file says that it is time."""

from pathlib import Path

import pytest

from hotswapd.daemon.host.failpoints import VARIABLE, failpoint


def passed(times: int, name: str = "commit") -> list[bool]:
    """Pass a place so often, and return for each time whether what was asked for happened."""
    happened = []
    for _ in range(times):
        try:
            failpoint(name)
        except MemoryError:
            happened.append(True)
        else:
            happened.append(False)
    return happened


@pytest.mark.parametrize(
    ("place", "text", "happened"),
    [
        ("commit", "", [True, False, False]),
        ("commit", "2", [False, False, True]),
        ("verify", "", [False, False, False]),
        ("*", "commit", [True, False, False]),
        ("*", "commit 1", [False, True, False]),
        ("*", "verify", [False, False, False]),
        ("*", "", [False, False, False]),
    ],
)
def test_a_file_works_once_at_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, text: str, happened: list[bool]
) -> None:
    """At the place that the environment names, or that the file names; after as many times as the file says."""
    file = tmp_path / "now"
    monkeypatch.setenv(VARIABLE, f"{place}=memory@{file}")
    assert passed(2) == [False, False]
    file.write_text(text)
    assert passed(3) == happened
    assert file.exists() == (True not in happened)


def test_without_the_variable_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in every installation that did not ask for it."""
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "now").write_text("commit")
    assert passed(1) == [False]
