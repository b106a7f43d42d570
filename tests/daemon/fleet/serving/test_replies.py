"""One replica's answers: what it takes, what it refuses, and how its requests end."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest
from kits.fleet_serving import Replies, Tag, Wanted
from kits.models import byte_tokenizer
from kits.rows import SHORT_ASK, Bench, bench, digest_of, reference

from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.ended import Ended

TOKENS = 12
HOURS = 10_000.0


class Scene:
    def __init__(self, made: Bench, ended: list[Ended]) -> None:
        self.bench, self.ended = made, ended
        self.digest = digest_of(0)
        self.replies = Replies("x", made.engine, lambda number, digest: digest == self.digest, self._never)

    def _never(self, error: Exception) -> Any:
        raise AssertionError(f"the model was lost: {error}")

    def ask(self, most: int = 1000, number: int = 1, digest: str = "", **fields: Any) -> list[Any]:
        """Take so many messages at most, then leave."""
        wanted = Wanted(Tag("default", number, digest or self.digest, 1), Ask(**{"max_tokens": TOKENS, **fields}))

        async def asking() -> list[Any]:
            found: list[Any] = []
            async with aclosing(self.replies.answer(wanted)) as pieces:
                async for piece in pieces:
                    found.append(piece)
                    if len(found) == most:
                        break
            return found

        self.ended.clear()
        return asyncio.run(asking())


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    ended: list[Ended] = []
    with bench(on_ended=ended.append, max_queue=2) as made:
        made.swap(0)
        yield Scene(made, ended)


def text(scene: Scene) -> tuple[int, ...]:
    return reference(0, SHORT_ASK, TOKENS)


def test_the_first_message_says_that_it_is_taken(scene: Scene) -> None:
    first, *rest = scene.ask(prompt=SHORT_ASK, ignore_eos=True)
    assert first.is_empty
    assert not first.refused
    assert rest[-1].finish == "length"
    assert tuple(token for piece in rest for token in piece.tokens) == text(scene)


def test_steps_that_are_short_share_a_message_and_the_end_waits_for_none(scene: Scene) -> None:
    """The first token is said as soon as it is there, and then, since no time passes between messages here, the end."""
    model = scene.bench.engine
    scene_apart = Scene(scene.bench, scene.ended)
    scene_apart.replies = Replies("x", model, lambda number, digest: True, scene._never, apart=HOURS)
    taken, *rest = scene_apart.ask(prompt=SHORT_ASK, ignore_eos=True)
    assert taken.is_empty
    assert len(rest) <= 2
    assert tuple(token for piece in rest for token in piece.tokens) == text(scene)
    assert rest[-1].finish == "length"


def test_the_fence_comes_before_everything(scene: Scene) -> None:
    (refusal,) = scene.ask(prompt=(), digest="f" * 64)
    assert (refusal.refused, refusal.code) == (True, "not_held")
    (refusal,) = scene.ask(prompt=SHORT_ASK, number=9)
    assert (refusal.refused, refusal.code) == (True, "not_held")


def test_what_cannot_be_answered_names_its_field(scene: Scene) -> None:
    (piece,) = scene.ask(prompt=(5, 999))
    assert (piece.refused, piece.finish, piece.code, piece.param) == (False, "error", "bad_token", "prompt")


def test_a_full_queue_is_another_refusal(scene: Scene) -> None:
    with scene.bench.resident.step():
        waiting = [scene.bench.ask(SHORT_ASK) for _ in range(2)]
        (refusal,) = scene.ask(prompt=SHORT_ASK)
    assert (refusal.refused, refusal.code) == (True, "queue_full")
    for _, listener in waiting:
        listener.wait()


@pytest.mark.parametrize("given", [0, 5])
def test_a_stop_sequence_ends_the_answer_wherever_it_began(scene: Scene, given: int) -> None:
    """It is counted as one that its client has whole; the sequence may have begun on another replica."""
    tokens = text(scene)
    stop = byte_tokenizer().decode(list(tokens[4:7]))
    prompt = (*SHORT_ASK, *tokens[:given])
    pieces = scene.ask(prompt=prompt, given=given, max_tokens=200, stop=(stop,), ignore_eos=True, generation=None)
    made = tuple(token for piece in pieces for token in piece.tokens)
    assert pieces[-1].finish == "stop"
    assert stop in byte_tokenizer().decode([*tokens[:given], *made])
    assert len(made) < 200
    assert [one.finish for one in scene.ended] == ["stop"]


def test_who_leaves_cancels(scene: Scene) -> None:
    scene.ask(most=2, prompt=SHORT_ASK, max_tokens=200, ignore_eos=True)
    assert [one.finish for one in scene.ended] == ["cancelled"]
