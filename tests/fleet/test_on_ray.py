"""A fleet on a real Ray: three replicas, two ingresses, clients without a pause. `make fleet` prints a row for each.

Every answer is compared, token by token, with a fresh PEFT load of the generation that it names.
"""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from kits import real_ray
from kits.fleet_adapters import SPOILING, Stock, is_bad
from kits.fleet_clients import Clients
from kits.fleet_notes import VETO
from kits.fleet_ray import RayFleet, running
from kits.fleet_rows import Row
from kits.fleet_watched import CHANNELS
from kits.rows import ADAPTERS, SHORT_ASK, adapter, home, reference

from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.loaders.store.store import digest_of

pytestmark = real_ray.within(3600)
CHANGES = int(os.environ.get("HOTSWAPD_TEST_FLEET_CHANGES", "12"))
CLIENTS, MANY_CLIENTS, TOKENS, SHORT = 8, 16, 200, 16
KINDS = 24
PAUSE = 0.2
"""Seconds that each of many clients waits after an answer: the changes are to have some of a small machine, too."""
Truth = Callable[[], Mapping[str, tuple[int, ...]]]


@pytest.fixture(scope="module")
def fleet() -> Iterator[RayFleet]:
    with running(home() / "base", 3) as made:
        yield made


@pytest.fixture(scope="module")
def stock() -> Stock:
    made = Stock(min(KINDS, CHANGES), SHORT_ASK, SHORT)
    made.prepare()
    return made


@pytest.fixture(scope="module")
def truth() -> Truth:
    found = {digest_of(adapter(index)): reference(index, SHORT_ASK, TOKENS) for index in range(ADAPTERS)}
    return lambda: {BASE_DIGEST: reference(None, SHORT_ASK, TOKENS), **found}


@pytest.fixture(scope="module")
def bad(stock: Stock) -> Path:
    """An adapter with a weight that is no number."""
    return stock.bad(0)


def load(
    fleet: RayFleet,
    name: str,
    truth: Truth,
    work: Callable[[], None],
    number: int = CLIENTS,
    tokens: int = TOKENS,
    pause: float = 0.0,
) -> Row:
    """Do the work under the load of so many clients, print the row and return it."""
    clients = Clients(fleet.handle, fleet.together, CHANNELS, SHORT_ASK, tokens, pause)
    asyncio.run(clients.run(number, work))
    row = clients.row(name, fleet.notes, truth())
    print(f"\n{row}, load {os.getloadavg()[0]:.0f}")
    return row


def test_changes_over_three_channels_under_load(fleet: RayFleet, stock: Stock) -> None:
    """Each channel's next change comes as soon as its last one has ended; none waits for another channel's."""
    said: dict[int, str] = {}

    def bring(channel: int) -> None:
        for number in range(channel, CHANGES, len(CHANNELS)):
            path = stock.of(number)
            said[number] = fleet.watched.change(**{CHANNELS[channel]: path})
            shutil.rmtree(path)

    def work() -> None:
        bringing = [threading.Thread(target=bring, args=(channel,)) for channel in range(len(CHANNELS))]
        for one in bringing:
            one.start()
        for one in bringing:
            one.join()

    name = f"{CHANGES} changes over three channels, {MANY_CLIENTS} clients"
    row = load(fleet, name, stock.truth, work, MANY_CLIENTS, SHORT, PAUSE)
    refused = {number for number, one in said.items() if one.startswith("refused: ")}
    assert refused == {number for number in range(CHANGES) if is_bad(number)}, said
    assert sum(one == "live" for one in said.values()) == CHANGES - len(refused), said
    assert len({said[number] for number in refused}) >= min(len(SPOILING), len(refused)), "each is refused for its own"
    assert row.is_clean, row
    for at, name in enumerate(CHANNELS):  # the other tests know these
        assert fleet.watched.change(**{name: adapter(at)}) == "live"


def test_one_replicas_veto(fleet: RayFleet, truth: Truth) -> None:
    said: list[str] = []

    def work() -> None:
        said.append(fleet.watched.change(a=adapter(0)))
        fleet.notes.ask_for_a_veto()
        said.append(fleet.watched.change(a=adapter(1)))

    row = load(fleet, "a veto by one replica", truth, work)
    assert said[0] == "live"
    assert said[1].startswith("refused: ")
    assert VETO in said[1]
    assert row.is_clean, row


