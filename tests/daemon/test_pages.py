"""What a person sees of status and history."""

import io
from datetime import UTC, datetime

from fakes import HISTORY, STATUS
from rich.console import Console

from hotswapd.daemon.pages import history_page, misfit_table, status_page
from hotswapd.swap.errors import Misfit

NOW = datetime(2026, 11, 24, 21, 5, tzinfo=UTC)


def text(page: object) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(page)
    return out.getvalue()


def test_status_shows_what_is_live_queued_watched_and_resident():
    page = text(status_page(STATUS, NOW))
    for part in (
        "ready",
        "generation 3",
        "run-7",
        "abababababab",
        "1 d 1 h 5 min",
        "WAITING",
        "still being written",
        "access denied",
        "448 slots",
        "76.5 MB",
        "compiled",
    ):
        assert part in page


def test_status_of_a_daemon_that_is_still_loading_says_so():
    page = text(status_page({"ready": False, "reason": "loading", "live": None, "resident": None}))
    assert "not ready: loading" in page
    assert "not loaded yet" in page
    assert "the base model" in page


def test_a_pinned_and_paused_daemon_says_so():
    assert "ready, pinned, paused" in text(status_page({**STATUS, "pinned": True, "paused": True}))


def test_history_shows_why_and_how_long():
    bad, good = text(history_page(HISTORY)).splitlines()[1:3]
    assert "REJECTED" in bad
    assert "non_finite: a tensor holds NaN" in bad
    assert "LIVE" in good
    assert "1.5 s" in good
    assert "1.8 ms" in good


def test_an_empty_history_says_so():
    assert text(history_page([])) == "no swap yet\n"


def test_names_cannot_smuggle_markup_or_control_codes():
    live = {**STATUS["live"], "uri": "file:///a/[red]x[/red]\x1b[2J"}
    queue = [{"uri": "file:///b/[bold]\x1b]0;owned\x07", "state": "WAITING"}]
    page = text(status_page({**STATUS, "live": live, "queue": queue}))
    assert "[red]x[/red]" in page
    assert "[bold]" in page
    assert "\x1b" not in page
    assert "\x07" not in page


def test_misfits_that_are_alike_are_one_row():
    same = [Misfit("rank_too_high", f"layer.{n}", "8", "16", "retrain") for n in range(3)]
    page = text(misfit_table([*same, Misfit("dora", "use_dora", "false", "true", "plain LoRA")]))
    assert "layer.0 and 2 more" in page
    assert page.count("rank_too_high") == 1
    assert "plain LoRA" in page
