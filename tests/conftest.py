"""What must hold after every test."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

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
