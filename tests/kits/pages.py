"""Terminal pages as text, of answers that may lack fields as those of another version do."""

import io
from typing import Any, cast

from rich.console import Console, RenderableType

from hotswapd.daemon.answers import HistoryRow, Status

from .daemon_fakes import HISTORY, STATUS


def text(page: RenderableType, width: int = 200) -> str:
    """Print a page on paper of a width."""
    out = io.StringIO()
    Console(file=out, width=width).print(page)
    return out.getvalue()


def status(**changes: Any) -> Status:
    """Return the fake daemon's status with changes."""
    return cast("Status", {**STATUS, **changes})


def history(index: int, **changes: Any) -> HistoryRow:
    """Return a row of the fake daemon's history with changes."""
    return cast("HistoryRow", {**HISTORY[index], **changes})
