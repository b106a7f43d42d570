"""Reading a candidate's copy in the store: a failure of the disk or the memory is not a verdict on the candidate."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.loaders.errors import Unavailable


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise Unavailable, which holds the candidate, if the disk or the memory fails in the body."""
    try:
        yield
    except OSError as error:
        why = f"its copy in the store, {path}, cannot be read: {error.strerror or error}; fix the disk"
        raise Unavailable(Reason.STORE_UNREADABLE, f"{why}; it is tried again") from None
    except MemoryError:
        raise Unavailable(
            Reason.OUT_OF_MEMORY, "this machine has no memory left to lay it out in; it is tried again"
        ) from None
