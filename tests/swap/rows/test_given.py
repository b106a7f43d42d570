"""An answer that another engine began is taken up where it stopped, with the tokens that it would have had."""

from typing import Any

import pytest
from kits.rows import SHORT_ASK, bench

TOKENS = 16
KINDS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.8, "top_p": 0.9, "seed": 99},
    {"temperature": 1.2, "seed": 7, "frequency_penalty": 1.5, "presence_penalty": 0.5, "repetition_penalty": 1.3},
    {"temperature": 1.0, "seed": 3, "min_tokens": 12, "ignore_eos": False},
]


@pytest.mark.slow
def test_the_rest_of_an_answer_is_the_same_wherever_it_was_cut() -> None:
    with bench() as made:
        made.open(0)
        for how in KINDS:
            _, listener = made.ask(SHORT_ASK, TOKENS, 1, **how)
            whole = listener.wait().token_ids
            for cut in range(1, len(whole)):
                prompt = (*SHORT_ASK, *whole[:cut])
                _, rest = made.ask(prompt, TOKENS - cut, 1, given=cut, **how)
                assert rest.wait().token_ids == whole[cut:], (how, cut)
            _, other = made.ask((*SHORT_ASK, *whole[:8]), TOKENS - 8, 1, **how)
            assert not how or other.wait().token_ids != whole[8:], "the test would not notice a missing `given`"
