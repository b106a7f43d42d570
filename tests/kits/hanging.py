"""A real mount that hangs: bindfs shows a directory at its own place, and is stopped while nobody is to be answered."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kits.waiting import until

PROGRAM = "bindfs"
_MOUNTS = Path("/proc/self/mounts")


def is_possible() -> bool:
    """Tell whether this machine can mount so."""
    return bool(shutil.which(PROGRAM)) and Path("/dev/fuse").exists() and os.geteuid() == 0


class Mount:
    """The mount. Whoever reads or writes there while it hangs waits until it goes on."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def hang(self) -> None:
        """Answer nobody from now on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer everybody, those who wait first."""
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def mounted(place: Path) -> Iterator[Mount]:
    """Mount a directory upon itself, so that all who name it from now on go by the mount."""
    with subprocess.Popen([PROGRAM, "-f", str(place), str(place)]) as process:
        made = Mount(process)
        try:
            until(lambda: f" {place} " in _MOUNTS.read_text(), f"{place} is not mounted")
            yield made
        finally:
            made.go_on()
            subprocess.run(["umount", "--lazy", str(place)], check=False)
            process.terminate()
