"""Looks at the shared place: each sees what there was when it was asked for, and one that hangs holds up nobody."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from hotswapd.daemon.fleet.looking import Looking

_LIMIT = 30.0


class Mount:
    """A place whose reads hang while it is closed, and note what there was."""

    def __init__(self) -> None:
        self.newest = self.seen = self.looks = 0
        self.open, self.entered = threading.Event(), threading.Event()
        self.open.set()

    def look(self) -> None:
        newest = self.newest
        self.looks += 1
        self.entered.set()
        assert self.open.wait(_LIMIT)
        self.seen = newest


@pytest.fixture
def mount() -> Iterator[Mount]:
    made = Mount()
    yield made
    made.open.set()


def test_a_look_has_begun_after_it_was_asked_for(mount: Mount) -> None:
    looking = Looking(mount.look)
    mount.newest = 1
    assert looking.wait()
    assert mount.seen == 1
    mount.open.clear()
    mount.entered.clear()
    first = threading.Thread(target=looking.wait)
    first.start()
    assert mount.entered.wait(_LIMIT)
    mount.newest = 2  # the look that is under way has not seen it
    second = threading.Thread(target=looking.wait)
    second.start()
    mount.open.set()
    for thread in (first, second):
        thread.join(_LIMIT)
    assert mount.seen == 2


def test_whoever_asks_meanwhile_shares_the_next_look(mount: Mount) -> None:
    looking = Looking(mount.look)
    mount.open.clear()

    async def asking() -> list[bool]:
        first = asyncio.create_task(looking.fresh())
        await asyncio.to_thread(mount.entered.wait, _LIMIT)
        others = [asyncio.create_task(looking.fresh()) for _ in range(50)]
        await asyncio.sleep(0)
        mount.open.set()
        return list(await asyncio.gather(first, *others))

    assert all(asyncio.run(asking()))
    assert mount.looks == 2


def test_a_mount_that_hangs_holds_up_neither_the_loop_nor_whoever_asks_later(mount: Mount) -> None:
    """After the limit; once it answers again its word counts."""
    looking = Looking(mount.look, limit=0.1)
    mount.open.clear()

    async def asking() -> tuple[bool, int, bool]:
        ticks, asked = 0, asyncio.create_task(looking.fresh())
        while not asked.done():
            ticks += 1
            await asyncio.sleep(0.001)
        return await asked, ticks, await looking.fresh()

    seen, ticks, again = asyncio.run(asking())
    assert (seen, again) == (False, False)
    assert ticks > 1
    assert not looking.wait()
    assert mount.looks == 1
    mount.newest = 7
    mount.open.set()
    while not looking.wait():
        pass
    assert mount.seen == 7


def test_who_gives_up_takes_no_look_away_from_others(mount: Mount) -> None:
    looking = Looking(mount.look)
    mount.open.clear()

    async def asking() -> bool:
        first = asyncio.create_task(looking.fresh())
        await asyncio.to_thread(mount.entered.wait, _LIMIT)
        gone, stays = (asyncio.create_task(looking.fresh()) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        mount.open.set()
        return all(await asyncio.gather(first, stays))

    assert asyncio.run(asking())
