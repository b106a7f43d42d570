"""`hotswapd ab`: what it sends, what it prints, and what it returns."""

from typing import Any

import pytest
from kits.daemon_fakes import FakeFace

from hotswapd.daemon.cli import main
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.service.servers import Servers
from hotswapd.daemon.terminal.rollout import side_by_side

ROLLOUT: dict[str, Any] = {
    "kind": "ab",
    "share": 40.0,
    "live": {"generation": 2, "requests": 12, "tokens": 24.0},
    "canary": {"generation": 1, "requests": 8, "tokens": 31.0, "mean_score": 0.25},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):
    face, path = FakeFace(), tmp_path_factory.mktemp("ab") / "c.sock"
    servers = Servers(face, Settings(model={"base": "m"}, serve={"port": 0}, control={"socket": str(path)}), Metrics())
    servers.start()
    yield face, str(path)
    servers.stop()


def test_start_says_which_generation_and_its_share(served: tuple[FakeFace, str]):
    """Half of the requests unless a weight is given."""
    face, path = served
    assert main(["ab", "start", "3", "--weight", "40", "--socket", path]) == 0
    assert face.asked[-1] == ("ab_start", 3, 40.0)
    assert main(["ab", "start", "3", "--socket", path]) == 0
    assert face.asked[-1] == ("ab_start", 3, 50.0)


def test_what_cannot_be_done_is_said_with_a_status_of_its_own(served: tuple[FakeFace, str], capsys: Any):
    """As for any other command."""
    _, path = served
    assert main(["ab", "stop", "--socket", path]) == 3
    assert "nothing is beside the live generation" in capsys.readouterr().err


def test_both_arms_stand_side_by_side():
    """One line for each thing counted; a dash where nothing was."""
    lines = {line[:28].strip(): line[28:].split() for line in side_by_side(ROLLOUT).splitlines()[1:]}
    assert lines["requests"] == ["12", "8"]
    assert lines["mean score"] == ["-", "0.25"]
    assert side_by_side(ROLLOUT | {"waits_for": "7 of 9 seconds"}).endswith("\nwaits for 7 of 9 seconds")
    assert side_by_side(None) == "no rollout is under way"
