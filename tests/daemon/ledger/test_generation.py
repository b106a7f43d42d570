"""One generation, as the pointer keeps it and as status shows it."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswapd.daemon.answers import Live
from hotswapd.daemon.ledger.generation import Generation, base_generation

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
MOMENTS = st.floats(0, 4e9)
GENERATIONS = st.builds(Generation, st.integers(0, 1 << 31), TEXT, TEXT, TEXT, MOMENTS, TEXT, MOMENTS)


@given(GENERATIONS)
def test_a_generation_comes_back_from_its_record(generation: Generation) -> None:
    """What the pointer keeps makes the same generation again."""
    assert Generation.of(generation.record()) == generation


def test_the_base_is_generation_zero() -> None:
    """The bare base model has no address and a digest of zeros."""
    shown = base_generation("main", 0.0).live()
    assert shown == {
        "generation": 0,
        "uri": None,
        "revision": "main",
        "digest": "0" * 64,
        "since": "1970-01-01T00:00:00.000Z",
    }
    assert shown.keys() == Live.__annotations__.keys()


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"generation": "x", "uri": "", "revision": "", "digest": "", "since": 0},
        {"generation": math.inf, "uri": "", "revision": "", "digest": "", "since": 0},
        {"generation": 1, "uri": "", "revision": "", "digest": "", "since": None},
    ],
)
def test_a_damaged_record_is_a_value_error(record: dict[str, Any]) -> None:
    """A damaged pointer is told from a good one, whatever it holds."""
    with pytest.raises(ValueError):  # noqa: PT011 - any sentence will do
        Generation.of(record)
