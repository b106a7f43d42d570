"""`hotswapd ab`: what it sends, what it prints, and what it returns."""

import json
from collections.abc import Iterator
from typing import cast

import pytest
from kits.daemon_fakes import STATUS, FakeFace
from kits.fronts import front

from hotswapd.daemon.answers import ArmStatus, RolloutStatus, Status
from hotswapd.daemon.cli import main
from hotswapd.daemon.terminal.rollout import side_by_side

COUNTS: ArmStatus = {
    "generation": 0,
    "requests": 0,
    "errors": 0,
    "degenerate": 0,
    "non_finite": 0,
    "feedback": 0,
}
ROLLOUT: RolloutStatus = {
    "kind": "ab",
    "share": 40.0,
    "steps": [],
    "salt": "s",
    "seconds": 5.0,
    "waits_for": None,
    "live": {**COUNTS, "generation": 2, "requests": 12, "tokens": 24.0},
    "canary": {**COUNTS, "generation": 1, "requests": 8, "tokens": 31.0, "mean_score": 0.25},
}


class Trying(FakeFace):
    """A daemon with a rollout under way."""

    def status(self, channel: str | None = None) -> Status:
        return cast("Status", STATUS | {"rollout": ROLLOUT})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeFace, str]]:
    face = Trying()
    with front(face, tmp_path_factory.mktemp("ab")) as made:
        yield face, str(made.socket)


def test_start_names_the_generation_and_its_share(served: tuple[FakeFace, str]) -> None:
    """Half of the requests unless a weight is given."""
    face, path = served
    assert main(["ab", "start", "3", "--weight", "40", "--socket", path]) == 0
    assert face.asked[-1] == ("ab_start", 3, 40.0)
    assert main(["ab", "start", "3", "--socket", path]) == 0
    assert face.asked[-1] == ("ab_start", 3, 50.0)


def test_what_cannot_be_done_has_its_own_status(
    served: tuple[FakeFace, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As for any other command."""
    _, path = served
    assert main(["ab", "stop", "--socket", path]) == 3
    assert "nothing is beside the live generation" in capsys.readouterr().err


def test_promote_asks_for_it(served: tuple[FakeFace, str], capsys: pytest.CaptureFixture[str]) -> None:
    face, path = served
    assert main(["ab", "promote", "--socket", path]) == 0
    assert face.asked[-1] == ("ab_promote",)
    assert capsys.readouterr().out == "ab/promote: ok True\n"


def test_status_prints_both_arms(served: tuple[FakeFace, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Laid out for a person, whole for a program."""
    assert main(["ab", "status", "--socket", served[1]]) == 0
    assert capsys.readouterr().out == side_by_side(ROLLOUT) + "\n"
    assert main(["ab", "status", "--json", "--socket", served[1]]) == 0
    assert json.loads(capsys.readouterr().out) == ROLLOUT


def test_both_arms_stand_side_by_side() -> None:
    """One line for each thing counted; a dash where nothing was."""
    lines = {line[:28].strip(): line[28:].split() for line in side_by_side(ROLLOUT).splitlines()[1:]}
    assert lines["requests"] == ["12", "8"]
    assert lines["mean score"] == ["-", "0.25"]
    assert side_by_side({**ROLLOUT, "waits_for": "7 of 9 seconds"}).endswith("\nwaits for 7 of 9 seconds")
    assert side_by_side(None) == "no rollout is under way"
