"""What a person sees of status and history."""

import io
from datetime import UTC, datetime

from kits.daemon_fakes import ACTIONS, HISTORY, STATUS
from rich.console import Console

from hotswapd.daemon.terminal.history import actions_page, history_page
from hotswapd.daemon.terminal.misfits import misfit_table
from hotswapd.daemon.terminal.status import lost_page, status_page
from hotswapd.swap.errors import Misfit

NOW = datetime(2026, 11, 24, 21, 5, tzinfo=UTC)


def text(page: object, width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(page)
    return out.getvalue()


def test_status_shows_what_is_live_queued_watched_and_resident():
    page = text(status_page(STATUS, NOW))
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


def test_status_of_a_daemon_that_is_still_loading_says_so():
    page = text(status_page({"ready": False, "phase": "loading", "live": None, "resident": None}))
    assert "not ready: loading" in page
    assert "not loaded yet" in page
    assert "the base model" in page


def test_a_pinned_and_paused_daemon_says_so():
    assert "ready, pinned, paused" in text(status_page({**STATUS, "pinned": True, "paused": True}))


def test_history_shows_why_and_how_long():
    bad, good = text(history_page(HISTORY)).split("LIVE")
    assert "REJECTED" in bad
    assert "non_finite: a tensor holds NaN" in bad
    assert "generation 3" in good
    assert "fetch 1.5 s" in good
    assert "pause 1.8 ms" in good


VERDICTS = [
    {"gate": "norms", "outcome": "passed", "code": None, "sentence": None, "numbers": {"update_norm": 1.25}},
    {"gate": "probe", "outcome": "warned", "code": "no_change", "sentence": "as the base", "numbers": {"change": 0.0}},
    {"gate": "dataset", "outcome": "failed", "code": "dataset_worse", "sentence": "x", "numbers": {"perplexity": None}},
]


def test_history_shows_the_numbers_of_gates_that_complained():
    """A warning with its sentence, which stands nowhere else; a failure's sentence is the row's own, said once."""
    row = {**HISTORY[0], "reason": "dataset_worse", "detail": "it is worse", "verify": VERDICTS}
    page = text(history_page([row]))
    assert "probe warned, no_change: as the base; change 0" in page
    assert "dataset failed; perplexity not finite" in page
    assert "norms" not in page
    assert page.count("dataset_worse") == 1


def test_history_shows_every_verdict_when_asked():
    """`--verify` has those that passed too."""
    page = text(history_page([{**HISTORY[1], "verify": VERDICTS[:1]}], verify=True))
    assert "norms passed; update_norm 1.25" in page


def test_on_80_columns_the_reason_of_a_refusal_is_there_in_full():
    detail = "layers.0.q_proj: wanted finite values, got NaN; " * 6 + "look at the training run"
    page = text(history_page([{**HISTORY[0], "detail": detail}]), 80)
    assert " ".join(page.split()).endswith(f"non_finite: {detail} fetch 100.0 ms, admit 200.0 ms")
    assert max(map(len, page.splitlines())) <= 80


def test_status_fits_80_columns_and_a_screen():
    lines = text(
        status_page({**STATUS, "trouble": "the ledger cannot be used: disk full", "phase": None}), 80
    ).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    assert any("the ledger cannot be used" in line for line in lines)


def test_times_are_relative_where_that_is_what_one_asks():
    page = text(status_page(STATUS, datetime(2026, 11, 23, 20, 0, 2, tzinfo=UTC)))
    assert "for 2 s" in page
    assert "looked 1 s ago" in page
    assert "next try in 3 s" in page
    late = text(status_page(STATUS, datetime(2026, 11, 23, 21, 30, tzinfo=UTC)))
    assert "for 1 h 30 min" in late
    assert "next try now" in late


def test_recompilations_are_said_only_when_there_are_some():
    assert "recompiled" not in text(status_page(STATUS))
    recompiled = {**STATUS, "resident": {**STATUS["resident"], "recompiles": 2}}
    assert "recompiled 2 times: see the log" in text(status_page(recompiled))


def test_the_base_alone_is_called_so():
    live = {"generation": 0, "uri": None, "digest": "0" * 64, "since": "2026-11-23T20:00:00Z"}
    assert "the base model alone" in text(status_page({**STATUS, "live": live}))


def test_a_page_of_a_daemon_that_went_away_says_so_and_stays():
    page = text(lost_page(status_page(STATUS), "no daemon answers"))
    assert page.startswith("no daemon answers")
    assert "generation 3" in page


def test_actions_name_who_asked():
    page = text(actions_page([one | {"who": "root (process 4711)"} for one in ACTIONS]), 80)
    assert "rollback  no_such_generation  root (process 4711)" in page
    assert text(actions_page([])) == "nobody has asked for anything yet\n"


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
