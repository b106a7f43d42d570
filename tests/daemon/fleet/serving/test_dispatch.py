"""An ingress's way to the replicas, with a handle that fails as it is told: one generation for each answer."""

import asyncio
import itertools
import warnings
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kits.fleet import record
from structlog.testing import capture_logs

from hotswapd.daemon.errors import FleetCode, NotReady
from hotswapd.daemon.fleet.keeping import UnderWay
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.daemon.fleet.shared.trail import Term
from hotswapd.daemon.fleet.wire import Packed, packed, unpacked
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.request_codes import AskCode
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.tickets import NoGeneration, QueueFull

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    exceptions = pytest.importorskip("ray.exceptions", reason="the extra `ray` is not installed")
    from hotswapd.daemon.fleet.serving.calls import Line, say_unreadable
    from hotswapd.daemon.fleet.serving.dispatch import Dispatcher
    from hotswapd.daemon.fleet.serving.piece import Piece, Wanted
    from hotswapd.daemon.fleet.serving.place import Together

TOKENS = 6
ASK = Ask((7, 8), TOKENS)
Step = Piece | Packed | Exception


class Handle:
    """Stands for Serve's: the n-th call gets the n-th of `calls`; `wanted` and `avoided` are what the calls asked."""

    def __init__(self, calls: Sequence[Sequence[Step]]) -> None:
        self.calls = list(calls)
        self.wanted: list[Wanted] = []
        self.avoided: list[tuple[str, ...]] = []
        self.cancelled = 0
        self.answer = self

    def options(self, **_: Any) -> "Handle":
        return self

    def remote(self, wanted: Packed, avoid: tuple[str, ...]) -> "_Stream":
        self.wanted.append(unpacked(Wanted, wanted))
        self.avoided.append(avoid)
        return _Stream(self, self.calls.pop(0))


class _Stream:
    def __init__(self, handle: Handle, steps: Sequence[Step]) -> None:
        self.handle = handle
        self.steps = self._go(steps)

    async def _go(self, steps: Sequence[Step]) -> AsyncIterator[Piece | Packed]:
        for step in steps:
            if isinstance(step, Exception):
                raise step
            yield step

    def __anext__(self) -> Any:
        return self.steps.__anext__()

    def cancel(self) -> None:
        self.handle.cancelled += 1


class Scene:
    def __init__(self, room: Path) -> None:
        self.together = Together(str(room / "shared"), "watcher", Limits())
        self.term = Term.begin(self.together.trail(), "w")
        self.live(1)

    def live(self, number: int) -> None:
        self.term.write(self.term.now.next({"default": record(number)}))

    def ask(self, handle: Handle, ask: Ask = ASK) -> tuple[list[int], list[int], int]:
        """Return the tokens of an answer, the generations that it named, and how often it was taken up elsewhere."""

        async def asking() -> tuple[list[int], list[int], int]:
            ingress = Dispatcher(handle, self.together, clock=itertools.count(step=8).__next__)
            tokens, numbers = list[int](), list[int]()
            try:
                async for tag, piece in ingress.answer("default", ask):
                    tokens += piece.tokens
                    numbers.append(tag.number)
            finally:
                ingress.close()
            assert ingress._book.say().numbers == frozenset()
            return tokens, numbers, ingress.resumed

        return asyncio.run(asking())


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(Line, "call", lambda *_: None)
    return Scene(tmp_path)


def died() -> Exception:
    return exceptions.RayActorError()  # type: ignore[no-any-return]


def test_an_answer_names_the_generation_that_the_pointer_named(scene: Scene) -> None:
    handle = Handle([[Piece("x", (1, 2)), Piece("x"), Piece("x", (3,), "stop")]])
    assert scene.ask(handle) == ([1, 2, 3], [1, 1], 0)
    assert handle.cancelled == 0


