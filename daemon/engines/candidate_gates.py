"""What a candidate must pass on the engine in this process, as that engine asks for it."""

from typing import TYPE_CHECKING, Protocol

from hotswapd.daemon.gates.candidacy import Candidacy
from hotswapd.swap.gates.spec import OnVerdict

if TYPE_CHECKING:
    from hotswapd.swap.berths.image import Image
    from hotswapd.swap.resident.resident import Resident

    from .protocol import Subject


class Gates(Protocol):
    """Everything that a candidate must pass. Both methods are for the worker's thread."""

    def prepare(self) -> bool:
        """Do in advance what the first candidate would wait for; return whether there was anything to do."""
        ...

    def run(self, candidacy: Candidacy, on_verdict: OnVerdict) -> None:
        """Try a candidate. Raises RolledBack if a gate fails, and what the resident raises."""
        ...


def candidacy_of(image: "Image", subject: "Subject", live: "Image") -> Candidacy:
    """Describe a candidate to its gates; `live` is what it would follow, held by the caller."""
    one = subject
    about = one.uri, one.directory, one.usual_norms, live, one.name, one.replay, one.thorough
    return Candidacy(image, *about)


class ShortProbe:
    """The gates of an engine that was given no others."""

    def __init__(self, resident: "Resident") -> None:
        self._resident = resident

    def prepare(self) -> bool:
        """Return False: there is nothing to do in advance."""
        return False

    def run(self, candidacy: Candidacy, on_verdict: OnVerdict) -> None:
        """Run the short probe. Raises RolledBack."""
        self._resident.verify(candidacy.image)
