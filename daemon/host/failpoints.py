"""Named places where a test makes the real daemon hang, die or meet a broken device.

Nothing happens unless the environment asks for it: ``HOTSWAPD_FAILPOINT=verify=kill@/tmp/now`` kills the process at the
place ``verify`` as soon as the file exists. The file is removed first, so that each file works once. A number in it is
how often the place is passed before that. With ``*`` for the place, the first word of the file names it.
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

VARIABLE, ANY = "HOTSWAPD_FAILPOINT", "*"


def failpoint(name: str) -> None:
    """Do what the environment asks for here. May hang, end the process, or raise RuntimeError or MemoryError."""
    place, _, rest = os.environ.get(VARIABLE, "").partition("=")
    if place not in (name, ANY):
        return
    action, _, file = rest.partition("@")
    if _is_due(Path(file), name, place):
        _ACTIONS[action]()


def _is_due(file: Path, name: str, place: str) -> bool:
    """Tell from the file whether it is the turn of this place, and whether it was passed often enough."""
    try:
        words = file.read_text().split()
        if place == ANY and words.pop(0) != name:
            return False
        more = int(words[0]) if words else 0
        file.unlink()
    except (OSError, ValueError, IndexError):
        return False  # not yet, or already done
    if more:
        file.write_text(f"{name if place == ANY else ''} {more - 1}")
    return not more


def _hang() -> None:
    threading.Event().wait()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _use_up_memory() -> None:
    raise MemoryError


def _break_device() -> None:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def _assert_on_device() -> None:
    """Make a kernel fail, after which every call of this process on the device fails. Needs CUDA."""
    import torch

    place = torch.full((1,), 1 << 20, device="cuda")
    torch.zeros(1, device="cuda")[place].cpu()


_ACTIONS: dict[str, Callable[[], None]] = {
    "hang": _hang,
    "kill": _kill,
    "memory": _use_up_memory,
    "cuda_error": _break_device,
    "device_assert": _assert_on_device,
}
