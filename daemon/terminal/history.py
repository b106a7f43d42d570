"""What `history` looks like to a person: swaps, and what operators asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hotswapd.daemon.answers import HistoryRow, NamedAction, StageSeconds

from .verdicts import verdict_lines
from .words import BAD, GOOD, clock, duration, indented, name_of, plain, reason_text, state_text


def history_page(rows: Sequence[HistoryRow], *, verify: bool = False) -> RenderableType:
    """Lay out the answer of ``GET /history``: two or three lines for each swap, the reason of a refusal in full.

    Gates that warned or failed are shown with their numbers; with `verify`, those that passed too.
    """
    if not rows:
        return Text("no swap yet")
    return Group(*(part for row in rows for part in _swap(row, verify)))


def _swap(row: HistoryRow, verify: bool) -> Iterable[RenderableType]:
    number = row.get("generation")
    named = "" if number is None else f"  generation {number}"
    when = plain(f"  {clock(row.get('finished') or row.get('sighted'))}", "dim")
    yield Text.assemble(state_text(row.get("state"), 11), when, named, plain(f"  {name_of(row.get('uri'))}", "bold"))
    yield indented(plain(row.get("uri") or "the base model"), 13)
    why = reason_text(row)
    if why:
        yield indented(why, 13)
    yield from (indented(line, 13) for line in verdict_lines(row, every=verify))
    spent = [f"{stage} {duration(seconds)}" for stage, seconds in _stages(row) if seconds is not None]
    if spent:
        yield indented(plain(", ".join(spent), "dim"), 13)


def _stages(row: HistoryRow) -> Iterable[tuple[str, float | None]]:
    seconds: Mapping[str, Any] = row.get("seconds", {})
    return ((stage, seconds.get(stage)) for stage in StageSeconds.__annotations__)


def actions_page(actions: Sequence[NamedAction]) -> RenderableType:
    """Lay out the answer of ``GET /actions``: who asked for what, and what came of it."""
    if not actions:
        return Text("nobody has asked for anything yet")
    return Group(*(part for one in actions for part in _action(one)))


def _action(one: NamedAction) -> Iterable[RenderableType]:
    when, who = plain(f"{clock(one.get('at'))}  ", "dim"), plain(f"  {one.get('who')}", "dim")
    result = plain(one.get("result"), GOOD if one.get("result") == "done" else BAD)
    yield Text.assemble(when, plain(one.get("action"), "bold"), "  ", result, who)
    if one.get("argument"):
        yield indented(plain(one.get("argument")), 25)
