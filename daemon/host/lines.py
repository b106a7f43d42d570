"""The log as a person wants to read it on a terminal: loading, warm, live, refused and why, one sentence an event."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from structlog.typing import EventDict, WrappedLogger

_GOOD, _BAD, _BUSY, _QUIET = "green", "red", "yellow", "dim"
_OWN = frozenset({"event", "level", "logger", "time", "exception", "stack", "repeated"})
_LEVELS = {"debug": _QUIET, "warning": _BUSY, "error": f"bold {_BAD}", "critical": f"bold {_BAD}"}
_PADDING = re.compile(r" +((?:\x1b\[0m)?)$")
_PLURAL = {"is": "are", "was": "were", "waits": "wait"}
_WIDEST = 140
"""Columns after which a sentence is folded even on a wider terminal."""
Sentence = Callable[[Mapping[str, Any]], str]


class Lines:
    """The last processor of a log that goes to a terminal; legal on any thread."""

    def __init__(self, out: TextIO) -> None:
        """`out` is the terminal, whose width is asked for anew with each line."""
        self._console = Console(file=out, highlight=False, force_terminal=True, legacy_windows=False)

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> str:
        """Return the lines of one event, empty if it tells a person nothing."""
        style, sentence = _said(event)
        if not sentence:
            return ""
        if event.get("repeated"):
            sentence += f" ({event['repeated']} times more)"
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style=_QUIET, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(_clock(event.get("time")), Text(_printable(sentence), style))
        with self._console.capture() as captured:
            self._console.print(grid, width=min(self._console.width, _WIDEST))
            if event.get("exception"):
                self._console.print(Padding(Text(str(event["exception"]), _QUIET), (0, 0, 0, 2)), soft_wrap=True)
        return "\n".join(_PADDING.sub(r"\1", line) for line in captured.get().splitlines())


def _said(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return the style of an event and its sentence."""
    name, level = str(event.get("event")), str(event.get("level"))
    if name in _EVENTS and _is_ours(event):
        style, sentence = _EVENTS[name]
        return style, sentence(event)
    return _LEVELS.get(level, ""), _plainly(name, level, event)


def _is_ours(event: Mapping[str, Any]) -> bool:
    return str(event.get("logger") or "hotswapd").startswith("hotswapd")


def _plainly(name: str, level: str, event: Mapping[str, Any]) -> str:
    """Say an event that has no sentence of its own: its name, its detail, and what else is known."""
    fields = {key: value for key, value in event.items() if key not in _OWN and key != "detail"}
    about = ", ".join(f"{key} {value}" for key, value in fields.items() if value not in ("", None))
    words = [name.replace("_", " ") if _is_ours(event) else name, str(event.get("detail") or ""), about]
    sentence = ": ".join(word for word in words if word)
    return f"{level}: {sentence}" if level in {"warning", "error", "critical"} else sentence


def _clock(stamp: Any) -> str:
    """Write the time of day here, to the second."""
    try:
        return datetime.fromisoformat(str(stamp)).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return ""


def _printable(text: str) -> str:
    """Names and addresses come from outside: none may hold control codes."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)


def _adapter(event: Mapping[str, Any]) -> str:
    """Return what people call an adapter: the last part of its address."""
    return str(event.get("uri") or "").rstrip("/").rpartition("/")[2] or "the base model"


def _generation(event: Mapping[str, Any]) -> str:
    number = event.get("generation")
    return f"generation {number} ({_adapter(event)})" if number else "the base model"


def _why(event: Mapping[str, Any]) -> str:
    return ": ".join(str(event[key]) for key in ("reason", "detail") if event.get(key))


def _state(verb: str) -> Sentence:
    """Make the sentence of a state: the adapter, what became of it, and why."""
    first, space, rest = verb.partition(" ")
    several = f"{_PLURAL.get(first, first)}{space}{rest}"

    def sentence(event: Mapping[str, Any]) -> str:
        if "count" in event:
            return f"{event['count']} adapters {several}, {event.get('first')} to {event.get('last')}"
        why = _why(event)
        return f"{_adapter(event)} {verb}{f': {why}' if why else ''}"

    return sentence


def _live(event: Mapping[str, Any]) -> str:
    seconds = event.get("seconds") or {}
    pause = f" (requests stood still for {seconds['pause'] * 1000:.1f} ms)" if "pause" in seconds else ""
    return f"LIVE  {_generation(event)} answers new requests{pause}"


def _ready(event: Mapping[str, Any]) -> str:
    return f"ready after {event.get('seconds')} s: {_generation(event)} answers"


def _arriving(event: Mapping[str, Any]) -> str:
    """Name what waits and why; that its files are still settling is the usual way."""
    return "" if event.get("reason") == "settling" else _state("waits")(event)


def _verdict(event: Mapping[str, Any]) -> str:
    """Report a gate that warned; one that failed is the reason of a refusal, and one that passed is no news."""
    if event.get("outcome") != "warned":
        return ""
    return f"{_adapter(event)}: the gate {event.get('gate')} warns: {event.get('code')}: {_sentence_of(event)}"


def _sentence_of(event: Mapping[str, Any]) -> str:
    return str(event.get("sentence") or event.get("detail") or "")


def _not_covered(event: Mapping[str, Any]) -> str:
    return f"{event.get('modules')} modules take no adapter, {event.get('first')} for one"


def _nothing(_: Mapping[str, Any]) -> str:
    return ""


def _detail(event: Mapping[str, Any]) -> str:
    return str(event.get("detail") or "")


_EVENTS: dict[str, tuple[str, Sentence]] = {
    "listening": ("", lambda event: f"listening on http://{event.get('http')}"),
    "starting": (_QUIET, _detail),
    "not_covered": (_QUIET, _not_covered),
    "verdict": (_BUSY, _verdict),
    "ready": (f"bold {_GOOD}", _ready),
    "stopping": (_QUIET, lambda event: "stopping: requests under way get their answers"),
    "stopped": (_QUIET, lambda event: "stopped"),
    "cannot_start": (f"bold {_BAD}", lambda event: f"cannot start: {_detail(event)}"),
    "occupied": (f"bold {_BAD}", lambda event: f"cannot start: {_detail(event)}"),
    "source_down": (_BUSY, lambda event: f"source {event.get('source')} is down: {_detail(event)}"),
    "source_up": (_GOOD, lambda event: f"source {event.get('source')} is up"),
    "rolled_back": (
        f"bold {_BUSY}",
        lambda event: f"generation {event.get('bad')} turned bad ({_detail(event)}): {_generation(event)} is back",
    ),
    "SIGHTED": (_QUIET, _state("found")),
    "FETCHED": ("", _nothing),
    "ADMITTED": ("", _nothing),
    "STAGED": ("", _nothing),
    "VERIFIED": ("", _nothing),
    "LIVE": (f"bold {_GOOD}", _live),
    "WAITING": (_BUSY, _arriving),
    "IGNORED": (_QUIET, _state("is ignored")),
    "HELD": (_BUSY, _state("is held")),
    "REJECTED": (f"bold {_BAD}", _state("is REFUSED")),
    "ROLLED_BACK": (f"bold {_BAD}", _state("is ROLLED BACK")),
    "QUARANTINED": (f"bold {_BAD}", _state("is QUARANTINED")),
    "SUPERSEDED": (_QUIET, _state("is passed over for a newer one")),
    "GONE": (_QUIET, _state("was removed before it was fetched")),
    "RETIRED": ("", _nothing),
}