def test_who_refuses_is_avoided(scene: Scene) -> None:
    handle = Handle([[Piece("x", refused=True)], [Piece("y", (1,), "stop")]])
    assert scene.ask(handle) == ([1], [1], 0)
    assert handle.avoided == [(), ("x",)]


def test_another_goes_on_with_the_tokens_so_far(scene: Scene) -> None:
    handle = Handle([[Piece("x", (1, 2)), died()], [Piece("y", (3,), "stop")]])
    assert scene.ask(handle) == ([1, 2, 3], [1, 1], 1)
    rest = handle.wanted[1].ask
    assert (rest.prompt, rest.max_tokens, rest.given) == ((7, 8, 1, 2), TOKENS - 2, 2)
    assert handle.avoided[1] == ("x",)
    assert handle.cancelled == 1


def test_what_has_begun_stays_with_its_generation_and_what_has_not_does_not(scene: Scene) -> None:
    class Moving(Handle):
        def remote(self, wanted: Packed, avoid: tuple[str, ...]) -> _Stream:
            if not self.wanted:
                scene.live(2)
            return super().remote(wanted, avoid)

    assert scene.ask(Moving([[Piece("x", (1,)), died()], [Piece("y", (2,), "stop")]]))[1] == [1, 1]
    scene.live(1)
    assert scene.ask(Moving([[died()], [Piece("y", (2,), "stop")]]))[1] == [2]


def test_a_request_that_no_replica_answers_ends_with_a_sentence(scene: Scene) -> None:
    """After 20 seconds; the clock goes on by eight at each look."""
    with pytest.raises(NotReady, match="no replica answers with generation 1 now; try again"):
        scene.ask(Handle([[Piece("x", refused=True)]] * 3))


def test_a_replica_that_has_taken_it_is_waited_for(scene: Scene) -> None:
    handle = Handle([[Piece("x"), *[Piece("x")] * 9, Piece("x", (1,), "stop")]])
    assert scene.ask(handle) == ([1], [1, 1], 0)


def test_what_was_taken_keeps_its_generation_though_it_has_no_token_yet(scene: Scene) -> None:
    class Moving(Handle):
        def remote(self, wanted: Packed, avoid: tuple[str, ...]) -> _Stream:
            if not self.wanted:
                scene.live(2)
            return super().remote(wanted, avoid)

    handle = Moving([[Piece("x"), died()], [Piece("y", (2,), "stop")]])
    assert scene.ask(handle) == ([2], [1, 1], 0)
    assert handle.wanted[1].ask == ASK


def test_a_generation_can_be_asked_for(scene: Scene) -> None:
    handle = Handle([[Piece("x", (1,), "stop")]] * 2)
    assert scene.ask(handle, replace(ASK, generation=1))[1] == [1]
    assert scene.ask(handle, replace(ASK, generation=0))[1] == [0]
    with pytest.raises(NoGeneration, match="there is g1, g0"):
        scene.ask(handle, replace(ASK, generation=7))


def test_a_full_queue_is_told_once_every_replica_has_said_so(scene: Scene) -> None:
    def full(member: str) -> list[Step]:
        return [Piece(member, error="5 requests wait", code="queue_full", refused=True)]

    assert scene.ask(Handle([full("x"), [Piece("y", (1,), "stop")]]))[0] == [1]
    with pytest.raises(QueueFull, match="5 requests wait"):
        scene.ask(Handle([full("x"), full("y"), full("x")]))


def test_what_no_replica_can_answer_is_a_bad_request(scene: Scene) -> None:
    code = AskCode.CONTEXT_LENGTH_EXCEEDED
    with pytest.raises(BadAsk) as caught:
        scene.ask(Handle([[Piece("x", finish="error", error="too long", code=code, param="prompt")]]))
    assert (caught.value.code, caught.value.param, str(caught.value)) == (code, "prompt", "too long")


