"""Between HTTP and the engine: which generation is asked, whose values count, what a refusal becomes."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hotswapd.daemon.errors import BadRequest, Busy, FaceError, NotReady
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.names import Beside, NoSuchModel, Which, names_of
from hotswapd.daemon.serve.question import Question
from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.requests.completion import CompletionBody
from hotswapd.daemon.serve.requests.kinds import Body
from hotswapd.daemon.serve.requests.message import Message
from hotswapd.daemon.serve.requests.responses import ResponsesBody
from hotswapd.daemon.serve.requests.tokens import TokenizeBody
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.request_codes import AskCode
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.prompts import Wanted, always
from hotswapd.swap.rows.sampling import Sampling
from hotswapd.swap.rows.tickets import NoGeneration, Progress, QueueFull

USUAL = Sampling(temperature=0.7, top_p=0.9, top_k=40, seed=11, repetition_penalty=1.1)
LIVE = 3
LIVELY = Which()


class Engine:
    """Stands for a speaker, and for its language.

    Writes down what it is asked, and raises what it is told to, one for each ask; None is no failure.
    """

    context = 32

    def __init__(self, *failures: Exception | None, template: str = "") -> None:
        self.failures = list(failures)
        self.asked: list[Ask] = []
        self.cancelled: list[Any] = []
        self.tokenizer = SimpleNamespace(chat_template=template)

    @property
    def language(self) -> Any:
        return self

    def generations(self) -> list[int]:
        return [LIVE]

    def encode(self, text: str, wanted: Wanted = always, *, special: bool = True) -> tuple[int, ...]:
        if not text.isascii():
            raise BadAsk(AskCode.CONTEXT_LENGTH_EXCEEDED, "prompt", "too long")
        return tuple(text.encode() if special else text.upper().encode())

    def encode_chat(self, messages: list[dict[str, str]], wanted: Wanted = always) -> tuple[int, ...]:
        return self.encode("".join(f"{one['role']}:{one['content']}" for one in messages))

    def usual_sampling(self) -> Sampling:
        return USUAL

    def cancel(self, ticket: Any, _: str) -> None:
        self.cancelled.append(ticket)

    async def submit(self, ask: Ask, on_progress: Callable[[Progress], None]) -> Any:
        self.asked.append(ask)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return SimpleNamespace(generation=LIVE if ask.generation is None else ask.generation)


class Split:
    """Sends everybody to generation 7."""

    def __init__(self, beside: int | None = 7) -> None:
        self.beside = beside
        self.keys: list[str] = []

    def route(self, key: str, name: str = DEFAULT) -> tuple[int | None, str]:
        self.keys.append(key)
        return (self.beside, "canary") if name == DEFAULT else (None, "")

    def number(self, name: str = DEFAULT) -> int | None:
        return self.beside if name == DEFAULT else None

    def names(self) -> list[str]:
        return [DEFAULT, "support"]

    def owns(self, number: int, name: str) -> bool:
        return True

    def has(self, name: str) -> bool:
        return name in self.names()

    def scored(self, generation: int, score: float, answer: str = "") -> bool:
        return generation == self.beside


def answerer(engine: Any, split: Split | None = None, lost: list[ResidentLost] | None = None) -> Answerer:
    return Answerer(engine, (lost if lost is not None else []).append, split)


def asked(body: Body, which: Which = LIVELY, key: str = "") -> Question:
    return answerer(Engine(), Split()).prepare(body, which, key)


def prepared(**fields: Any) -> Ask:
    return asked(CompletionBody(model="m", **fields)).asks[0]


def test_a_request_has_the_clients_values() -> None:
    ask = prepared(prompt="ab", max_tokens=3, stop=["x"], temperature=0.0, top_p=0.5, top_k=2, seed=4, user="me")
    drawn = Sampling(0.0, 0.5, 2, 4, repetition_penalty=1.1)
    assert ask == Ask((97, 98), 3, ("x",), drawn, None, "me")


def test_special_tokens_can_be_left_out() -> None:
    assert prepared(prompt="ab", add_special_tokens=False).prompt == tuple(b"AB")
    assert prepared(prompt="ab", add_special_tokens=True).prompt == prepared(prompt="ab").prompt == tuple(b"ab")


def test_silence_means_the_models_own_sampling() -> None:
    assert prepared(prompt="ab").sampling == USUAL
    assert prepared(prompt="ab", top_k=-1).sampling.top_k == 0


def test_a_chat_may_fill_the_context() -> None:
    body = ChatBody(model="m", messages=[Message(role="user", content="hi")])
    ask = asked(body, Which(5)).asks[0]
    assert (ask.prompt, ask.generation) == (tuple(b"user:hi"), 5)
    assert ask.max_tokens == Engine.context - len(ask.prompt)


def test_a_header_names_the_client_before_the_body() -> None:
    body = CompletionBody(model="m", prompt=[1], user="body")
    assert asked(body, LIVELY, "header").asks[0].key == "header"


def test_a_prompt_that_the_engine_refuses_is_a_bad_request() -> None:
    with pytest.raises(BadRequest) as caught:
        prepared(prompt="é")
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "prompt")


def start(engine: Engine, ask: Ask, split: Split | None = None) -> int | None:
    return several(engine, ask, split=split)[0]


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
    assert start(engine, Ask((1,), 1), Split()) == LIVE
    assert [(ask.generation, ask.tag) for ask in engine.asked] == [(7, "canary"), (None, "")]


def test_canary_is_the_generation_beside_the_live_one() -> None:
    body = CompletionBody(model="m", prompt=[1])
    assert asked(body, Which(Beside.CANARY)).asks[0].generation == 7


@pytest.mark.parametrize("split", [None, Split(beside=None)])
def test_without_a_canary_there_is_no_such_model(split: Split | None) -> None:
    with pytest.raises(NoSuchModel) as caught:
        answerer(Engine(), split).prepare(CompletionBody(model="m", prompt=[1]), Which(Beside.CANARY))
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
        asyncio.run(answerer(Engine(failure), lost=lost).start([Ask((1,), 1)], [lambda _: None]))
    assert lost == [failure]


def test_feedback_counts_in_a_rollout_only() -> None:
    assert answerer(Engine(), Split()).scored(7, 1.0)
    assert not answerer(Engine(), Split()).scored(3, 1.0)
    assert not answerer(Engine()).scored(7, 1.0)


def test_every_field_of_an_answer_reaches_the_engine() -> None:
    ask = prepared(
        prompt="ab", max_tokens=9, min_p=0.1, repetition_penalty=1.3, presence_penalty=0.5, frequency_penalty=-0.5,
        logit_bias={"5": 1.0, "7": -2}, min_tokens=2, stop_token_ids=[4], ignore_eos=True, cache_salt="s", logprobs=2,
    )  # fmt: skip
    drawn = ask.sampling
    assert (drawn.min_p, drawn.repetition_penalty, drawn.presence_penalty, drawn.frequency_penalty) == (
        0.1,
        1.3,
        0.5,
        -0.5,
    )
    assert (drawn.logit_bias, drawn.min_tokens) == (((5, 1.0), (7, -2)), 2)
    assert (ask.stop_token_ids, ask.ignore_eos, ask.cache_salt, ask.logprobs) == ((4,), True, "s", 2)
    assert ask.prompt_logprobs is None


@pytest.mark.parametrize(("given", "taken"), [(0, 0.0), (1e-300, 0.0), (9e-6, 0.0), (1e-5, 1e-5), (0.3, 0.3)])
def test_a_temperature_too_low_to_divide_by_is_greedy(given: float, taken: float) -> None:
    assert prepared(prompt="ab", temperature=given).sampling.temperature == taken


def test_every_prompt_has_as_many_answers_as_are_asked_for() -> None:
    """Copies of one prompt draw with seeds of their own."""
    question = asked(CompletionBody(model="m", prompt=["ab", "c"], n=2, seed=5))
    assert [ask.prompt for ask in question.asks] == [(97, 98), (97, 98), (99,), (99,)]
    assert [ask.sampling.seed for ask in question.asks] == [5, 6, 5, 6]
    assert (question.copies, question.prompt_tokens) == (2, 3)


def test_what_is_echoed_is_scored_like_the_answer() -> None:
    question = asked(CompletionBody(model="m", prompt=["ab", "c"], echo=True, logprobs=3, max_tokens=0))
    assert question.echoes == ("ab", "c")
    assert {(ask.max_tokens, ask.logprobs, ask.prompt_logprobs) for ask in question.asks} == {(0, 3, 3)}
    assert asked(CompletionBody(model="m", prompt="ab", echo=True)).asks[0].prompt_logprobs is None


def test_a_chat_asks_for_log_probabilities_by_two_fields() -> None:
    hi = [Message(role="user", content="hi")]
    assert asked(ChatBody(model="m", messages=hi)).asks[0].logprobs is None
    assert asked(ChatBody(model="m", messages=hi, logprobs=True)).asks[0].logprobs == 0
    assert asked(ChatBody(model="m", messages=hi, logprobs=True, top_logprobs=4)).asks[0].logprobs == 4


def test_instructions_come_before_an_input() -> None:
    body = ResponsesBody(model="m", input="hi", instructions="be short")
    assert asked(body).asks[0].prompt == tuple(b"system:be shortuser:hi")


@pytest.mark.parametrize(("template", "role"), [("{{ anything }}", "system"), ("if role == 'developer'", "developer")])
def test_a_developer_is_the_system_to_a_template_that_knows_none(template: str, role: str) -> None:
    body = ChatBody(model="m", messages=[Message(role="developer", content="x")])
    question = answerer(Engine(template=template)).prepare(body, LIVELY)
    assert question.asks[0].prompt == tuple(f"{role}:x".encode())


def several(engine: Engine, *asks: Ask, split: Split | None = None) -> list[int]:
    taken = asyncio.run(answerer(engine, split).start(asks, [lambda _: None] * len(asks)))
    return [one.generation for one in taken]


def test_all_answers_of_a_request_are_one_generations() -> None:
    """The first one's, also if another goes live between two of them, or the rollout has just ended."""
    asks = [Ask((1,), 1), Ask((1,), 1)]
    live, split, ended = Engine(), Engine(), Engine(NoGeneration(7, (3,)))
    assert several(live, *asks) == [LIVE, LIVE]
    assert [ask.generation for ask in live.asked] == [None, LIVE]
    assert several(split, *asks, split=Split()) == [7, 7]
    assert [ask.tag for ask in split.asked] == ["canary", "canary"]
    assert several(ended, *asks, split=Split()) == [LIVE, LIVE]
    assert [ask.tag for ask in ended.asked] == ["canary", "", ""]


