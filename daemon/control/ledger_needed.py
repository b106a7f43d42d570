"""The answer while the ledger cannot be used or the worker is busy."""

from collections.abc import Iterator
from contextlib import contextmanager

from hotswapd.daemon.errors import ErrorCode, NotReady
from hotswapd.daemon.ledger.ledger import LedgerDown


@contextmanager
def ledger_needed() -> Iterator[None]:
    """Raise NotReady if the ledger or the worker cannot do its part in the body."""
    try:
        yield
    except LedgerDown as error:
        raise NotReady(ErrorCode.LEDGER_DOWN, str(error)) from None
    except TimeoutError:
        raise NotReady(ErrorCode.BUSY, "the worker is busy with a candidate; ask again in a moment") from None
