"""From an adapter directory to the weights that the resident model answers with.

Importing this package imports no torch; the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapter.contract import Contract, Slot
    from .errors import Misfit, Rejected, ResidentLost, RolledBack
    from .lanes.lanes import LaneRequest, Lanes
    from .resident.base import ResidentSpec
    from .resident.resident import Resident

_HOME = {
    "Contract": "adapter.contract",
    "LaneRequest": "lanes.lanes",
    "Lanes": "lanes.lanes",
    "Misfit": "errors",
    "Rejected": "errors",
    "Resident": "resident.resident",
    "ResidentLost": "errors",
    "ResidentSpec": "resident.base",
    "RolledBack": "errors",
    "Slot": "adapter.contract",
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
