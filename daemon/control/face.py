"""TODO daemon/control/face.py."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the control socket, as the kernel says."""

    pid: int
    uid: int
    gid: int
