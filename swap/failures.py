"""What a failure near the device leaves behind: no tensors, and a clear error when the device is beyond use."""

import traceback
from types import TracebackType

import torch

from .errors import Failure, NoBerth, Rejected, ResidentLost, RolledBack

_NOT_STICKY = "out of memory"


def is_sticky(error: BaseException) -> bool:
    """Tell whether every later call on the device will fail too: a CUDA error other than running out of memory."""
    if isinstance(error, torch.cuda.OutOfMemoryError) or _NOT_STICKY in str(error):
        return False
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)


def classify(error: BaseException) -> Failure:
    """Classify an error for callers without torch: sticky, out of memory (host or device), or another."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or _NOT_STICKY in str(error):
        return "memory"
    return "sticky" if is_sticky(error) else "other"


def let_go(error: BaseException) -> None:
    """Take the frames from an error and from its causes, so that whoever keeps it keeps no tensor alive.

    Where it was raised stays with it as a note, for the log. (To clear the frames is not enough: a frame keeps its
    function, and with it what that encloses.)
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            _without_frames(one)
            waiting += [one.__cause__, one.__context__]


def _without_frames(error: BaseException) -> None:
    lines = traceback.format_tb(error.__traceback__)
    error.__traceback__ = None
    if lines and not isinstance(error, Rejected | RolledBack | NoBerth):
        error.add_note("it was raised here:\n" + "".join(lines).rstrip())


class Contained:
    """Lets no error out that holds tensors, and turns a sticky one into ResidentLost.

    It is a class because contextlib's own context managers give an error its frames back.
    """

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the error go on, without what it held."""
        if error is None:
            return
        del trace
        let_go(error)
        if is_sticky(error) and not isinstance(error, ResidentLost):
            raise ResidentLost("the device does not answer any more; restart the process") from error