def test_an_answer_that_has_all_its_tokens_has_ended_whatever_its_replica_could_still_say(scene: Scene) -> None:
    handle = Handle([[Piece("x", tuple(range(TOKENS))), died()]])
    assert scene.ask(handle)[0] == list(range(TOKENS))


def test_the_prompt_is_scored_once(scene: Scene) -> None:
    handle = Handle([[Piece("x", (1,)), died()], [Piece("y", (2,), "stop")]])
    scene.ask(handle, replace(ASK, prompt_logprobs=1))
    assert [one.ask.prompt_logprobs for one in handle.wanted] == [1, None]


def test_an_idle_ingress_follows_the_pointer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what has retired would keep its berth until somebody asks this ingress."""

    said: list[UnderWay] = []
    monkeypatch.setattr(Line, "call", lambda _, method, one: said.append(one))

    async def idle() -> None:
        ingress = Dispatcher(Handle([]), scene.together)
        while not said:
            await asyncio.sleep(0.01)
        ingress.close()

    asyncio.run(idle())
    assert unpacked(UnderWay, said[0]).serial == scene.term.now.serial


def test_a_replica_that_says_nothing_counts_as_cut_off(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hotswapd.daemon.fleet.serving.dispatch._SILENT", 0.01)

    class Silent(Handle):
        def remote(self, wanted: Packed, avoid: tuple[str, ...]) -> _Stream:
            stream = super().remote(wanted, avoid)
            if len(self.wanted) == 1:
                stream.steps = _silence()
            return stream

    handle = Silent([[], [Piece("y", (1,), "stop")]])
    assert scene.ask(handle)[0] == [1]
    assert handle.cancelled == 1


async def _silence() -> AsyncIterator[Piece]:
    await asyncio.Event().wait()
    yield Piece("x")


def test_a_replica_of_another_version_is_avoided(scene: Scene) -> None:
    """What it says cannot be read, or it cannot read what it is asked. The log says so once for each replica."""
    say_unreadable.cache_clear()
    later = {**packed(Piece("x", (9,), "stop"), "x"), "version": 9, "least": 9}
    unread = Piece("y", error="it speaks another version", code=FleetCode.OTHER_VERSION, refused=True)
    calls = [[later], [packed(unread)], [packed(Piece("z", (1,), "stop"))]]
    handle = Handle(calls)
    with capture_logs() as logs:
        assert scene.ask(handle) == ([1], [1], 0)
        assert scene.ask(Handle(calls)) == ([1], [1], 0)
    assert handle.avoided[2] == ("x", "y")
    assert [one["sender"] for one in logs if one["event"] == "other_version"] == ["x"]


def test_a_pointer_that_moves_during_the_look_is_that_of_the_request(scene: Scene) -> None:
    """The newest that anybody here has read, which the book may have told the watcher already."""

    async def asking() -> tuple[int, int]:
        ingress = Dispatcher(Handle([]), scene.together)
        fresh = ingress.pointed.fresh

        async def late() -> bool:
            seen = await fresh()
            scene.live(2)
            ingress._book.follow(await asyncio.to_thread(ingress.pointed.catch_up))
            return seen

        ingress.pointed.fresh = late  # type: ignore[method-assign]
        try:
            return (await ingress._tag("default", ASK)).number, ingress._book.say().serial
        finally:
            ingress.close()

    assert asyncio.run(asking()) == (2, 3)


def test_where_the_pointer_cannot_be_read_the_watcher_is_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another ingress may have read a newer one, and have answered by it."""
    newest = scene.term.now.next({"default": record(2)}).dump().decode()

    def away(self: object, name: str) -> bool:
        raise Unavailable(FleetCode.SHARED_DOWN, "the mount is gone")

    monkeypatch.setattr(FolderPlace, "has", away)
    monkeypatch.setattr(Line, "call", lambda _, method, *__: newest if method == "newest" else None)
    assert scene.ask(Handle([[Piece("x"), Piece("x", (1,), "stop")]]))[1] == [2, 2]