def test_kill_9_of_a_replica(fleet: RayFleet, truth: Truth) -> None:
    said: list[str] = []

    def work() -> None:
        for number in range(3):
            before = fleet.notes.pids()
            killed = sorted(before)[0]
            killer = threading.Timer(2.0 + 0.3 * number, fleet.kill, (before[killed],))
            killer.start()
            said.append(fleet.watched.change(b=adapter(number)))
            killer.join()
            fleet.watched.await_whole(len(before), without=killed)

    row = load(fleet, "kill -9 of a replica, three times", truth, work)
    assert said == ["live"] * 3
    assert row.is_clean, row


def test_kill_9_of_the_watcher(fleet: RayFleet, truth: Truth) -> None:
    """In the midst of a change: Ray starts it again, it begins a term of its own, and the change is tried again."""
    said: list[str] = []

    def work() -> None:
        for number in range(3):
            pid = fleet.watcher_pid()
            killer = threading.Timer(0.3 * (number + 1), fleet.kill, (pid,))
            killer.start()
            said.append(fleet.watched.change(a=adapter(number), b=adapter(number + 1)))
            killer.join()
            said.append(fleet.watched.change(default=adapter(number)))

    row = load(fleet, "kill -9 of the watcher, three times", truth, work)
    assert said == ["live"] * 6
    assert row.is_clean, row


def test_growing_and_shrinking(fleet: RayFleet, truth: Truth) -> None:
    """From three to four replicas and to two, with changes meanwhile."""
    said: list[str] = []

    def work() -> None:
        for number, replicas in enumerate((4, 2)):
            fleet.scale(replicas)
            said.append(fleet.watched.change(a=adapter(number)))

    row = load(fleet, "from three to four replicas and to two", truth, work)
    assert said == ["live"] * 2
    assert row.is_clean, row


def test_operators_of_a_fleet(fleet: RayFleet, truth: Truth, bad: Path) -> None:
    """A drop, a refusal, and rollbacks within which the watcher is killed: what one daemon answers, to the same end."""
    said: list[str] = []
    seen: list[object] = []

    def work() -> None:
        said.append(fleet.watched.change(default=adapter(0)))
        said.append(fleet.watched.change(default=adapter(1)))
        said.append(fleet.watched.change(default=bad))
        newest = fleet.watched.ask("/status")["live"]["generation"]
        older = [
            row["generation"] for row in fleet.watched.ask("/history?channel=default&limit=100") if row["generation"]
        ]
        target = max(number for number in older if number < newest)
        for number, delay in ((target, 0.0), (newest, 0.1), (target, 0.3)):
            killer = threading.Timer(delay, fleet.kill, (fleet.watcher_pid(),))
            killer.start()
            seen.append(fleet.watched.ask("/rollback", generation=number)["generation"] == number)
            killer.join()
            seen.append(fleet.watched.ask("/status")["live"]["generation"] == number)
            seen.append(fleet.watched.ask("/status")["pinned"])
        fleet.watched.ask("/unpin", channel="default")

    row = load(fleet, "operators, and kill -9 of the watcher within three rollbacks", truth, work)
    assert said[:2] == ["live"] * 2
    assert said[2].startswith("refused: "), said
    assert "wanted finite values" in said[2], "the replica's own sentence"
    assert "replica#" in said[2], "it is named"
    assert all(seen), seen
    assert all(one["serving"] for one in fleet.watched.ask("/status")["replicas"])
    assert row.is_clean, row


def test_the_watchers_disk_is_lost(fleet: RayFleet, truth: Truth, bad: Path) -> None:
    """With its process: the next one, on an empty disk, goes on with what the journal in the shared place says."""
    said: list[str] = []
    seen: list[object] = []

    def work() -> None:
        said.append(fleet.watched.change(a=adapter(2), b=adapter(3)))
        said.append(fleet.watched.change(b=bad))
        fleet.watched.ask("/pin", channel="a")
        before = fleet.watched.ask("/history?limit=1000")
        fleet.kill(fleet.watcher_pid())
        shutil.rmtree(fleet.room / "watcher")
        seen.append(fleet.watched.ask("/history?limit=1000") == before)
        seen.append(fleet.watched.ask("/status?channel=a")["pinned"])
        said.append(fleet.watched.change(b=bad))
        said.append(fleet.watched.change(b=adapter(0)))
        after = fleet.watched.ask("/history?limit=1000")
        newest, now = (max(row["generation"] or 0 for row in rows) for rows in (before, after))
        seen.append(now == newest + 1)
        fleet.watched.ask("/unpin", channel="a")

    row = load(fleet, "kill -9 of the watcher, and its disk is lost", truth, work)
    assert [one.split(":")[0] for one in said] == ["live", "refused", "refused", "live"], said
    assert said[1] == said[2], "it was tried again"
    assert all(seen), seen
    assert row.is_clean, row
