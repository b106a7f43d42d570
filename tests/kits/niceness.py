"""How a program of a test gives way to everything else on the machine."""

import contextlib
import os
from pathlib import Path

_LOWEST = 19
_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Let every other process have the processor first.

    Where Linux shares it out by session (``sched_autogroup_enabled``), niceness counts within a session only: so this
    process gets a session of its own, and that session has the niceness.
    """
    os.nice(_LOWEST)
    with contextlib.suppress(PermissionError):
        os.setsid()
    with contextlib.suppress(OSError):  # a kernel without them
        _AUTOGROUP.write_text(str(_LOWEST))
