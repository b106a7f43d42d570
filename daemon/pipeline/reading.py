"""Reading a candidate's copy in the store: what the disk or the memory does is no verdict on the candidate."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.loaders.errors import Unavailable

STORE_UNREADABLE, OUT_OF_MEMORY = Reason.STORE_UNREADABLE, Reason.OUT_OF_MEMORY


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Hold the candidate, which is tried again, when the disk or the memory fails it: that is no verdict on it."""
    try:
        yield
    except OSError as error:
        why = f"its copy in the store, {path}, cannot be read: {error.strerror or error}; mend the disk"
        raise Unavailable(Reason.STORE_UNREADABLE, f"{why}; it is tried again") from None
    except MemoryError:
        raise Unavailable(
            Reason.OUT_OF_MEMORY, "this machine has no memory left to lay it out in; it is tried again"
        ) from None
