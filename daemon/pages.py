"""What `status`, `history` and `check` look like to a person, on a terminal of 80 columns or more."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..swap.errors import Misfit
from .pages_rollout import side_by_side
from .pages_verify import verdict_lines
from .pages_words import age, clock, duration, moment, name_of, plain, until

__all__ = ["actions_page", "history_page", "lost_page", "misfit_table", "plain", "show", "status_page"]

_GOOD, _BAD, _BUSY = "green", "red", "yellow"
_COLOURS = {
    "LIVE": _GOOD,
    "RETIRED": "dim",
    "SUPERSEDED": "dim",
    "REJECTED": _BAD,
    "ROLLED_BACK": _BAD,
    "QUARANTINED": _BAD,
    "WAITING": _BUSY,
    "HELD": _BUSY,
}
_STAGES = ("fetch", "admit", "stage", "verify", "pause")
_PIPE_COLUMNS = 200


def show(page: RenderableType) -> None:
    """Print a page on standard output; a pipe gets plain text, as wide as it is."""
    console = Console(highlight=False)
    console.print(page) if console.is_terminal else Console(highlight=False, width=_PIPE_COLUMNS).print(page)


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
    return Group(plain(sentence, f"bold {_BAD}"), Text("what follows is the last answer", "dim"), Text(""), page)


def _condition(status: Mapping[str, Any]) -> Text:
    if status.get("ready"):
        words = Text("ready", _GOOD)
    else:
        words = plain(f"not ready: {status.get('phase') or 'the daemon is starting'}", _BAD)
    for flag in ("pinned", "paused"):
        if status.get(flag):
            words.append(f", {flag}", _BUSY)
    if status.get("trouble"):
        words.append("\n").append(plain(status["trouble"], _BAD))
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
    mark = Text("ok    ", _GOOD) if source.get("ok") else Text("DOWN  ", _BAD)
    title = Text.assemble(mark, name, plain(f"  {seen}", "dim"))
    return title if source.get("ok") else Group(title, _under(plain(source.get("error"), _BAD)))


def _queue_title(status: Mapping[str, Any]) -> str:
    depth = status.get("queue_depth") or 0
    return f"queue {depth}" if depth > len(status.get("queue") or ()) else "queue"


def _waiting(entry: Mapping[str, Any], now: datetime) -> RenderableType:
    again = moment(entry.get("next_try"))
    title = Text.assemble(_state(entry.get("state")), plain(f"  {entry.get('uri')}"))
    why = Text.assemble(_why(entry), plain(f"; next try {until(again, now)}" if again else "", "dim"))
    return Group(title, _under(why)) if why else title


# History


def history_page(rows: Sequence[Mapping[str, Any]], *, verify: bool = False) -> RenderableType:
    """Lay out the answer of ``GET /history``: two or three lines a swap, the reason of a refusal in full.

    Gates that warned or failed are there with their numbers, with `verify` those that passed too.
    """
    if not rows:
        return Text("no swap yet")
    return Group(*(part for row in rows for part in _swap(row, verify)))


def _swap(row: Mapping[str, Any], verify: bool) -> Iterable[RenderableType]:
    number = row.get("generation")
    named = "" if number is None else f"  generation {number}"
    when = plain(f"  {clock(row.get('finished') or row.get('sighted'))}", "dim")
    yield Text.assemble(_state(row.get("state"), 11), when, named, plain(f"  {name_of(row.get('uri'))}", "bold"))
    yield _under(plain(row.get("uri") or "the base model"), 13)
    why = _why(row)
    if why:
        yield _under(why, 13)
    yield from (_under(line, 13) for line in verdict_lines(row, every=verify))
    seconds = row.get("seconds") or {}
    spent = [f"{stage} {duration(seconds[stage])}" for stage in _STAGES if seconds.get(stage) is not None]
    if spent:
        yield _under(plain(", ".join(spent), "dim"), 13)


def actions_page(actions: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Lay out the answer of ``GET /actions``: who asked for what, and what came of it."""
    if not actions:
        return Text("nobody has asked for anything yet")
    return Group(*(part for one in actions for part in _action(one)))


def _action(one: Mapping[str, Any]) -> Iterable[RenderableType]:
    when, who = plain(f"{clock(one.get('at'))}  ", "dim"), plain(f"  {one.get('who')}", "dim")
    result = plain(one.get("result"), _GOOD if one.get("result") == "done" else _BAD)
    yield Text.assemble(when, plain(one.get("action"), "bold"), "  ", result, who)
    if one.get("argument"):
        yield _under(plain(one["argument"]), 25)


# Check


def misfit_table(misfits: Sequence[Misfit]) -> RenderableType:
    """Lay out the reasons why an adapter is refused; what is wrong with many tensors alike is one row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for misfit in misfits:
        alike.setdefault((misfit.code, misfit.wanted, misfit.got, misfit.remedy), []).append(misfit.place)
    table = _table("reason", "place", "wanted", "got", "what to do")
    for (code, wanted, got, remedy), places in alike.items():
        place = places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
        table.add_row(*(plain(text) for text in (code, place, wanted, got, remedy)))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _state(state: Any, width: int = 0) -> Text:
    return plain(f"{state or '':{width}}", _COLOURS.get(str(state), ""))


def _why(row: Mapping[str, Any]) -> Text:
    return plain(": ".join(str(row[key]) for key in ("reason", "detail") if row.get(key)))


def _under(text: Text, columns: int = 6) -> RenderableType:
    return Padding(text, (0, 0, 0, columns))
