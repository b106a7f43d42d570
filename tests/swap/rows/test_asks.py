"""What the loop may not see is refused, at the exact limit."""

import pytest

from hotswapd.swap.rows.asks import Ask, BadAsk, check

VOCABULARY, CONTEXT = 100, 16


@pytest.mark.parametrize(
    "ask", [Ask((0,), 1), Ask((99,), 15), Ask((5,) * 15, 1)], ids=["smallest", "last token", "fills the context"]
)
def test_what_fits_is_let_in(ask: Ask) -> None:
    """Every limit is inclusive."""
    check(ask, VOCABULARY, CONTEXT)


@pytest.mark.parametrize(
    ("ask", "code", "param"),
    [
        (Ask((), 1), "empty_prompt", "prompt"),
        (Ask((100,), 1), "bad_token", "prompt"),
        (Ask((-1,), 1), "bad_token", "prompt"),
        (Ask((1,), 0), "bad_max_tokens", "max_tokens"),
        (Ask((1,) * 15, 2), "context_length_exceeded", "prompt"),
    ],
)
def test_what_does_not_fit_is_named(ask: Ask, code: str, param: str) -> None:
    """With a code and the field at fault."""
    with pytest.raises(BadAsk) as caught:
        check(ask, VOCABULARY, CONTEXT)
    assert (caught.value.code, caught.value.param) == (code, param)
