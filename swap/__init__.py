"""From an adapter directory to the weights that the resident model answers with.

Importing this package imports no torch; the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import ResidentSpec
    from .contract import Contract, Slot
    from .errors import Misfit, Rejected, ResidentLost, RolledBack
    from .lanes import LaneRequest, Lanes
    from .resident import Resident

_HOME = {
    "Contract": "contract",
    "LaneRequest": "lanes",
    "Lanes": "lanes",
    "Misfit": "errors",
    "Rejected": "errors",
    "Resident": "resident",
    "ResidentLost": "errors",
    "ResidentSpec": "base",
    "RolledBack": "errors",
    "Slot": "contract",
}

__all__ = [
    "Contract",
    "LaneRequest",
    "Lanes",
    "Misfit",
    "Rejected",
    "Resident",
    "ResidentLost",
    "ResidentSpec",
    "RolledBack",
    "Slot",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that it lives in."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
