"""`hotswapd channel`, and `--channel` on the commands that are about one."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from kits.daemon_fakes import HISTORY, STATUS, FakeFace
from kits.fronts import front

from hotswapd.daemon.answers import HistoryRow, Status
from hotswapd.daemon.cli import main
from hotswapd.daemon.errors import no_such_channel

USUAL = {"live": STATUS["live"], "pinned": False, "paused": False, "rollout": None, "waiting": 0}


class Several(FakeFace):
    """A daemon with three channels, one of which has refused its newest adapter."""

    def status(self, channel: str | None = None) -> Status:
        self.asked.append(("status", channel))
        channels: list[Any] = [{**USUAL, "name": "support", "refused": "rank_too_high"}]
        channels += [{**USUAL, "name": name, "refused": None} for name in ("default", "sales")]
        if channel is not None:
            channels = [one for one in channels if one["name"] == channel]
            if not channels:
                raise no_such_channel(channel)
        return cast("Status", STATUS | {"channels": channels})

    def history(self, limit: int, channel: str | None = None) -> list[HistoryRow]:
        self.asked.append(("history", channel))
        return HISTORY[:limit]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeFace, str]]:
    face = Several()
    with front(face, tmp_path_factory.mktemp("channel")) as made:
        yield face, str(made.socket)


def test_the_list_has_every_channel_or_those_that_are_searched(
    served: tuple[FakeFace, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["channel", "list", "--socket", served[1]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["channel", "support", "default", "sales"]
    assert "the newest was refused: rank_too_high" in lines[1]
    assert main(["channel", "list", "sal", "--json", "--socket", served[1]]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["sales"]


def test_one_is_shown_with_its_swaps(served: tuple[FakeFace, str], capsys: pytest.CaptureFixture[str]) -> None:
    face, path = served
    assert main(["channel", "show", "support", "--socket", path]) == 0
    assert face.asked[-2:] == [("status", "support"), ("history", "support")]
    assert "a tensor holds NaN" in capsys.readouterr().out
    assert main(["channel", "show", "support", "--json", "--socket", path]) == 0
    assert json.loads(capsys.readouterr().out)["history"] == HISTORY


@pytest.mark.parametrize("name", ["nobody", "a b/?&"])
def test_a_name_that_no_channel_has_is_refused(
    served: tuple[FakeFace, str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The sentence says where their names are."""
    assert main(["channel", "show", name, "--socket", served[1]]) == 3
    assert f"there is no channel {name!r}: `hotswapd channel list` has their names" in capsys.readouterr().err


def test_removing_says_what_was_removed(served: tuple[FakeFace, str]) -> None:
    face, path = served
    assert main(["channel", "remove", "support", "--socket", path]) == 0
    assert face.asked[-1] == ("remove", False, "support")
    assert main(["channel", "remove", "support", "--purge", "--socket", path]) == 0
    assert face.asked[-1] == ("remove", True, "support")


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["rollback", "3"], ("rollback", 3, False)),
        (["pin"], ("pin", None)),
        (["unpin"], ("unpin",)),
        (["pause"], ("pause",)),
        (["resume"], ("resume",)),
        (["submit", "/srv/a/run"], ("submit", "/srv/a/run", False)),
        (["ab", "start", "3"], ("ab_start", 3, 50.0)),
        (["ab", "promote"], ("ab_promote",)),
    ],
)
def test_a_command_is_about_the_channel_that_it_names(
    served: tuple[FakeFace, str], argv: list[str], asked: tuple[Any, ...]
) -> None:
    """And about the default one without."""
    face, path = served
    assert main([*argv, "--channel", "support", "--socket", path]) == 0
    assert face.asked[-1] == (*asked, "support")
    assert main([*argv, "--socket", path]) == 0
    assert face.asked[-1] == asked


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["status"], ("status", None)),
        (["status", "--channel", "sales"], ("status", "sales")),
        (["history"], ("history", "default")),
        (["history", "--channel", "sales"], ("history", "sales")),
    ],
)
def test_status_and_history_are_about_the_default_channel_without_a_name(
    served: tuple[FakeFace, str], argv: list[str], asked: tuple[str, str | None]
) -> None:
    """The status also counts what waits in the others; the history has the rows of one channel."""
    face, path = served
    assert main([*argv, "--json", "--socket", path]) == 0
    assert face.asked[-1] == asked
