"""A page that costs something is made once for all who wait for it."""

import asyncio
import threading

import pytest
from kits.clock import Clock
from kits.rows import LONG

from hotswapd.daemon.serve.rendered import Rendered


class Page:
    """A page with the number of times that it was made; each time waits until the test lets it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.made = 0
        self._gate = threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()
        self._alone = threading.Lock()

    def __call__(self) -> bytes:
        assert self._alone.acquire(blocking=False), "it is made twice at once"
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self._gate.acquire(timeout=LONG)
        self.made += 1
        self._alone.release()
        return b"%d" % self.made

    def let(self, times: int = 1) -> None:
        self._gate.release(times)


def test_whoever_waits_is_given_the_same_page() -> None:
    async def main() -> None:
        page = Page()
        page.let()
        shown = Rendered(page)
        assert await asyncio.gather(*(shown.get() for _ in range(100))) == [b"1"] * 100

    asyncio.run(main())


def test_whoever_comes_while_it_is_made_is_given_the_next() -> None:
    """What changed after the making began may not be in it."""

    async def main() -> None:
        page = Page()
        shown = Rendered(page)
        early = asyncio.ensure_future(shown.get())
        await page.begun.wait()
        late = [asyncio.ensure_future(shown.get()) for _ in range(50)]
        await asyncio.sleep(0)
        page.let(2)
        assert await early == b"1"
        assert await asyncio.gather(*late) == [b"2"] * 50

    asyncio.run(main())


def test_a_client_that_goes_takes_nobodys_page_away() -> None:
    async def main() -> None:
        page = Page()
        shown = Rendered(page)
        gone, stays = asyncio.ensure_future(shown.get()), asyncio.ensure_future(shown.get())
        await page.begun.wait()
        gone.cancel()
        page.let()
        assert await stays == b"1"

    asyncio.run(main())


def test_it_takes_a_fifth_of_a_core_at_most() -> None:
    clock, slept = Clock(), list[float]()

    def page() -> bytes:
        clock.advance(0.1)
        return b"page"

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        clock.advance(seconds)

    async def main() -> None:
        shown = Rendered(page, clock, sleep)
        for _ in range(3):
            assert await shown.get() == b"page"
        clock.advance(60.0)
        await shown.get()

    asyncio.run(main())
    assert slept == [0.0, 0.4, 0.4, 0.0]


def test_a_page_that_fails_is_made_again_for_the_next() -> None:
    """Everybody who waited for it is told."""
    failures = [OSError("no ledger")]

    def page() -> bytes:
        if failures:
            raise failures.pop()
        return b"page"

    async def main() -> None:
        shown = Rendered(page)
        first = await asyncio.gather(shown.get(), shown.get(), return_exceptions=True)
        assert [str(one) for one in first] == ["no ledger"] * 2
        assert await shown.get() == b"page"

    asyncio.run(main())


def test_the_rest_after_a_slow_page_ends() -> None:
    """A page that took minutes, in a process that was frozen say, is made again a second later."""
    clock, slept = Clock(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def page() -> bytes:
        clock.advance(120.0)
        return b"page"

    async def main() -> None:
        shown = Rendered(page, clock, sleep)
        await shown.get()
        await shown.get()

    asyncio.run(main())
    assert slept[1] == pytest.approx(1.0)
