"""TODO daemon/ledger/moment.py."""

from datetime import UTC, datetime


def moment(seconds: float | None) -> str | None:
    """Write a time in UTC with milliseconds, as every output of the daemon does."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
