"""Clients that go away, generations that are asked for by name, and answers that are cut off: all in HTTP."""

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from kits.rows import LONG, SHORT_ASK, Bench, Held
from kits.serving import GENERATION, MODEL, Served, served
from kits.waiting import until

from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.conversation import Conversation
from hotswapd.daemon.serve.question import Question
from hotswapd.daemon.serve.speaker import OwnModel
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import Progress, Ticket

ABORTS = int(os.environ.get("HOTSWAPD_TEST_ABORTS", "200"))
CLIENTS = 4


@pytest.fixture
def one() -> Iterator[Served]:
    with served() as made:
        made.bench.swap(0)
        yield made


def body(tokens: int, stream: bool = True, model: str = MODEL) -> dict[str, Any]:
    return {"model": model, "prompt": [5, 6, 7], "max_tokens": tokens, "stream": stream, "temperature": 0}


def nothing_is_left(bench: Bench) -> bool:
    return (
        bench.loop.held_pages == 0
        and not bench.loop._sequences
        and not bench.rows.busy()
        and not any(one.active or one.waiting for one in bench.rows.status())
    )


def threads_of_ours() -> set[threading.Thread]:
    """Return all threads except those of anyio's pool, which is bounded and empties itself after ten idle seconds."""
    return {thread for thread in threading.enumerate() if "AnyIO" not in thread.name}


def test_aborted_streams_leave_nothing_behind(one: Served) -> None:
    """No page of the cache, sequence, ticket, place or thread stays, whenever the client went away."""
    post(one)
    until(lambda: not any(thread.name == "prepare" for thread in threads_of_ours()), "a thread waits for nobody")
    threads = threads_of_ours()

    def go_away(number: int) -> None:
        with httpx.Client(timeout=LONG) as client:
            for index in range(number, ABORTS, CLIENTS):
                with client.stream("POST", f"{one.url}/v1/completions", json=body(400)) as response:
                    assert response.status_code == 200
                    lines = response.iter_lines()
                    for _ in range(index % 4):
                        next(lines)

    clients = [threading.Thread(target=go_away, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(LONG * 5)
    assert not any(client.is_alive() for client in clients)
    until(lambda: nothing_is_left(one.bench), "something of an aborted stream is left")
    until(lambda: threads_of_ours() <= threads, "a thread of an aborted stream is left")
    one.bench.swap(1)
    assert one.bench.right(*one.bench.ask(SHORT_ASK), SHORT_ASK)


def post(one: Served, tokens: int = 4, model: str = MODEL) -> httpx.Response:
    return httpx.post(f"{one.url}/v1/completions", json=body(tokens, stream=False, model=model), timeout=LONG)


def models(one: Served) -> list[str]:
    return [model["id"] for model in httpx.get(f"{one.url}/v1/models", timeout=LONG).json()["data"]]


class HeldTwice(Held):
    """Holds the loop after the first token, and again after enough steps for a short answer beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.end = threading.Event()

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        if len(progress.token_ids) == 60:
            assert self.end.wait(LONG)


def under_way(one: Served, generation: int) -> int:
    return sum(at.active + at.waiting for at in one.bench.rows.status() if at.generation == generation)


def test_a_draining_generation_is_listed(one: Served) -> None:
    """`model@gN` reaches a draining generation; after a rollback it is a 404 whose sentence lists what is served."""
    held = HeldTwice()
    one.bench.ask(SHORT_ASK, tokens=400, hear=held)
    assert held.begun.wait(LONG)
    assert models(one) == [MODEL, f"{MODEL}@g1"]
    one.bench.swap(1)
    assert models(one) == [MODEL, f"{MODEL}@g2", f"{MODEL}@g1"]
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(post, one, model=f"{MODEL}@g1")
        until(lambda: under_way(one, 1) == 2, "the request never came")
        held.let_go.set()
        assert beside.result(LONG).headers[GENERATION] == "1"
    one.bench.rows.close(1)
    assert not held.ended.is_set()
    gone = post(one, model=f"{MODEL}@g1")
    assert gone.status_code == 404
    assert "g2" in gone.json()["error"]["message"].split("there is")[1]
    assert "g1" not in gone.json()["error"]["message"].split("there is")[1]
    held.end.set()
    held.wait()


def test_max_drain_ends_an_answer_with_an_error_that_says_so(one: Served) -> None:
    """A stream of a generation that drained too long ends with an event that names the reason."""
    with httpx.Client(timeout=LONG) as client, client.stream("POST", f"{one.url}/v1/completions", json=body(400)) as r:
        lines = r.iter_lines()
        next(lines)
        one.bench.swap(1)
        until(lambda: one.bench.rows.end_overdue(1e-9), "nothing drained")
        rest = "\n".join(lines)
    assert "step_failed" in rest
    assert "max_drain" in rest
    assert post(one).headers[GENERATION] == "2"


def test_the_model_survives_a_closed_event_loop(one: Served) -> None:
    """An answer that nobody waits for does not end the loop, and its request is dropped with the conversation."""

    async def begin() -> Conversation:
        return await Conversation.begin(Answerer(OwnModel(one.bench.engine)), Question((Ask(SHORT_ASK, 60),)))

    conversation = asyncio.run(begin())
    until(lambda: nothing_is_left(one.bench), "the answer never ended")
    assert isinstance(conversation.taken, Ticket)
    assert conversation.taken.started
    assert one.bench.loop.alive
    assert post(one).status_code == 200
