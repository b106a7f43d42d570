"""What a person sees of the status."""

from datetime import UTC, datetime
from typing import cast

from kits.daemon_fakes import STATUS
from kits.pages import status, text

from hotswapd.daemon.answers import Status
from hotswapd.daemon.terminal.status import lost_page, status_page

NOW = datetime(2026, 11, 24, 21, 5, tzinfo=UTC)


def test_status_shows_what_is_live_queued_and_resident() -> None:
    page = text(status_page(status(), NOW))
    for part in (
        "ready",
        "generation 3",
        "run-7",
        "abababababab",
        "for 1 d 1 h, since 2026-11-23 20:00:00 UTC",
        "WAITING",
        "still being written",
        "access denied",
        "448 slots",
        "76.5 MB",
        "compiled",
    ):
        assert part in page


def test_a_daemon_that_is_loading_says_so() -> None:
    """Its answer has few fields yet, and those of another version may lack some too."""
    bare = cast("Status", {"ready": False, "phase": "loading", "live": None, "resident": None})
    page = text(status_page(bare))
    assert "not ready: loading" in page
    assert "not loaded yet" in page
    assert "the base model" in page


def test_a_pinned_and_paused_daemon_says_so() -> None:
    assert "ready, pinned, paused" in text(status_page(status(pinned=True, paused=True)))


def test_status_fits_80_columns_and_a_screen() -> None:
    lost = status(log_dropped=7, reload_refused="serve.prt: there is no such key", base_changed="it differs")
    assert "7 log lines were lost" in text(status_page(lost))
    assert "serve.prt: there is no such key" in text(status_page(lost))
    assert "the base has changed under its name: it differs" in text(status_page(lost))
    full = status(trouble="the ledger cannot be used: disk full", phase=None)
    lines = text(status_page(full), 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    assert any("the ledger cannot be used" in line for line in lines)


def test_times_are_relative_to_now() -> None:
    page = text(status_page(status(), datetime(2026, 11, 23, 20, 0, 2, tzinfo=UTC)))
    assert "for 2 s" in page
    assert "scanned 1 s ago" in page
    assert "next try in 3 s" in page
    late = text(status_page(status(), datetime(2026, 11, 23, 21, 30, tzinfo=UTC)))
    assert "for 1 h 30 min" in late
    assert "next try now" in late


def test_recompilations_are_shown_if_there_were_any() -> None:
    assert "recompiled" not in text(status_page(status()))
    recompiled = status(resident={**STATUS["resident"], "recompiles": 2})
    assert "recompiled 2 times: see the log" in text(status_page(recompiled))


def test_the_base_alone_is_called_so() -> None:
    live = {"generation": 0, "uri": None, "digest": "0" * 64, "since": "2026-11-23T20:00:00Z"}
    assert "the base model alone" in text(status_page(status(live=live)))


def test_the_last_page_of_a_lost_daemon_stays() -> None:
    page = text(lost_page(status_page(status()), "no daemon answers"))
    assert page.startswith("no daemon answers")
    assert "generation 3" in page


def test_names_cannot_smuggle_markup_or_control_codes() -> None:
    live = {**STATUS["live"], "uri": "file:///a/[red]x[/red]\x1b[2J"}
    queue = [{"uri": "file:///b/[bold]\x1b]0;owned\x07", "state": "WAITING"}]
    page = text(status_page(status(live=live, queue=queue)))
    assert "[red]x[/red]" in page
    assert "[bold]" in page
    assert "\x1b" not in page
    assert "\x07" not in page


def test_berths_are_shown_with_their_use() -> None:
    """A candidate has no number yet."""
    (live,) = STATUS["berths"]
    candidate = {**live, "berth": 1, "channel": None, "generation": -1, "use": "candidate", "active": 0}
    page = text(status_page(status(berths=[live, candidate])))
    assert "4 berths, 448 slots of rank 64 (76.5 MB each)" in page
    assert "generation 3 (live): 2 active, 0 waiting" in page
    assert "the candidate (candidate): idle" in page
