"""TODO daemon/terminal/history.py."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from .verdicts import verdict_lines
from .words import BAD, GOOD, clock, duration, indented, name_of, plain, reason_text, state_text

_STAGES = ("fetch", "admit", "stage", "verify", "pause")


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
    yield Text.assemble(state_text(row.get("state"), 11), when, named, plain(f"  {name_of(row.get('uri'))}", "bold"))
    yield indented(plain(row.get("uri") or "the base model"), 13)
    why = reason_text(row)
    if why:
        yield indented(why, 13)
    yield from (indented(line, 13) for line in verdict_lines(row, every=verify))
    seconds = row.get("seconds") or {}
    spent = [f"{stage} {duration(seconds[stage])}" for stage in _STAGES if seconds.get(stage) is not None]
    if spent:
        yield indented(plain(", ".join(spent), "dim"), 13)


def actions_page(actions: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Lay out the answer of ``GET /actions``: who asked for what, and what came of it."""
    if not actions:
        return Text("nobody has asked for anything yet")
    return Group(*(part for one in actions for part in _action(one)))


def _action(one: Mapping[str, Any]) -> Iterable[RenderableType]:
    when, who = plain(f"{clock(one.get('at'))}  ", "dim"), plain(f"  {one.get('who')}", "dim")
    result = plain(one.get("result"), GOOD if one.get("result") == "done" else BAD)
    yield Text.assemble(when, plain(one.get("action"), "bold"), "  ", result, who)
    if one.get("argument"):
        yield indented(plain(one["argument"]), 25)
