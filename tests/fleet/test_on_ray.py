"""A fleet on a real Ray: three replicas, two ingresses, clients without a pause. `make fleet` prints a row for each.

Every answer is compared, token by token, with a fresh PEFT load of the generation that it names.
"""

import asyncio
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from kits.rows import ADAPTERS, SHORT_ASK, adapter, home, reference
from safetensors.torch import load_file, save_file

from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.loaders.files import WEIGHTS
from hotswapd.loaders.store.store import digest_of

if not os.environ.get("HOTSWAPD_TEST_FLEET"):
    pytest.skip("`make fleet` runs it: it takes minutes", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own
    from kits.fleet_ray import Clients, RayFleet, Row, running

pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]
CHANGES = int(os.environ.get("HOTSWAPD_TEST_FLEET_CHANGES", "12"))
CHANNELS = ("default", "a", "b")
CLIENTS, TOKENS = 8, 200


@pytest.fixture(scope="module")
def fleet() -> Iterator[RayFleet]:
    with running(home() / "base", 3) as made:
        yield made


@pytest.fixture(scope="module")
def truth() -> Mapping[str, tuple[int, ...]]:
    found = {digest_of(adapter(index)): reference(index, SHORT_ASK, TOKENS) for index in range(ADAPTERS)}
    return {BASE_DIGEST: reference(None, SHORT_ASK, TOKENS), **found}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter with a weight that is no number."""
    made = tmp_path_factory.mktemp("bad") / "adapter"
    shutil.copytree(adapter(0), made)
    weights = load_file(made / WEIGHTS)
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, made / WEIGHTS)
    return made


def load(fleet: RayFleet, name: str, truth: Mapping[str, tuple[int, ...]], work: Callable[[], None]) -> Row:
    """Do the work under load, print the row and return it."""
    clients = Clients(fleet, CHANNELS, SHORT_ASK, TOKENS)
    asyncio.run(clients.run(CLIENTS, work))
    row = clients.row(name, truth)
    print(f"\n{row}", *row.why, sep="\n  ")
    return row


def test_changes_over_three_channels_under_load(
    fleet: RayFleet, truth: Mapping[str, tuple[int, ...]], bad: Path
) -> None:
    said: list[str] = []

    def work() -> None:
        for number in range(CHANGES):
            path = bad if number % 10 in (2, 5, 8) else adapter(number % ADAPTERS)
            said.append(fleet.change(**{CHANNELS[number % 3]: path}))

    row = load(fleet, f"{CHANGES} changes over three channels", truth, work)
    refused = [at for at, one in enumerate(said) if one.startswith("refused")]
    assert refused == [number for number in range(CHANGES) if number % 10 in (2, 5, 8)], said
    assert said.count("live") == CHANGES - len(refused), said
    assert row.is_clean, row


def test_one_replicas_veto(fleet: RayFleet, truth: Mapping[str, tuple[int, ...]]) -> None:
    said: list[str] = []

    def work() -> None:
        said.append(fleet.change(a=adapter(0)))
        (fleet.room / "veto").touch()
        said.append(fleet.change(a=adapter(1)))

    row = load(fleet, "a veto by one replica", truth, work)
    assert said[0] == "live"
    assert said[1].startswith("refused: ")
    assert "a failpoint refuses it" in said[1]
    assert row.is_clean, row


def test_kill_9_of_a_replica(fleet: RayFleet, truth: Mapping[str, tuple[int, ...]]) -> None:
    said: list[str] = []

    def work() -> None:
        for number in range(3):
            before = fleet.notes.pids()
            killed = sorted(before)[0]
            killer = threading.Timer(2.0 + 0.3 * number, fleet.kill, (before[killed],))
            killer.start()
            said.append(fleet.change(b=adapter(number)))
            killer.join()
            fleet.await_whole(len(before), without=killed)

    row = load(fleet, "kill -9 of a replica, three times", truth, work)
    assert said == ["live"] * 3
    assert row.is_clean, row


def test_kill_9_of_the_watcher(fleet: RayFleet, truth: Mapping[str, tuple[int, ...]]) -> None:
    """In the midst of a change: Ray starts it again, it begins a term of its own, and the change is tried again."""
    said: list[str] = []

    def work() -> None:
        for number in range(3):
            pid = fleet.watcher_pid()
            killer = threading.Timer(0.3 * (number + 1), fleet.kill, (pid,))
            killer.start()
            said.append(fleet.change(a=adapter(number), b=adapter(number + 1)))
            killer.join()
            said.append(fleet.change(default=adapter(number)))

    row = load(fleet, "kill -9 of the watcher, three times", truth, work)
    assert said == ["live"] * 6
    assert row.is_clean, row


def test_growing_and_shrinking(fleet: RayFleet, truth: Mapping[str, tuple[int, ...]]) -> None:
    """From three to four replicas and to two, with changes meanwhile."""
    said: list[str] = []

    def work() -> None:
        for number, replicas in enumerate((4, 2)):
            fleet.scale(replicas)
            said.append(fleet.change(a=adapter(number)))

    row = load(fleet, "from three to four replicas and to two", truth, work)
    assert said == ["live"] * 2
    assert row.is_clean, row


def test_operators_of_a_fleet(fleet: RayFleet, truth: Mapping[str, tuple[int, ...]], bad: Path) -> None:
    """A drop, a refusal, and rollbacks within which the watcher is killed: what one daemon answers, to the same end."""
    said: list[str] = []
    seen: list[object] = []

    def work() -> None:
        said.append(fleet.change(default=adapter(0)))
        said.append(fleet.change(default=adapter(1)))
        said.append(fleet.change(default=bad))
        newest = fleet.ask("/status")["live"]["generation"]
        older = [row["generation"] for row in fleet.ask("/history?channel=default&limit=100") if row["generation"]]
        target = max(number for number in older if number < newest)
        for number, delay in ((target, 0.0), (newest, 0.1), (target, 0.3)):
            killer = threading.Timer(delay, fleet.kill, (fleet.watcher_pid(),))
            killer.start()
            seen.append(fleet.ask("/rollback", generation=number)["generation"] == number)
            killer.join()
            seen.append(fleet.ask("/status")["live"]["generation"] == number)
            seen.append(fleet.ask("/status")["pinned"])
        fleet.ask("/unpin", channel="default")

    row = load(fleet, "operators, and kill -9 of the watcher within three rollbacks", truth, work)
    assert said[:2] == ["live"] * 2
    assert said[2].startswith("refused: "), said
    assert "wanted finite values" in said[2], "the replica's own sentence"
    assert "replica#" in said[2], "it is named"
    assert all(seen), seen
    assert all(one["serving"] for one in fleet.ask("/status")["replicas"])
    assert row.is_clean, row


def test_the_watchers_disk_is_lost(fleet: RayFleet, truth: Mapping[str, tuple[int, ...]], bad: Path) -> None:
    """With its process: the next one, on an empty disk, goes on with what the journal in the shared place says."""
    said: list[str] = []
    seen: list[object] = []

    def work() -> None:
        said.append(fleet.change(a=adapter(2), b=adapter(3)))
        said.append(fleet.change(b=bad))
        fleet.ask("/pin", channel="a")
        before = fleet.ask("/history?limit=1000")
        fleet.kill(fleet.watcher_pid())
        shutil.rmtree(fleet.room / "watcher")
        seen.append(fleet.ask("/history?limit=1000") == before)
        seen.append(fleet.ask("/status?channel=a")["pinned"])
        said.append(fleet.change(b=bad))
        said.append(fleet.change(b=adapter(0)))
        after = fleet.ask("/history?limit=1000")
        newest, now = (max(row["generation"] or 0 for row in rows) for rows in (before, after))
        seen.append(now == newest + 1)
        fleet.ask("/unpin", channel="a")

    row = load(fleet, "kill -9 of the watcher, and its disk is lost", truth, work)
    assert [one.split(":")[0] for one in said] == ["live", "refused", "refused", "live"], said
    assert said[1] == said[2], "it was tried again"
    assert all(seen), seen
    assert row.is_clean, row
