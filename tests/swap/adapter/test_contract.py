"""The contract's fingerprint: it changes exactly when what is accepted may change."""

from dataclasses import fields, replace
from typing import Any

import pytest

from hotswapd.swap.adapter.contract import Contract, Slot

CONTRACT = Contract(("org/base",), (Slot("q", 2, 3), Slot("v", 2, 3)), 16, "float32")
CHANGES: dict[str, Any] = {
    "base_models": ("org/base", "*"),
    "slots": (Slot("q", 2, 3), Slot("v", 2, 3, conv1d=True)),
    "max_rank": 17,
    "dtype": "bfloat16",
    "revision": "abc",
    "names": "exact",
    "base_fingerprint": "1:llama:0123:4567",
}


def test_equal_contracts_have_one_fingerprint() -> None:
    """It is made of values only, so that it is the same after a restart."""
    again = Contract(("org/base",), (Slot("q", 2, 3), Slot("v", 2, 3)), 16, "float32")
    assert again.fingerprint == CONTRACT.fingerprint
    assert len(CONTRACT.fingerprint) == 64


@pytest.mark.parametrize("field", [field.name for field in fields(Contract)])
def test_every_field_is_in_the_fingerprint(field: str) -> None:
    """A refusal is open again whenever any part of the contract changed, so no part may be left out."""
    assert replace(CONTRACT, **{field: CHANGES[field]}).fingerprint != CONTRACT.fingerprint


def test_the_order_of_the_slots_counts() -> None:
    """A berth's layout follows it."""
    assert replace(CONTRACT, slots=CONTRACT.slots[::-1]).fingerprint != CONTRACT.fingerprint
