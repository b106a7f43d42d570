"""Channels in a terminal."""

from typing import Any, cast

from kits.daemon_fakes import DIGEST, HISTORY
from kits.pages import status, text

from hotswapd.daemon.answers import ChannelStatus
from hotswapd.daemon.terminal.channels import channel_page, channels_page
from hotswapd.daemon.terminal.status import status_page


def channel(name: str, **more: Any) -> ChannelStatus:
    live = {"generation": 3, "uri": f"file:///srv/{name}/run-7", "revision": "r", "digest": DIGEST, "since": None}
    usual = {"pinned": False, "paused": False, "rollout": None, "waiting": 0, "refused": None}
    return cast("ChannelStatus", {"name": name, "live": live} | usual | more)


def test_each_channel_has_a_line_with_what_needs_a_look() -> None:
    rollout = {"kind": "canary", "share": 5.0}
    found = [channel("support", refused="rank_too_high", pinned=True), channel("sales", rollout=rollout, waiting=2)]
    support, sales = text(channels_page(found)).splitlines()[1:3]
    assert " ".join(support.split()) == "support 3 run-7 the newest was refused: rank_too_high, pinned"
    assert " ".join(sales.split()) == "sales 3 run-7 canary at 5 %, 2 waiting"
    assert text(channels_page([])).strip() == "no channel has such a name"


def test_one_channel_is_shown_with_its_swaps() -> None:
    page = text(channel_page({**channel("support", paused=True), "history": HISTORY}))
    for part in ("support", "paused", "generation 3, run-7", "a tensor holds NaN", "LIVE"):
        assert part in page


def test_a_status_shows_the_channels_that_need_a_look_and_counts_the_rest() -> None:
    """With one channel it looks as it always did; with five hundred it still fits a screen."""
    assert "channels" not in text(status_page(status(channels=[channel("default")])))
    many = [channel(f"c{index:03}", refused="rank_too_high") for index in range(500)]
    lines = text(status_page(status(channels=many)), 80).splitlines()
    assert any("c000" in line for line in lines)
    assert any("492 more: hotswapd channel list" in line for line in lines)
    assert len(lines) - len(text(status_page(status()), 80).splitlines()) <= 20
    assert max(map(len, lines)) <= 80


def test_a_hostile_name_is_shown_as_it_is() -> None:
    """Names come from folders."""
    assert "[red]x[/red]" in text(channels_page([channel("[red]x[/red]")]))
