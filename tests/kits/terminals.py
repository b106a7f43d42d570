"""The real program on a terminal of its own, as somebody sees it who has typed its command."""

import fcntl
import os
import pty
import re
import signal
import struct
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kits.room import LIMIT, Process, spawn
from kits.waiting import until

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(slots=True)
class Terminal:
    """A terminal with a program on it."""

    process: Process
    _parts: list[bytes]
    _hang_up: Callable[[], None]
    """Lets the reader come to the end of what was written, once; for when the program has ended."""

    @property
    def raw(self) -> str:
        """All that was written so far, with its colours."""
        return b"".join(self._parts).decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        """The same as somebody reads it: no colours, and of a line that was drawn again only its last form."""
        plain = _ESCAPE.sub("", self.raw).replace("\r\n", "\n")
        return [line.rpartition("\r")[2].rstrip() for line in plain.split("\n")]

    def line(self, words: str) -> str:
        """Wait for a line with these words in it and return it; a program that ended first is a failure."""

        def found() -> str:
            return next((line for line in self.lines if words in line), "")

        until(lambda: bool(found()) or self.process.ended() is not None, f"no {words!r} in:\n{self.raw}", LIMIT)
        assert found(), f"it ended with {self.process.status} before it wrote {words!r}:\n{self.raw}"
        return found()

    def ends(self) -> int:
        """Wait until the program has ended and all that it wrote has been read, and return its exit status."""
        status = self.process.wait()
        self._hang_up()
        return status

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit status once all that it wrote has been read."""
        self.process.signal(signal.SIGINT)
        return self.ends()


@contextmanager
def on_a_terminal(
    argv: Sequence[str],
    directory: Path,
    columns: int = 100,
    environ: Mapping[str, str] | None = None,
    start: Callable[[Sequence[str], Path, Mapping[str, str], Path], int] = spawn,
) -> Iterator[Terminal]:
    """Start the program in a directory, on a terminal of so many columns; it ends with the block."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    told = {"TERM": "xterm-256color", **(environ or {})}
    process, parts = Process(start(argv, Path(os.ttyname(slave)), told, directory)), list[bytes]()
    reader = threading.Thread(target=_read, args=(master, parts), daemon=True)
    reader.start()
    ours = [slave]
    terminal = Terminal(process, parts, partial(_hang_up, ours, reader))
    try:
        yield terminal
    finally:
        process.kill()
        _hang_up(ours, reader)
        os.close(master)


def _hang_up(ours: list[int], reader: threading.Thread) -> None:
    """Close our end, the last of those who could write, so that the reader ends."""
    while ours:
        os.close(ours.pop())
    reader.join(LIMIT)


def _read(master: int, parts: list[bytes]) -> None:
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            return
        if not part:
            return
        parts.append(part)
