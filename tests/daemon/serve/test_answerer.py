"""Between HTTP and the engine: which generation is asked, whose values count, what a refusal becomes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hotswapd.daemon.errors import BadRequest, Busy, FaceError, NotReady
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.names import Beside, NoSuchModel
from hotswapd.daemon.serve.requests import ChatBody, CompletionBody, Message
from hotswapd.swap.codes import AskCode
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.prompts import Wanted, always
from hotswapd.swap.rows.sampling import Sampling
from hotswapd.swap.rows.tickets import NoGeneration, Progress, QueueFull

USUAL = Sampling(temperature=0.7, top_p=0.9, top_k=40, seed=11)


class Engine:
    """Writes down what it is asked, and raises what it is told to, once for each."""

    context = 32

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked: list[Ask] = []

    def encode(self, text: str, wanted: Wanted = always) -> tuple[int, ...]:
        if not text.isascii():
            raise BadAsk(AskCode.CONTEXT_LENGTH_EXCEEDED, "prompt", "too long")
        return tuple(text.encode())

    def encode_chat(self, messages: list[dict[str, str]], wanted: Wanted = always) -> tuple[int, ...]:
        return self.encode("".join(f"{one['role']}:{one['content']}" for one in messages))

    def usual_sampling(self) -> Sampling:
        return USUAL

    def submit(self, ask: Ask, on_progress: Callable[[Progress], None]) -> Any:
        self.asked.append(ask)
        if self.failures:
            raise self.failures.pop(0)
        return SimpleNamespace(generation=ask.generation)


class Split:
    """Sends everybody to generation 7."""

    def __init__(self, beside: int | None = 7) -> None:
        self.beside = beside
        self.keys: list[str] = []

    def route(self, key: str) -> tuple[int | None, str]:
        self.keys.append(key)
        return self.beside, "canary"

    def number(self) -> int | None:
        return self.beside

    def scored(self, generation: int, score: float) -> bool:
        return generation == self.beside


def answerer(engine: Any, split: Split | None = None, lost: list[ResidentLost] | None = None) -> Answerer:
    return Answerer(engine, (lost if lost is not None else []).append, split)


def prepared(**fields: Any) -> Ask:
    return answerer(Engine()).prepare(CompletionBody(model="m", **fields), None)


def test_a_request_has_the_clients_values() -> None:
    ask = prepared(prompt="ab", max_tokens=3, stop=["x"], temperature=0.0, top_p=0.5, top_k=2, seed=4, user="me")
    assert ask == Ask((97, 98), 3, ("x",), Sampling(0.0, 0.5, 2, 4), None, "me")


def test_silence_means_the_models_own_sampling() -> None:
    assert prepared(prompt="ab").sampling == USUAL
    assert prepared(prompt="ab", top_k=-1).sampling.top_k == 0


def test_a_chat_may_fill_the_context() -> None:
    body = ChatBody(model="m", messages=[Message(role="user", content="hi")])
    ask = answerer(Engine()).prepare(body, 5)
    assert (ask.prompt, ask.generation) == (tuple(b"user:hi"), 5)
    assert ask.max_tokens == Engine.context - len(ask.prompt)


def test_a_header_names_the_client_before_the_body() -> None:
    body = CompletionBody(model="m", prompt=[1], user="body")
    assert answerer(Engine()).prepare(body, None, "header").key == "header"


def test_a_prompt_that_the_engine_refuses_is_a_bad_request() -> None:
    with pytest.raises(BadRequest) as caught:
        prepared(prompt="é")
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "prompt")


def start(engine: Engine, ask: Ask, split: Split | None = None) -> int | None:
    return answerer(engine, split).start(ask, lambda _: None).generation


def test_a_rollout_splits_only_requests_for_the_live_one() -> None:
    engine, split = Engine(), Split()
    assert start(engine, Ask((1,), 1, key="me"), split) == 7
    assert start(engine, Ask((1,), 1, generation=3), split) == 3
    assert (split.keys, [ask.tag for ask in engine.asked]) == (["me"], ["canary", ""])


def test_clients_without_a_key_are_split_by_chance() -> None:
    split = Split()
    for _ in range(2):
        start(Engine(), Ask((1,), 1), split)
    assert len({*split.keys}) == 2
    assert all(split.keys)


def test_a_rollout_that_has_just_ended_leaves_the_live_one() -> None:
    engine = Engine(NoGeneration(7, (3,)))
    assert start(engine, Ask((1,), 1), Split()) is None
    assert [(ask.generation, ask.tag) for ask in engine.asked] == [(7, "canary"), (None, "")]


def test_canary_is_the_generation_beside_the_live_one() -> None:
    body = CompletionBody(model="m", prompt=[1])
    assert answerer(Engine(), Split()).prepare(body, Beside.CANARY).generation == 7


@pytest.mark.parametrize("split", [None, Split(beside=None)])
def test_without_a_canary_there_is_no_such_model(split: Split | None) -> None:
    with pytest.raises(NoSuchModel) as caught:
        answerer(Engine(), split).prepare(CompletionBody(model="m", prompt=[1]), Beside.CANARY)
    assert caught.value.code == "no_canary"


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (BadAsk(AskCode.CONTEXT_LENGTH_EXCEEDED, "prompt", "too long"), BadRequest, "context_length_exceeded"),
        (QueueFull("5 requests wait"), Busy, "queue_full"),
        (NoGeneration(9, (1,)), NoSuchModel, "generation_not_served"),
        (ResidentLost("the device is gone"), NotReady, "resident_lost"),
    ],
)
def test_the_engines_refusals_become_the_clients(failure: Exception, kind: type[FaceError], code: str) -> None:
    with pytest.raises(kind) as caught:
        start(Engine(failure), Ask((1,), 1, generation=9))
    assert caught.value.code == code


def test_a_lost_resident_is_reported() -> None:
    lost: list[ResidentLost] = []
    failure = ResidentLost("the device is gone")
    with pytest.raises(NotReady):
        answerer(Engine(failure), lost=lost).start(Ask((1,), 1), lambda _: None)
    assert lost == [failure]


def test_feedback_counts_in_a_rollout_only() -> None:
    assert answerer(Engine(), Split()).scored(7, 1.0)
    assert not answerer(Engine(), Split()).scored(3, 1.0)
    assert not answerer(Engine()).scored(7, 1.0)