def test_a_request_is_queued_as_a_whole_or_not_at_all() -> None:
    engine = Engine(None, None, QueueFull("5 requests wait"))
    with pytest.raises(Busy):
        several(engine, *[Ask((1,), 1, generation=9)] * 3)
    assert len(engine.cancelled) == 2


def test_a_conversation_is_tokenized_as_it_would_be_answered() -> None:
    one = answerer(Engine())
    assert one.tokens(TokenizeBody(messages=[Message(role="user", content="a")])) == tuple(b"user:a")
    assert one.tokens(TokenizeBody(prompt="ab")) == (97, 98)
    assert one.tokens(TokenizeBody(prompt="ab", add_special_tokens=False)) == tuple(b"AB")
    with pytest.raises(BadRequest):
        one.tokens(TokenizeBody(prompt="é"))


def test_a_generation_must_be_served() -> None:
    one = answerer(Engine(), Split(beside=None))
    one.require(LIVELY)
    one.require(Which(LIVE))
    for which, code in ((Which(9), "generation_not_served"), (Which(Beside.CANARY), "no_canary")):
        with pytest.raises(NoSuchModel) as caught:
            one.require(which)
        assert caught.value.code == code


def test_a_channel_has_its_own_live_generation_and_canary() -> None:
    one, names = answerer(Engine(), Split()), names_of("m")
    which = one.which(names, "support")
    ask = one.prepare(CompletionBody(model="support", prompt=[1]), which).asks[0]
    assert (ask.name, ask.generation) == ("support", None)
    assert one.channels() == [DEFAULT, "support"]
    with pytest.raises(NoSuchModel) as caught:
        one.prepare(CompletionBody(model="support", prompt=[1]), one.which(names, "support@canary"))
    assert caught.value.code == "no_canary"


def test_a_channels_requests_are_split_by_its_own_rollout() -> None:
    engine, split = Engine(), Split()
    several(engine, Ask((1,), 1, name="support"), split=split)
    assert [(ask.generation, ask.tag) for ask in engine.asked] == [(None, "")]


def test_a_generation_that_is_taken_back_between_two_answers_fails_the_request_as_a_whole() -> None:
    """With a status that clients try again; one that asked for this generation is told that it is gone."""
    engine = Engine(None, NoGeneration(LIVE, ()))
    with pytest.raises(NotReady):
        several(engine, Ask((1,), 1), Ask((1,), 1))
    assert len(engine.cancelled) == 1
    with pytest.raises(NoSuchModel):
        several(Engine(None, NoGeneration(9, ())), *[Ask((1,), 1, generation=9)] * 2)
