"""One candidate on its way through the gates. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.swap.gates.spec import Replayed

if TYPE_CHECKING:
    from hotswapd.swap.berths.image import Image


@dataclass(frozen=True, slots=True)
class Candidacy:
    """A candidate in its berth, its address, and the directory with its files.

    `usual_norms` are the update norms of generations that were live and good, `live` is what it would follow under the
    served name `name`, held by the caller, and `replay` a sample of what that has answered. Unless `thorough`, gates
    are left out of which one member's answer is enough.
    """

    image: "Image"
    uri: str
    directory: Path
    usual_norms: Sequence[float] = ()
    live: "Image | None" = None
    name: str = DEFAULT
    replay: Sequence[Replayed] | None = None
    thorough: bool = True
