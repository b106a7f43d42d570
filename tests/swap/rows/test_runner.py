"""How many rows of a step are read afterwards: each costs the whole vocabulary."""

from types import SimpleNamespace
from typing import Any

import pytest

from hotswapd.swap.rows.runner import wanted_rows


@pytest.mark.parametrize(
    ("count", "due", "scored", "made", "rows"),
    [
        (7, 7, None, 0, 1),
        (4, 7, None, 0, 0),
        (7, 7, 0, 0, 7),
        (4, 7, 5, 0, 4),
        (1, 1, 0, 3, 1),
        (1, 1, None, 3, 1),
        (9, 9, 0, 3, 1),
    ],
    ids=["a prompt", "a part", "scored", "a scored part", "then", "a token", "put back"],
)
def test_only_a_prompt_that_is_scored_is_read_whole(
    count: int, due: int, scored: int | None, made: int, rows: int
) -> None:
    """Of anything else the last row is, and of a part that is not the last none."""
    sequence = SimpleNamespace(ask=SimpleNamespace(prompt_logprobs=scored), made=made, due=due)
    piece: Any = SimpleNamespace(sequence=sequence, count=count)
    assert wanted_rows(piece) == rows
