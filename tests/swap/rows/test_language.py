"""A base's language without its weights: what fits, what is refused, and how a request samples that does not say."""

import pytest
from kits.models import byte_tokenizer

from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.language import Language
from hotswapd.swap.rows.sampling import Sampling

USUAL = Sampling(0.7, 0.9, 40, repetition_penalty=1.1)


def language(context: int = 8) -> Language:
    return Language(byte_tokenizer(), 260, context, USUAL)


def test_a_text_becomes_tokens_and_one_that_is_too_long_is_refused() -> None:
    assert language().encode("ab") == tuple(byte_tokenizer().encode("ab"))
    with pytest.raises(BadAsk) as caught:
        language(4).encode("a" * 1000)
    assert caught.value.code == "context_length_exceeded"


def test_who_is_silent_samples_as_the_model_does_with_a_seed_of_its_own() -> None:
    one, other = language().usual_sampling(), language().usual_sampling()
    assert one.seed != other.seed
    assert (one.temperature, one.top_p, one.top_k, one.repetition_penalty) == (0.7, 0.9, 40, 1.1)


def test_less_room_is_less_for_everything() -> None:
    less = language(8).within(4)
    assert (less.context, less.within(100).context) == (4, 4)
    assert less.most_characters() * 2 == language(8).most_characters()
    language(8).check(Ask((1, 2, 3), 2))
    with pytest.raises(BadAsk) as caught:
        less.check(Ask((1, 2, 3), 2))
    assert caught.value.code == "context_length_exceeded"


def test_a_token_of_no_vocabulary_is_refused() -> None:
    with pytest.raises(BadAsk) as caught:
        language().check(Ask((260,), 1))
    assert caught.value.code == "bad_token"
