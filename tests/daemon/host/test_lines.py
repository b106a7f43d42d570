"""The log on a terminal: a sentence an event, in what colours and how wide."""

import io
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from hotswapd.daemon.host.lines import Lines
from hotswapd.daemon.host.log import setup_logging, speaks_to_a_person

URI = "file:///srv/adapters/run-7"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = re.compile(r"\x1b\[(?:\d;)?3\dm")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield Terminal()
    root.handlers[:], root.level = before[0], before[1]
    logging.captureWarnings(False)
    structlog.reset_defaults()


def said(event: str, level: str = "info", **fields: Any) -> str:
    """Return one event's lines without colours, from the column of the sentence on."""
    fields = {"event": event, "level": level, "logger": "hotswapd.swaps", "time": "2026-11-29T12:00:00Z", **fields}
    text = ESCAPE.sub("", Lines(Terminal())(None, "", fields))
    return "\n".join(line[10:] for line in text.splitlines())


def test_a_start_reads_as_a_story() -> None:
    """What it loads, where it listens, and when it answers."""
    assert said("starting", detail="loading the base model org/m") == "loading the base model org/m"
    assert said("listening", http="127.0.0.1:8080", control="/c") == "listening on http://127.0.0.1:8080"
    assert said("ready", generation=0, uri="", seconds=3.2) == "ready after 3.2 s: the base model answers"
    assert said("ready", generation=4, uri=URI, seconds=3.2) == "ready after 3.2 s: generation 4 (run-7) answers"


def test_an_adapter_is_found_and_live() -> None:
    assert said("SIGHTED", uri=URI) == "run-7 found"
    live = said("LIVE", uri=URI, generation=4, seconds={"fetch": 0.1, "pause": 0.0012})
    assert live == "LIVE  generation 4 (run-7) answers new requests (requests stood still for 1.2 ms)"
    assert said("LIVE", uri=URI, generation=4) == "LIVE  generation 4 (run-7) answers new requests"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("REJECTED", "is REFUSED"),
        ("ROLLED_BACK", "is ROLLED BACK"),
        ("QUARANTINED", "is QUARANTINED"),
        ("HELD", "is held"),
        ("IGNORED", "is ignored"),
        ("WAITING", "waits"),
    ],
)
def test_what_is_not_taken_comes_with_its_reason(state: str, words: str) -> None:
    line = said(state, "warning", uri=URI, reason="non_finite", detail="a tensor holds NaN")
    assert line == f"run-7 {words}: non_finite: a tensor holds NaN"


def test_what_happens_every_time_is_not_told() -> None:
    """Nor that files settle, nor that a gate passed; a gate that warned is."""
    for state in ("FETCHED", "ADMITTED", "STAGED", "VERIFIED", "RETIRED"):
        assert said(state, uri=URI) == ""
    assert said("WAITING", uri=URI, reason="settling", detail="2 s") == ""
    assert said("verdict", uri=URI, gate="norms", outcome="passed") == ""
    warned = said("verdict", uri=URI, gate="norms", outcome="warned", code="outgrown", sentence="it is large")
    assert warned == "run-7: the gate norms warns: outgrown: it is large"


def test_many_at_once_are_counted() -> None:
    line = said("SUPERSEDED", count=40, first="file:///a/1", last="file:///a/40", detail="see the history")
    assert line == "40 adapters are passed over for a newer one, file:///a/1 to file:///a/40"


def test_an_event_without_a_sentence_keeps_its_fields() -> None:
    line = said("ledger_down", "warning", detail="disk is full", source="s", empty="")
    assert line == "warning: ledger down: disk is full: source s"


def test_what_was_left_out_meanwhile_is_counted() -> None:
    line = said("source_down", "warning", source="s", detail="closed", repeated=3)
    assert line == "source s is down: closed (3 times more)"


def test_a_librarys_sentence_stays_as_it_is() -> None:
    """Even if it is called like an event of ours."""
    assert said("ready", "info", logger="some.library") == "ready"
    assert said("too_many files", "error", logger="some.library") == "error: too_many files"


def test_a_name_with_control_codes_is_harmless() -> None:
    assert "\x1b" not in said("SIGHTED", uri="file:///a/\x1b[2Jrun")


def test_a_traceback_follows_its_event() -> None:
    """It is a defect then: nothing that a user can do has one."""
    text = Lines(Terminal())(None, "", {"event": "swap_failed", "level": "error", "exception": "Traceback\n  x"})
    assert ESCAPE.sub("", text).splitlines()[1:] == ["  Traceback", "    x"]


@pytest.mark.parametrize("columns", [40, 100, 400])
def test_a_long_sentence_is_folded_under_itself(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As wide as the terminal, and no wider than can be read."""
    monkeypatch.setenv("COLUMNS", str(columns))
    fields = {"event": "REJECTED", "level": "warning", "uri": URI, "reason": "r", "time": "2026-11-29T12:00:00Z"}
    text = ESCAPE.sub("", Lines(Terminal())(None, "", fields | {"detail": "many words " * 40, "logger": "hotswapd"}))
    lines = text.splitlines()
    assert max(map(len, lines)) <= min(columns, 140)
    assert all(line.startswith(" " * 10) for line in lines[1:])
    assert len(lines) > 2


def test_a_terminal_has_colours_unless_it_is_told_not_to(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is what no-color.org says."""
    setup_logging("info", "auto", terminal)
    structlog.get_logger("hotswapd").info("ready", generation=0, seconds=1)
    assert COLOUR.search(terminal.getvalue())
    plain = Terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    setup_logging("info", "auto", plain)
    structlog.get_logger("hotswapd").info("ready", generation=0, seconds=1)
    assert "the base model answers" in plain.getvalue()
    assert not COLOUR.search(plain.getvalue())


def test_the_form_decides_who_is_spoken_to(terminal: Terminal) -> None:
    """JSON and every field are still to be had on a terminal; a pipe never gets sentences."""
    assert speaks_to_a_person("auto", terminal)
    assert not speaks_to_a_person("json", terminal)
    assert not speaks_to_a_person("console", terminal)
    assert not speaks_to_a_person("auto", io.StringIO())
    setup_logging("info", "console", terminal)
    structlog.get_logger("hotswapd").info("ready", generation=0)
    assert "generation" in terminal.getvalue()


def test_a_secret_is_left_out_of_sentences_too(terminal: Terminal) -> None:
    setup_logging("info", "auto", terminal)
    structlog.get_logger("hotswapd").warning("source_down", source="s", detail="refused hf_abcdefghijkl")
    assert "hf_abc" not in terminal.getvalue()
    assert "source s is down: refused ***" in ESCAPE.sub("", terminal.getvalue())


def test_an_event_that_tells_nothing_leaves_no_line(terminal: Terminal) -> None:
    setup_logging("info", "auto", terminal)
    structlog.get_logger("hotswapd").info("FETCHED", uri=URI)
    assert terminal.getvalue() == ""
