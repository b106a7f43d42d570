"""What `status`, `history` and `check` look like to a person, on a terminal of 80 columns or more."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .rollout import side_by_side
from .words import BAD, BUSY, GOOD, age, clock, indented, moment, name_of, plain, reason_text, state_text, until

# Status


def status_page(status: Mapping[str, Any], now: datetime | None = None) -> RenderableType:
    """Lay out the answer of ``GET /status``: what is live first, then what needs a look."""
    at = now or datetime.now(UTC)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("state", _condition(status))
    grid.add_row("live", _live(status.get("live") or {}, at))
    grid.add_row("model", _resident(status.get("resident") or {}))
    for title, lines in (
        ("lanes", [_lane(lane) for lane in status.get("lanes") or ()]),
        ("rollout", [plain(line) for line in _rollout(status.get("rollout"))]),
        ("sources", [_source(source, at) for source in status.get("sources") or ()]),
        (_queue_title(status), [_waiting(entry, at) for entry in status.get("queue") or ()]),
    ):
        if lines:
            grid.add_row("", "")
            grid.add_row(title, Group(*lines))
    return grid


def lost_page(page: RenderableType, sentence: str) -> RenderableType:
    """Show a page that is not of now any more, and why."""
    return Group(plain(sentence, f"bold {BAD}"), Text("what follows is the last answer", "dim"), Text(""), page)


def _condition(status: Mapping[str, Any]) -> Text:
    if status.get("ready"):
        words = Text("ready", GOOD)
    else:
        words = plain(f"not ready: {status.get('phase') or 'the daemon is starting'}", BAD)
    for flag in ("pinned", "paused"):
        if status.get(flag):
            words.append(f", {flag}", BUSY)
    if status.get("trouble"):
        words.append("\n").append(plain(status["trouble"], BAD))
    return words


def _live(live: Mapping[str, Any], now: datetime) -> RenderableType:
    number = live.get("generation") or 0
    if not number:
        return Group(Text("generation 0, the base model alone", "bold"), Text(_since(live, now), "dim"))
    title = plain(f"generation {number}, {name_of(live.get('uri'))}", "bold")
    return Group(title, Text(_since(live, now), "dim"), plain(live.get("uri")), plain(live.get("digest"), "dim")[:12])


def _since(live: Mapping[str, Any], now: datetime) -> str:
    since = moment(live.get("since"))
    return f"for {age(since, now)}, since {clock(live.get('since'))}" if since else ""


def _resident(resident: Mapping[str, Any]) -> RenderableType:
    if not resident:
        return Text("not loaded yet")
    compiled = "compiled" if resident.get("compiled") else "eager"
    recompiles = resident.get("recompiles") or 0
    more = f", recompiled {recompiles} times: see the log" if recompiles else ""
    size = f"{(resident.get('arena_bytes') or 0) / 1e6:.1f} MB"
    return Group(
        plain(f"{resident.get('base')} on {resident.get('device')}, {resident.get('dtype')}, {compiled}{more}"),
        plain(f"{resident.get('slots')} slots of rank {resident.get('max_rank')} ({size})", "dim"),
    )


def _rollout(now: Mapping[str, Any] | None) -> list[str]:
    return side_by_side(now).splitlines() if now else []


def _lane(lane: Mapping[str, Any]) -> Text:
    active, waiting = lane.get("active") or 0, lane.get("waiting") or 0
    busy = f"{active} active, {waiting} waiting" if active or waiting else "idle"
    return plain(f"generation {lane.get('generation')}: {busy}")


def _source(source: Mapping[str, Any], now: datetime) -> RenderableType:
    looked = moment(source.get("last_scan"))
    kind = source.get("kind")
    seen = f"{kind}, looked {age(looked, now)} ago" if looked else f"{kind}, not looked yet"
    name = plain(source.get("name"))
    mark = Text("ok    ", GOOD) if source.get("ok") else Text("DOWN  ", BAD)
    title = Text.assemble(mark, name, plain(f"  {seen}", "dim"))
    return title if source.get("ok") else Group(title, indented(plain(source.get("error"), BAD)))


def _queue_title(status: Mapping[str, Any]) -> str:
    depth = status.get("queue_depth") or 0
    return f"queue {depth}" if depth > len(status.get("queue") or ()) else "queue"


def _waiting(entry: Mapping[str, Any], now: datetime) -> RenderableType:
    again = moment(entry.get("next_try"))
    title = Text.assemble(state_text(entry.get("state")), plain(f"  {entry.get('uri')}"))
    why = Text.assemble(reason_text(entry), plain(f"; next try {until(again, now)}" if again else "", "dim"))
    return Group(title, indented(why)) if why else title
