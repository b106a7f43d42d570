"""Clients take turns, whoever sends how much; what nobody waits for is not done."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from kits.rows import LONG

from hotswapd.daemon.errors import Busy
from hotswapd.daemon.serve.fair_pool import FairPool
from hotswapd.swap.rows.prompts import Wanted


def held(gate: threading.Event) -> Callable[[Wanted], str]:
    def call(_: Wanted) -> str:
        assert gate.wait(LONG)
        return "held"

    return call


def test_clients_take_turns() -> None:
    """One client has sent ten before the other sends one, which is done second."""
    order: list[str] = []

    async def main() -> None:
        pool, gate = FairPool(threads=1), threading.Event()
        first = asyncio.ensure_future(pool.run("greedy", held(gate)))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(pool.run("greedy", lambda _: order.append("greedy"))) for _ in range(10)]
        await asyncio.sleep(0)
        other = asyncio.ensure_future(pool.run("other", lambda _: order.append("other")))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, other, *rest)

    asyncio.run(main())
    assert order.index("other") <= 1
    assert len(order) == 11


def test_a_client_has_one_thread_at_a_time() -> None:
    """Its second call waits although a thread is free, which another client gets."""

    async def main() -> None:
        pool, gate = FairPool(threads=2), threading.Event()
        waiting = [asyncio.ensure_future(pool.run("greedy", held(gate))) for _ in range(2)]
        assert await asyncio.wait_for(pool.run("other", lambda _: "done"), LONG) == "done"
        assert not any(one.done() for one in waiting)
        gate.set()
        assert await asyncio.gather(*waiting) == ["held", "held"]

    asyncio.run(main())


def test_what_is_cancelled_is_not_begun() -> None:
    done: list[int] = []

    async def main() -> None:
        pool, gate = FairPool(threads=1), threading.Event()
        first = asyncio.ensure_future(pool.run("a", held(gate)))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(pool.run("a", lambda _: done.append(2)))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        gate.set()
        await first
        await pool.run("a", lambda _: done.append(3))

    asyncio.run(main())
    assert done == [3]


def test_what_runs_finds_out_that_nobody_waits() -> None:
    begun, dropped = threading.Event(), threading.Event()

    def call(wanted: Wanted) -> None:
        begun.set()
        while wanted():
            threading.Event().wait(0.001)
        dropped.set()

    async def main() -> None:
        running = asyncio.ensure_future(FairPool().run("a", call))
        await asyncio.to_thread(begun.wait, LONG)
        running.cancel()
        await asyncio.to_thread(dropped.wait, LONG)

    asyncio.run(main())
    assert dropped.is_set()


def test_an_error_reaches_who_waits() -> None:
    def fail(_: Wanted) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(FairPool().run("a", fail))


def test_too_many_waiting_calls_are_refused() -> None:
    async def main() -> None:
        pool, gate = FairPool(threads=1, most=1), threading.Event()
        first = asyncio.ensure_future(pool.run("a", held(gate)))
        await asyncio.sleep(0.0)
        while pool.waiting:
            await asyncio.sleep(0.001)
        second = asyncio.ensure_future(pool.run("a", held(gate)))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await pool.run("b", lambda _: None)
        gate.set()
        await asyncio.gather(first, second)

    asyncio.run(main())


def test_threads_end_when_nothing_is_left() -> None:
    async def main() -> None:
        await FairPool().run("a", lambda _: None)

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name == "prepare":
            thread.join(LONG)
            assert not thread.is_alive()
