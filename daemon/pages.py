"""What `status` and `history` look like to a person."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..swap.errors import Misfit

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


def show(page: RenderableType) -> None:
    """Print a page on standard output; a pipe gets plain text, as wide as it is."""
    console = Console(highlight=False)
    console.print(page, soft_wrap=False) if console.is_terminal else Console(highlight=False, width=200).print(page)


def status_page(status: Mapping[str, Any], now: datetime | None = None) -> RenderableType:
    """Lay out the answer of ``GET /status``."""
    parts: list[RenderableType] = [_summary(status, now or datetime.now(UTC))]
    parts += _when_any(status.get("queue"), _queue)
    parts += _when_any(status.get("sources"), _sources)
    parts += _when_any(status.get("lanes"), _lanes)
    return Group(*parts)


def history_page(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Lay out the answer of ``GET /history``."""
    if not rows:
        return Text("no swap yet")
    table = _table("", "generation", "state", "adapter", "why", "fetch", "verify", "pause", "finished")
    for row in rows:
        seconds = row.get("seconds") or {}
        table.add_row(
            plain(row.get("generation")),
            _state(row.get("state")),
            plain(row.get("uri")),
            _why(row),
            *(_duration(seconds.get(stage)) for stage in ("fetch", "verify", "pause")),
            _clock(row.get("finished")),
        )
    return table


def misfit_table(misfits: Sequence[Misfit]) -> RenderableType:
    """Lay out the reasons why an adapter is refused; what is wrong with many tensors alike is one row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for misfit in misfits:
        alike.setdefault((misfit.code, misfit.wanted, misfit.got, misfit.remedy), []).append(misfit.place)
    table = _table("", "reason", "place", "wanted", "got", "what to do")
    for (code, wanted, got, remedy), places in alike.items():
        place = places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
        table.add_row(*(plain(text) for text in (code, place, wanted, got, remedy)))
    return table


def _summary(status: Mapping[str, Any], now: datetime) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row("state", _condition(status))
    live = status.get("live") or {}
    grid.add_row("live", plain(f"generation {live.get('generation', 0)}  {live.get('uri') or 'the base model'}"))
    if live.get("digest"):
        grid.add_row("", Text(f"{live['digest'][:12]}  since {_clock(live.get('since'))}{_age(live, now)}", "dim"))
    grid.add_row("model", plain(_resident(status.get("resident") or {})))
    return grid


def _condition(status: Mapping[str, Any]) -> Text:
    words = Text("ready", _GOOD) if status.get("ready") else Text("not ready", _BAD)
    for flag in ("pinned", "paused"):
        if status.get(flag):
            words.append(f", {flag}", _BUSY)
    if status.get("reason"):
        words.append(plain(f": {status['reason']}"))
    return words


def _resident(resident: Mapping[str, Any]) -> str:
    if not resident:
        return "not loaded yet"
    compiled = "compiled" if resident.get("compiled") else "eager"
    size = f"{(resident.get('arena_bytes') or 0) / 1e6:.1f} MB"
    return (
        f"{resident.get('base')} on {resident.get('device')} in {resident.get('dtype')}, {resident.get('slots')} slots "
        f"of rank {resident.get('max_rank')} ({size}), {compiled}, {resident.get('recompiles') or 0} recompilations"
    )


def _queue(entries: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _table("queue", "state", "adapter", "why", "next try")
    for entry in entries:
        table.add_row(_state(entry.get("state")), plain(entry.get("uri")), _why(entry), _clock(entry.get("next_try")))
    return table


def _sources(sources: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _table("sources", "kind", "name", "state", "last scan")
    for source in sources:
        state = Text("ok", _GOOD) if source.get("ok") else plain(source.get("error") or "not scanned yet", _BAD)
        table.add_row(plain(source.get("kind")), plain(source.get("name")), state, _clock(source.get("last_scan")))
    return table


def _lanes(lanes: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _table("lanes", "generation", "active", "waiting")
    for lane in lanes:
        table.add_row(*(plain(lane.get(key)) for key in ("generation", "active", "waiting")))
    return table


def _when_any(entries: Any, lay_out: Any) -> Iterable[RenderableType]:
    return [Text(""), lay_out(entries)] if entries else []


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def plain(value: Any, style: str = "") -> Text:
    """Show a value as it stands: an adapter's name could hold rich's markup or a terminal's control codes."""
    text = "" if value is None else str(value)
    return Text("".join(letter if letter.isprintable() else "�" for letter in text), style)


def _state(state: Any) -> Text:
    return plain(state, _COLOURS.get(str(state), ""))


def _why(row: Mapping[str, Any]) -> Text:
    return plain(": ".join(str(row[key]) for key in ("reason", "detail") if row.get(key)))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _clock(stamp: Any) -> str:
    moment = _moment(stamp)
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _age(live: Mapping[str, Any], now: datetime) -> str:
    since = _moment(live.get("since"))
    if since is None:
        return ""
    minutes = int((now - since).total_seconds()) // 60
    return f" ({minutes // 1440} d {minutes // 60 % 24} h {minutes % 60} min)"


def _moment(stamp: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp) if stamp else None
    except (TypeError, ValueError):
        return None
