"""The real program in a new process, not forked from another: its memory and its environment are its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kits.room import Process, Room


def launch_alone(room: Room, *before: str, **environ: str) -> Process:
    """Start the program of a room, behind a command that becomes it if one is given, and return at once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOTSWAPD_", "HF_", "NOTIFY_"))}
    told = {"OMP_NUM_THREADS": "1", "NOTIFY_SOCKET": str(room.root / "notify"), **room.environ, **environ}
    command = [*before, str(Path(sys.executable).with_name("hotswapd")), "run", "--config", str(room.config)]
    with room.log.open("ab") as log:
        started = subprocess.Popen(command, stdout=log, stderr=log, env={**kept, **told}, start_new_session=True)
    started.returncode = 0  # the room waits for it, not this object
    return room.adopt(started.pid)


def start_alone(room: Room, *before: str, **environ: str) -> None:
    """Start the program of a room as `launch_alone` does, and wait until it is ready."""
    launch_alone(room, *before, **environ)
    room.expect("READY")


def spawn_alone(argv: Sequence[str], output: Path, environ: Mapping[str, str], directory: Path) -> int:
    """Start the program as `kits.room.spawn` does, but not forked: libraries read the environment afresh."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOTSWAPD_", "HF_", "NOTIFY_"))}
    command = [sys.executable, "-m", "hotswapd.daemon.cli", *argv]
    with output.open("ab") as out:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=directory,
            env={**kept, "OMP_NUM_THREADS": "1", **environ},
            start_new_session=True,
        )
    started.returncode = 0  # whoever has the number waits for it, not this object
    return started.pid
