"""From an adapter directory to the weights that the resident model answers with.

Importing this package imports no torch; the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapter.contract import Contract, Slot
    from .engine import Engine
    from .errors import Misfit, Rejected, ResidentLost, RolledBack
    from .gates.verifier import Verifier
    from .lanes.asks import Ask
    from .lanes.lanes import LaneRequest, Lanes
    from .lanes.sizes import EngineSpec
    from .resident.base import ResidentSpec
    from .resident.resident import Resident

_HOME = {
    "Ask": "lanes.asks",
    "Contract": "adapter.contract",
    "Engine": "engine",
    "EngineSpec": "lanes.sizes",
    "LaneRequest": "lanes.lanes",
    "Lanes": "lanes.lanes",
    "Misfit": "errors",
    "Rejected": "errors",
    "Resident": "resident.resident",
    "ResidentLost": "errors",
    "ResidentSpec": "resident.base",
    "RolledBack": "errors",
    "Slot": "adapter.contract",
    "Verifier": "gates.verifier",
}

__all__ = [
    "Ask",
    "Contract",
    "Engine",
    "EngineSpec",
    "LaneRequest",
    "Lanes",
    "Misfit",
    "Rejected",
    "Resident",
    "ResidentLost",
    "ResidentSpec",
    "RolledBack",
    "Slot",
    "Verifier",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that it lives in."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
