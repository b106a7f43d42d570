"""What the resident raises, as the errors that the protocol names."""

from types import TracebackType

import torch

from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.swap.errors import NoBerth, ResidentLost, RolledBack
from hotswapd.swap.failures import is_sticky

from .protocol import NoRoom


class Translated:
    """Turns what the resident raises into the protocol's errors.

    It is a class because contextlib's context managers give an error back its frames, and frames hold tensors.
    """

    def __enter__(self) -> None:
        """Nothing is needed before the body."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the protocol's error in place of the resident's own; let every other one pass."""
        del trace
        if isinstance(error, NoBerth):
            raise NoRoom(str(error)) from None
        if isinstance(error, torch.cuda.OutOfMemoryError):
            detail = "there was not enough memory to try it; lower serve.cache_tokens or serve.berths"
            raise RolledBack(Reason.OUT_OF_MEMORY, detail) from None
        if error is not None and not isinstance(error, ResidentLost) and is_sticky(error):
            raise ResidentLost("the device does not answer any more") from None
