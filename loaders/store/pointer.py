"""The pointer: the small file that says what to serve after a restart."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .disk import write_durably

log = logging.getLogger(__name__)


class Pointer:
    """One such file. Read on any thread; written by one thread at a time."""

    def __init__(
        self, directory: Path, on_written: Callable[[], object] = lambda: None, file: str = "current.json"
    ) -> None:
        """Touch nothing yet. `on_written` is called when a new record is on disk and only its name is missing."""
        self.path = directory / file
        self._on_written = on_written

    def write(self, record: dict[str, Any]) -> None:
        """Replace the record, durably and in one step. Raises OSError."""
        write_durably(self.path, json.dumps(record, sort_keys=True).encode(), on_written=self._on_written)

    def read(self) -> dict[str, Any] | None:
        """Return the record that was written last, or None if there is none or its file is damaged (logged)."""
        try:
            record = json.loads(self.path.read_bytes())
            if isinstance(record, dict):
                return record
            error: Exception = ValueError("it does not hold a JSON object")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as caught:
            error = caught
        log.error("%s cannot be read and is ignored: %s", self.path, error)
        return None
