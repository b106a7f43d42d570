"""The clock, by which a bucket checks signatures and a Hub its certificates."""

import ctypes
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hotswapd.daemon.config.settings import Settings

from .finding import Finding, fails, fine, note

_NAME = "clock"
_UNSYNCHRONISED = 5
"""TIME_ERROR, what adjtimex(2) answers when nothing keeps the clock right."""
_BYTES = 512
"""More than a struct timex has; with no modes set the kernel only reads it and fills it in."""
_REMEDY = "set it, and let chrony, ntpd or systemd-timesyncd keep it"


def check_clock(settings: Settings | None) -> Iterator[Finding]:
    """Find a clock that cannot be right, and one that nothing keeps right."""
    del settings
    yield judge(time.time(), _installed(), synchronised=is_synchronised())


def judge(now: float, installed: float, *, synchronised: bool | None) -> Finding:
    """Compare the time with that of this installation, in seconds since the epoch."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if now < installed:
        return fails(_NAME, f"it shows {shown}, which is before hotswapd was installed", _REMEDY)
    if synchronised is False:
        return note(_NAME, f"{shown}; nothing here keeps it right", _REMEDY)
    return fine(_NAME, f"{shown}{', synchronised' if synchronised else ''}")


def _installed() -> float:
    """Return when this file was written, less a day for whoever unpacked it elsewhere."""
    return Path(__file__).stat().st_mtime - 86400


def is_synchronised() -> bool | None:
    """Ask the kernel whether something keeps the clock right; None if it does not tell."""
    try:
        answer = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_BYTES)))
    except AttributeError:
        return None
    return None if answer < 0 else answer != _UNSYNCHRONISED
