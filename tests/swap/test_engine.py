"""The engine: warm before it answers, and closed to every request that its loop cannot answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from kits.rows import LONG, SHORT_ASK, Bench, bench
from transformers import GenerationConfig

from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.language import usual_of
from hotswapd.swap.rows.sampling import Sampling


@pytest.fixture(scope="module")
def one() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (Ask((), 4), "empty_prompt"),
        (Ask((1, 260), 4), "bad_token"),
        (Ask((-1,), 4), "bad_token"),
        (Ask((1,), 0), "bad_max_tokens"),
        (Ask((1,), 4, sampling=Sampling(logit_bias=((260, 1.0),))), "bad_token"),
        (Ask((1,), 4, stop_token_ids=(260,)), "bad_token"),
        (Ask((1,) * 440, 9), "context_length_exceeded"),
        (Ask((1,) * 5000, 1), "context_length_exceeded"),
    ],
)
def test_what_cannot_be_answered_is_refused(one: Bench, ask: Ask, code: str) -> None:
    """Each is a BadAsk with its own code, and the loop lives on."""
    with pytest.raises(BadAsk) as caught:
        one.engine.complete(ask)
    assert caught.value.code == code
    assert one.complete((1, 2, 3)).finish_reason == "length"


def test_the_longest_request_that_is_let_in_is_answered(one: Bench) -> None:
    """Prompt and answer may fill the context to the last token."""
    answer = one.complete((7,) * 440, tokens=8)
    assert len(answer.token_ids) == 8


def test_an_answer_names_its_generation(one: Bench) -> None:
    """Number and digest are those of the generation that wrote it."""
    image = one.swap(1)
    answer = one.complete(SHORT_ASK)
    assert (answer.generation, answer.digest) == (image.generation, image.digest)
    assert answer.token_ids == one.truth(image.number, SHORT_ASK, 8)


def test_a_stop_sequence_ends_an_answer_and_frees_its_place(one: Bench) -> None:
    """The answer ends before the sequence with the reason `stop`, also for who counts it; its place is free."""
    ended: list[Ended] = []
    one.rows.on_request_end = ended.append
    whole = one.engine.complete(Ask(SHORT_ASK, 30), timeout=LONG)
    cut = whole.text[6:8]
    stopped = one.engine.complete(Ask(SHORT_ASK, 30, stop=(cut,)), timeout=LONG)
    assert stopped.text == whole.text[: whole.text.index(cut)]
    assert stopped.finish_reason == ended[-1].finish == "stop"
    one.complete(SHORT_ASK)
    assert one.loop.held_pages == 0


def test_seeds_are_honoured(one: Bench) -> None:
    """The same seed gives the same text, another one another."""

    def ask(seed: int) -> str:
        sampling = Sampling(temperature=1.0, seed=seed)
        return one.engine.complete(Ask(SHORT_ASK, 20, sampling=sampling), timeout=LONG).text

    assert ask(1) == ask(1)
    assert ask(1) != ask(2)


@pytest.mark.parametrize(
    ("config", "usual"),
    [
        ({}, [0.0, 1.0, 0, 0.0, 1.0]),
        ({"do_sample": False, "temperature": 0.6, "repetition_penalty": 1.05}, [0.0, 1.0, 0, 0.0, 1.05]),
        ({"do_sample": True}, [1.0, 1.0, 0, 0.0, 1.0]),
        (
            {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "repetition_penalty": 1.1},
            [0.6, 0.9, 20, 0.1, 1.1],
        ),
    ],
)
def test_sampling_is_usually_as_the_generation_configuration_says(
    one: Bench, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], usual: list[float]
) -> None:
    monkeypatch.setattr(one.resident.model, "generation_config", GenerationConfig(**config))
    how = usual_of(one.resident.model)
    assert [how.temperature, how.top_p, how.top_k, how.min_p, how.repetition_penalty] == usual
    language = one.engine.language
    assert language.usual_sampling().seed != language.usual_sampling().seed
