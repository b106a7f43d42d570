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
    from .resident.resident import Resident
    from .resident.spec import ResidentSpec
    from .rows.asks import Ask
    from .rows.rows import Rows
    from .rows.sampling import Sampling
    from .rows.spec import EngineSpec

_HOME = {
    "Ask": "rows.asks",
    "Contract": "adapter.contract",
    "Engine": "engine",
    "EngineSpec": "rows.spec",
    "Misfit": "errors",
    "Rejected": "errors",
    "Resident": "resident.resident",
    "ResidentLost": "errors",
    "ResidentSpec": "resident.spec",
    "RolledBack": "errors",
    "Rows": "rows.rows",
    "Sampling": "rows.sampling",
    "Slot": "adapter.contract",
    "Verifier": "gates.verifier",
}

__all__ = [
    "Ask",
    "Contract",
    "Engine",
    "EngineSpec",
    "Misfit",
    "Rejected",
    "Resident",
    "ResidentLost",
    "ResidentSpec",
    "RolledBack",
    "Rows",
    "Sampling",
    "Slot",
    "Verifier",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that it lives in."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
