"""What a failure near the device leaves behind: no tensors, and a clear word when the device is beyond use."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import ResidentLost

_NOT_STICKY = "out of memory"


def is_sticky(error: BaseException) -> bool:
    """Say whether every later call on the device will fail too: a CUDA error other than running out of memory."""
    if isinstance(error, torch.cuda.OutOfMemoryError) or _NOT_STICKY in str(error):
        return False
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)


def let_go(error: BaseException) -> None:
    """Empty the frames that an error's traceback holds, so that whoever keeps the error keeps no tensor alive.

    The lines stay, for the log. Frames that still run are left as they are.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            waiting += [one.__cause__, one.__context__]


@contextmanager
def contained() -> Iterator[None]:
    """Let no error out that holds tensors, and turn one that every later call would meet into ResidentLost."""
    try:
        yield
    except BaseException as error:
        let_go(error)
        if is_sticky(error) and not isinstance(error, ResidentLost):
            raise ResidentLost("the device does not answer any more; restart the process") from error
        raise
