"""The pointers: for each channel a small file that says what to serve after a restart.

The default channel's is ``current.json``, where it always was; the others' are ``channels/<name>.json``. Each file
keeps the highest generation that it was ever given, and ``highest`` that of pointers which were removed.

Several change at once by way of ``together.json``: it names all of them, gets its name in one step, and goes when each
file has been written. A process that dies in between leaves it behind, and the next one goes on from there.
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .pointer import Pointer
from .syncing import fsync_directory

DEFAULT = "default"
_HIGHEST = "highest"
_ENDING = ".json"
_TOGETHER = "together.json"


class Pointers:
    """Read on any thread; written by one thread at a time. Writing raises OSError."""

    def __init__(self, root: Path, on_written: Callable[[], object] = lambda: None) -> None:
        """Read how high the numbers have come. `on_written` is called when only the new name of a file is missing."""
        self._root = root
        self._directory = root / "channels"
        self._on_written = on_written
        self._removed = Pointer(root, file=_HIGHEST)
        self._several = Pointer(root, on_written, _TOGETHER)
        self._due = self._several.read() or {}
        records = {name: self._due.get(name) or self._of(name).read() for name in (DEFAULT, *self.names())}
        self._digests = {name: _digest_of(record) for name, record in records.items()}
        self._highest = {name: _highest_of(record) for name, record in records.items() if name != DEFAULT}
        with contextlib.suppress(OSError):  # a disk that became read-only: what is due is read from there
            self._finish()

    def names(self) -> list[str]:
        """Name the channels other than the default one that have a pointer."""
        names = set(self._due) - {DEFAULT}
        with contextlib.suppress(OSError):
            names |= {path.name.removesuffix(_ENDING) for path in self._directory.glob(f"*{_ENDING}")}
        return sorted(names)

    def write(self, name: str, record: dict[str, Any], highest: int | None = None) -> None:
        """Point a channel at `record`, durably and in one step; `highest` in place of the number known so far."""
        self._finish()
        self._write(name, record, highest)

    def write_together(self, records: Mapping[str, dict[str, Any]], highest: int | None = None) -> None:
        """Point several channels at their records: all of them, whenever the process dies, or none.

        If it raises, all of them are due, unless the first file of it could not be written: call it again, or go back
        by calling it with the records of before.
        """
        if not self._due.keys() <= records.keys():
            self._finish()
        due = {name: record | {_HIGHEST: self._most(name, record, highest)} for name, record in records.items()}
        self._several.write(due)
        self._due = due
        self._finish()

    def _finish(self) -> None:
        """Write what is due of several. Raises OSError; it stays due then."""
        if not self._due:
            return
        for name, record in self._due.items():
            self._write(name, {key: value for key, value in record.items() if key != _HIGHEST}, _highest_of(record))
        self._several.path.unlink(missing_ok=True)
        fsync_directory(self._root)
        self._due = {}

    def _most(self, name: str, record: dict[str, Any], highest: int | None) -> int:
        return max(_number(record, "generation"), _highest_of(self._of(name).read()) if highest is None else highest)

    def _write(self, name: str, record: dict[str, Any], highest: int | None) -> None:
        pointer, number = self._of(name), _number(record, "generation")
        most = self._most(name, record, highest)
        if name != DEFAULT:
            self._make_directory()
        pointer.write(record | ({_HIGHEST: most} if most > number else {}))
        self._digests[name] = _digest_of(record)
        if name != DEFAULT:
            self._highest[name] = most

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the record that a channel was last pointed at; None if there is none or its file is damaged."""
        record = self._due.get(name) or self._of(name).read()
        return None if record is None else {key: value for key, value in record.items() if key != _HIGHEST}

    def remove(self, name: str) -> None:
        """Remove a pointer; its numbers are not given again."""
        self._finish()
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
        due = map(_highest_of, self._due.values())
        return max(_highest_of(own), _highest_of(removed), *due, *self._highest.values(), 0)

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
