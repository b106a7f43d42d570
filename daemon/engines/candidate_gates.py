"""What a candidate must pass on the engine in this process, as that engine asks for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hotswapd.swap.gates.spec import OnVerdict, Replayed

from .protocol import DEFAULT

if TYPE_CHECKING:
    from hotswapd.swap.berths.image import Image
    from hotswapd.swap.resident.resident import Resident


class Gates(Protocol):
    """Everything that a candidate must pass. Both methods are for the worker's thread."""

    def prepare(self) -> bool:
        """Do in advance what the first candidate would wait for; return whether there was anything to do."""
        ...

    def run(
        self,
        image: "Image",
        uri: str,
        directory: Path,
        usual_norms: Sequence[float],
        on_verdict: OnVerdict,
        live: "Image | None" = None,
        name: str = DEFAULT,
        replay: Sequence[Replayed] | None = None,
    ) -> None:
        """Try a candidate for a served name that would follow `live`; `replay` is a sample of what that has answered.

        Raises RolledBack if a gate fails, and what the resident raises.
        """
        ...


class ShortProbe:
    """The gates of an engine that was given no others."""

    def __init__(self, resident: "Resident") -> None:
        self._resident = resident

    def prepare(self) -> bool:
        """Return False: there is nothing to do in advance."""
        return False

    def run(
        self,
        image: "Image",
        uri: str,
        directory: Path,
        usual_norms: Sequence[float],
        on_verdict: OnVerdict,
        live: "Image | None" = None,
        name: str = DEFAULT,
        replay: Sequence[Replayed] | None = None,
    ) -> None:
        """Run the short probe. Raises RolledBack."""
        self._resident.verify(image)
