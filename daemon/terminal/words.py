"""Times, durations and names as the terminal pages write them."""

from datetime import datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hotswapd.daemon.answers import HistoryRow, QueueEntry

GOOD, BAD, BUSY = "green", "red", "yellow"
_COLOURS = {
    "LIVE": GOOD,
    "RETIRED": "dim",
    "SUPERSEDED": "dim",
    "REJECTED": BAD,
    "ROLLED_BACK": BAD,
    "QUARANTINED": BAD,
    "WAITING": BUSY,
    "HELD": BUSY,
    "IGNORED": BUSY,
}
_PIPE_COLUMNS = 200


def plain(value: Any, style: str = "") -> Text:
    """Show a value literally: the name of an adapter could hold markup of rich, or control codes."""
    text = "" if value is None else str(value)
    return Text("".join(letter if letter.isprintable() else "�" for letter in text), style)


def name_of(uri: Any) -> str:
    """Return the last part of an address, which is what people call an adapter."""
    return str(uri or "").rstrip("/").rpartition("/")[2] or "the base model"


def duration(seconds: float | None) -> str:
    """Write a duration in milliseconds, or in seconds from one on."""
    if seconds is None:
        return ""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def clock(stamp: Any) -> str:
    """Write a moment in UTC, to the second; nothing if it cannot be parsed."""
    when = moment(stamp)
    return when.strftime("%Y-%m-%d %H:%M:%S UTC") if when else ""


def moment(stamp: Any) -> datetime | None:
    """Parse a moment that the daemon wrote; None if it cannot be parsed."""
    try:
        return datetime.fromisoformat(stamp) if stamp else None
    except (TypeError, ValueError):
        return None


def age(since: datetime, now: datetime) -> str:
    """Write how long ago a moment was, in its two largest units."""
    seconds = max(0, int((now - since).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def until(then: datetime, now: datetime) -> str:
    """Write how far ahead a moment is."""
    seconds = (then - now).total_seconds()
    return "now" if seconds < 1 else f"in {age(now, then)}"


def show(page: RenderableType) -> None:
    """Print a page on standard output; a pipe gets plain text, 200 columns wide."""
    console = Console(highlight=False)
    console.print(page) if console.is_terminal else Console(highlight=False, width=_PIPE_COLUMNS).print(page)


def table_of(*columns: str) -> Table:
    """Make a table without a frame, whose cells fold."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def state_text(state: Any, width: int = 0) -> Text:
    """Write a state in its colour, padded to a width."""
    return plain(f"{state or '':{width}}", _COLOURS.get(str(state), ""))


def reason_text(row: HistoryRow | QueueEntry) -> Text:
    """Write the code and the sentence of a row, as far as it has them."""
    return plain(": ".join(part for part in (row.get("reason"), row.get("detail")) if part))


def indented(text: Text, columns: int = 6) -> RenderableType:
    """Indent every line of a text, folded ones too."""
    return Padding(text, (0, 0, 0, columns))
