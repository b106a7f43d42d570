"""The pointers: for each channel a small file that says what to serve after a restart.

The default channel's is ``current.json``, where it always was; the others' are ``channels/<name>.json``. Each file
keeps the highest generation that it was ever given, and ``highest`` that of pointers which were removed.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .pointer import Pointer
from .syncing import fsync_directory

DEFAULT = "default"
_HIGHEST = "highest"
_ENDING = ".json"


class Pointers:
    """Read on any thread; written by one thread at a time. Writing raises OSError."""

    def __init__(self, root: Path, on_written: Callable[[], object] = lambda: None) -> None:
        """Read how high the numbers have come. `on_written` is called when only the new name of a file is missing."""
        self._root = root
        self._directory = root / "channels"
        self._on_written = on_written
        self._removed = Pointer(root, file=_HIGHEST)
        records = {name: self._of(name).read() for name in (DEFAULT, *self.names())}
        self._digests = {name: _digest_of(record) for name, record in records.items()}
        self._highest = {name: _highest_of(record) for name, record in records.items() if name != DEFAULT}

    def names(self) -> list[str]:
        """Name the channels other than the default one that have a pointer."""
        with contextlib.suppress(OSError):
            return sorted(path.name.removesuffix(_ENDING) for path in self._directory.glob(f"*{_ENDING}"))
        return []

    def write(self, name: str, record: dict[str, Any], highest: int | None = None) -> None:
        """Point a channel at `record`, durably and in one step; `highest` in place of the number known so far."""
        pointer, number = self._of(name), _number(record, "generation")
        most = max(number, _highest_of(pointer.read()) if highest is None else highest)
        if name != DEFAULT:
            self._make_directory()
        pointer.write(record | ({_HIGHEST: most} if most > number else {}))
        self._digests[name] = _digest_of(record)
        if name != DEFAULT:
            self._highest[name] = most

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the record that a channel was last pointed at; None if there is none or its file is damaged."""
        record = self._of(name).read()
        return None if record is None else {key: value for key, value in record.items() if key != _HIGHEST}

    def remove(self, name: str) -> None:
        """Remove a pointer; its numbers are not given again."""
        self._removed.write({_HIGHEST: self.highest()})
        self._highest.pop(name, None)
        self._digests.pop(name, None)
        with contextlib.suppress(FileNotFoundError):
            self._of(name).path.unlink()
            fsync_directory(self._of(name).path.parent)

    def digests(self) -> list[str]:
        """Name the bytes that the pointers name, as they were written last."""
        return list(self._digests.values())

    def highest(self) -> int:
        """Return the highest generation that any pointer was ever given, 0 if unknown."""
        own, removed = self._of(DEFAULT).read(), self._removed.read()
        return max(_highest_of(own), _highest_of(removed), *self._highest.values(), 0)

    def _of(self, name: str) -> Pointer:
        if name == DEFAULT:
            return Pointer(self._root, self._on_written)
        return Pointer(self._directory, self._on_written, f"{name}{_ENDING}")

    def _make_directory(self) -> None:
        if not self._directory.is_dir():
            self._directory.mkdir(mode=0o700)
            fsync_directory(self._root)


def _highest_of(record: dict[str, Any] | None) -> int:
    return 0 if record is None else max(_number(record, "generation"), _number(record, _HIGHEST))


def _digest_of(record: dict[str, Any] | None) -> str:
    return str(record.get("digest", "")) if record else ""


def _number(record: dict[str, Any], key: str) -> int:
    found = record.get(key)
    return found if isinstance(found, int) else 0
