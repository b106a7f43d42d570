"""Times as every output of the daemon writes them."""

from datetime import UTC, datetime


def moment(seconds: float | None) -> str | None:
    """Write seconds since the epoch in UTC, to the millisecond; None stays None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
