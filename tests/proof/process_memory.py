"""A process's memory as it is seen from outside: where some bytes lie in it, and the most that it ever held."""

import os
from collections.abc import Iterator
from pathlib import Path

_WINDOW = 64 << 20


class ProcessMemory:
    """Look into another process of this user; it goes on meanwhile."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")

    def find(self, wanted: bytes) -> set[int]:
        """Return every address at which these bytes lie."""
        found: set[int] = set()
        for begin, chunk in self._writable(len(wanted)):
            at = chunk.find(wanted)
            while at >= 0:
                found.add(begin + at)
                at = chunk.find(wanted, at + 1)
        return found

    def read(self, address: int, length: int) -> bytes:
        """Read what lies at an address now."""
        with (self._proc / "mem").open("rb", buffering=0) as memory:
            return os.pread(memory.fileno(), length, address)

    def forget_peak(self) -> int:
        """Reset the peak, and return the bytes that are resident now."""
        (self._proc / "clear_refs").write_text("5")
        return self._status("VmRSS")

    def peak(self) -> int:
        """Return the most bytes that were resident since `forget_peak`."""
        return self._status("VmHWM")

    def seconds(self) -> float:
        """Return the seconds of a processor that all its threads have used."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> int:
        lines = (self._proc / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) << 10

    def _writable(self, overlap: int) -> Iterator[tuple[int, bytes]]:
        """Yield what can be written, in pieces that overlap by so many bytes."""
        with (self._proc / "mem").open("rb", buffering=0) as memory:
            for line in (self._proc / "maps").read_text().splitlines():
                where, mode = line.split()[:2]
                if not mode.startswith("rw") or "[v" in line:
                    continue
                begin, end = (int(part, 16) for part in where.split("-"))
                for at in range(begin, end, _WINDOW):
                    try:
                        yield at, os.pread(memory.fileno(), min(_WINDOW + overlap, end - at), at)
                    except OSError:
                        break  # given back since the list was made
