"""What must hold after every test, and what tests in several folders begin with."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kits.room import Room

_REPLACED = {"transformers.modeling_utils": ("PreTrainedModel", "tie_weights", "init_weights")} | {
    "torch.nn": ("Module", "register_parameter", "register_buffer")
}
"""What transformers and PEFT replace for everybody while one model is loaded: class and methods."""


@pytest.fixture(autouse=True)
def _models_can_still_be_loaded() -> Iterator[None]:
    """Fail at the test that loaded two models at once, and not only at those that load one after it."""
    yield
    for module, (name, *methods) in _REPLACED.items():
        kind: Any = getattr(sys.modules.get(module), name, None)  # None: no test has asked for it yet
        for method in methods if kind else ():
            there = getattr(kind, method).__qualname__
            assert there == f"{name}.{method}", f"{name}.{method} is still {there}: two models were loaded at once"


@pytest.fixture
def room(tmp_path: Path) -> Iterator["Room"]:
    """Give a daemon's room in `tmp_path`: configured, not started, and left without a process."""
    from kits.room import make_room  # here, because it imports torch, and many tests can do without

    with make_room(tmp_path) as room:
        yield room


@pytest.fixture(scope="session")
def trained() -> Path:
    """Return the folder of trained adapters: `base`, `good-N`, and the bad ones by name. It is not written to."""
    return Path(__file__).parent / "trained"
