"""Named API keys in a file: ``NAME SHA256-HEX``, and after that ``requests=N`` and ``tokens=N``, each for a minute."""

import os
import re
import threading
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LIMIT = re.compile(r"(requests|tokens)=([1-9][0-9]{0,11})")


@dataclass(frozen=True, slots=True)
class Key:
    """A key by its SHA-256 (hex), and how many requests and tokens it may have in a minute; 0 means any number."""

    name: str
    digest: str
    requests: int = 0
    tokens: int = 0


class BadLine(ValueError):
    """A line that names no key; the text says why."""


def parse_line(line: str) -> Key:
    """Read one line. Raises BadLine."""
    name, digest, *limits = [*line.split(), "", ""][: max(2, len(line.split()))]
    if not _NAME.fullmatch(name):
        raise BadLine("a name has 1 to 64 letters, digits, dots, dashes and underscores")
    if not _DIGEST.fullmatch(digest.lower()):
        raise BadLine("after the name comes the SHA-256 of the key as 64 hexadecimal digits")
    found = [_LIMIT.fullmatch(limit) for limit in limits]
    most = {match[1]: int(match[2]) for match in found if match is not None}
    if None in found or len(most) < len(limits):
        raise BadLine("after the digest come requests=N and tokens=N, each once at most")
    return Key(name, digest.lower(), **most)


class KeysFile:
    """The keys of one file, read again when it has changed. `read` is legal on any thread."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._path = path
        self._lock = threading.Lock()
        self._state: tuple[int, ...] = ()
        self._keys: list[Key] = []

    def read(self) -> list[Key]:
        """Return the keys as they are now. A line that names none is skipped and logged; a lost file has none."""
        with self._lock:
            try:
                state = _state(self._path.stat())
                if state != self._state:
                    self._keys, self._state = self._parse(), state
            except (OSError, UnicodeDecodeError) as error:
                if self._state or not self._keys:
                    log.warning("api_key_unreadable", file=str(self._path), reason=str(error))
                self._keys, self._state = [], ()
            return self._keys

    def _parse(self) -> list[Key]:
        keys: dict[str, Key] = {}
        for number, line in enumerate(self._path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                key = parse_line(line)
                _require_new(key, keys)
                keys[key.name] = key
            except BadLine as error:
                log.error("api_key_line", file=str(self._path), line=number, detail=str(error))  # noqa: TRY400
        return list(keys.values())


def _require_new(key: Key, keys: Container[str]) -> None:
    if key.name in keys:
        raise BadLine("the name is that of a key above")


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
