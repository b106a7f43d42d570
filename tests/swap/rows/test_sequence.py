"""What two requests will have in common, to the page."""

from types import SimpleNamespace
from typing import Any

import pytest

from hotswapd.swap.rows.pages import PAGE
from hotswapd.swap.rows.sequence import Sequence


@pytest.mark.parametrize(
    ("ours", "theirs", "pages"),
    [
        (2 * PAGE + 1, 2 * PAGE, 2),
        (2 * PAGE, 2 * PAGE, 1),
        (2 * PAGE + 1, 2 * PAGE - 1, 1),
        (PAGE, 5 * PAGE, 0),
        (5 * PAGE, PAGE, 1),
    ],
)
def test_full_pages_are_shared_but_for_the_last_token(ours: int, theirs: int, pages: int) -> None:
    """One token of its own prompt must be computed, whatever others have: it is drawn from its logits."""
    one, other = (made(list(range(length))) for length in (ours, theirs))
    assert Sequence.shares(one, other) == pages


def test_what_differs_ends_it() -> None:
    one, other = made([0] * (4 * PAGE)), made([0] * (2 * PAGE) + [1] + [0] * (2 * PAGE))
    assert Sequence.shares(one, other) == 2
    assert Sequence.shares(one, made([0] * (4 * PAGE), root="another")) == 0


def made(tokens: list[int], root: str = "root") -> Any:
    return SimpleNamespace(tokens=tokens, root=root)
