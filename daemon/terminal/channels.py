"""Channels as a person sees them in a terminal: three or five hundred, those that need a look first."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hotswapd.daemon.answers import ChannelStatus

from .history import history_page
from .rollout import side_by_side
from .words import BAD, BUSY, clock, name_of, plain, table_of


def channels_page(found: Sequence[ChannelStatus]) -> RenderableType:
    """Lay out channels, a line for each."""
    if not found:
        return Text("no channel has such a name")
    table = table_of("channel", "generation", "adapter", "")
    for one in found:
        live = one["live"]
        table.add_row(plain(one["name"]), plain(live["generation"]), plain(name_of(live["uri"])), remarks(one))
    return table


def channel_page(found: Any) -> RenderableType:
    """Lay out one channel and its last swaps, which lie under `history`."""
    live = found.get("live") or {}
    lines: list[RenderableType] = [
        Text.assemble(plain(found.get("name"), "bold"), "  ", remarks(found)),
        plain(f"generation {live.get('generation')}, {name_of(live.get('uri'))}, since {clock(live.get('since'))}"),
    ]
    lines += [plain(side_by_side(found["rollout"]))] if found.get("rollout") else []
    return Group(*lines, Text(""), history_page(found.get("history") or ()))


def channel_lines(found: Sequence[ChannelStatus], most: int) -> list[RenderableType]:
    """Return a line for each of the first channels, and how many more there are; nothing if there is only one."""
    if len(found) < 2:
        return []
    lines: list[RenderableType] = [_line(one) for one in found[:most]]
    more = len(found) - most
    return [*lines, plain(f"and {more} more: hotswapd channel list", "dim")] if more > 0 else lines


def remarks(one: ChannelStatus) -> Text:
    """Say what needs a look."""
    rollout, waiting = one.get("rollout"), one.get("waiting")
    parts = [
        plain(f"the newest was refused: {one['refused']}", BAD) if one.get("refused") else None,
        plain(f"{rollout['kind']} at {rollout['share']:g} %", BUSY) if rollout else None,
        *(plain(flag, BUSY) for flag in ("pinned", "paused") if one.get(flag)),
        plain(f"{waiting} waiting", BUSY) if waiting else None,
    ]
    return Text(", ").join([part for part in parts if part is not None])


def _line(one: ChannelStatus) -> Text:
    live = one["live"]
    title = plain(f"{one['name']}  generation {live['generation']}, {name_of(live['uri'])}  ")
    return Text.assemble(title, remarks(one))
