"""Times, durations and names as the pages for a terminal say them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def plain(value: Any, style: str = "") -> Text:
    """Show a value as it stands: an adapter's name could hold rich's markup or a terminal's control codes."""
    text = "" if value is None else str(value)
    return Text("".join(letter if letter.isprintable() else "�" for letter in text), style)


def name_of(uri: Any) -> str:
    """Take an address's last part, which is what people call an adapter."""
    return str(uri or "").rstrip("/").rpartition("/")[2] or "the base model"


def duration(seconds: float | None) -> str:
    """Say a duration in the unit in which it is short."""
    if seconds is None:
        return ""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def clock(stamp: Any) -> str:
    """Say a moment as the daemon does, in UTC."""
    when = moment(stamp)
    return when.strftime("%Y-%m-%d %H:%M:%S UTC") if when else ""


def moment(stamp: Any) -> datetime | None:
    """Read a moment that the daemon has written; None when it is none."""
    try:
        return datetime.fromisoformat(stamp) if stamp else None
    except (TypeError, ValueError):
        return None


def age(since: datetime, now: datetime) -> str:
    """Say how long ago a moment was, in its two largest units."""
    seconds = max(0, int((now - since).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def until(then: datetime, now: datetime) -> str:
    """Say when a moment will be."""
    seconds = (then - now).total_seconds()
    return "now" if seconds < 1 else f"in {age(now, then)}"


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
}


_PIPE_COLUMNS = 200


def show(page: RenderableType) -> None:
    """Print a page on standard output; a pipe gets plain text, as wide as it is."""
    console = Console(highlight=False)
    console.print(page) if console.is_terminal else Console(highlight=False, width=_PIPE_COLUMNS).print(page)


def table_of(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def state_text(state: Any, width: int = 0) -> Text:
    return plain(f"{state or '':{width}}", _COLOURS.get(str(state), ""))


def reason_text(row: Mapping[str, Any]) -> Text:
    return plain(": ".join(str(row[key]) for key in ("reason", "detail") if row.get(key)))


def indented(text: Text, columns: int = 6) -> RenderableType:
    return Padding(text, (0, 0, 0, columns))
