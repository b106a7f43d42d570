"""The demo's story notices what a careless daemon does."""

import io
from pathlib import Path
from typing import Any

from kits.demo import two_matrices
from rich.console import Console

from hotswapd.daemon.demo.asking import Answer
from hotswapd.daemon.demo.board import PlainBoard
from hotswapd.daemon.demo.spoil import DAMAGES
from hotswapd.daemon.demo.story import Part, Story


class CarelessDaemon:
    """A daemon that takes whatever comes; the demo must notice."""

    def __init__(self) -> None:
        self.taken = 0

    def drop_and_wait(self, adapter: Path, reason: str = "") -> tuple[dict[str, Any], float]:
        self.taken += 1
        return self.row(""), 0.1

    def row(self, swap_id: str) -> dict[str, Any]:
        known = {"swap_id": swap_id, "state": "LIVE", "reason": None, "detail": None}
        return known | {"generation": self.taken, "seconds": {"pause": 0.001}}

    def ask(self) -> Answer:
        return Answer(self.taken, f"as {self.taken} says")


def careless_story(tmp_path: Path, shows: bool) -> Story:
    daemon: Any = CarelessDaemon()
    good = two_matrices(tmp_path / f"good-{shows}")
    board = PlainBoard(Console(file=io.StringIO()))
    return Story(daemon, board, daemon, (Part(good, "are right", lambda text: shows),), tmp_path / "spoilt")


def test_an_adapter_without_effect_breaks_a_promise(tmp_path: Path) -> None:
    """To be reported live is not enough."""
    for shows in (True, False):
        story = careless_story(tmp_path, shows)
        story._bring(story.parts[0])
        assert [claim.held for claim in story.claims] == [shows]


def test_a_bad_adapter_that_is_taken_breaks_a_promise(tmp_path: Path) -> None:
    """Each damage is watched for."""
    story = careless_story(tmp_path, True)
    for damage in DAMAGES:
        story._bring_bad(damage)
    assert [claim.held for claim in story.claims] == [False] * len(DAMAGES)
