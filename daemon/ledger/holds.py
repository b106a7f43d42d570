"""The operator's holds, kept in a small file beside the ledger too: a ledger that is lost must not lose a pin."""

import json
import os
from pathlib import Path

from hotswapd.loaders.store.syncing import fsync_directory

HOLDS = ("pinned", "paused")


def path_of(ledger: Path) -> Path:
    """Name the file that goes with a ledger."""
    return ledger.with_name("holds.json")


def keep_holds(ledger: Path, holds: dict[str, bool]) -> None:
    """Write what is held, durably and in one step. Raises OSError."""
    path = path_of(ledger)
    fresh = path.with_suffix(".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(holds, file)
        file.flush()
        os.fsync(fd)
    fresh.rename(path)
    fsync_directory(path.parent)


def kept_holds(ledger: Path) -> dict[str, bool]:
    """Read what was held; nothing when there is no file, or it is damaged."""
    try:
        found = json.loads(path_of(ledger).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: True for name in HOLDS if isinstance(found, dict) and found.get(name) is True}
