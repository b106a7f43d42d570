"""All channels: which there are, whose turn it is, and what a start brings back."""

import shutil
from pathlib import Path

import pytest
from kits.engines import BAD, FakeEngine
from kits.queues import Queue, sure
from kits.sightings import first_directory

from hotswapd.daemon.config.channels import ChannelTable
from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.config.verify import Verify, Watch
from hotswapd.daemon.ledger.generation import base_generation
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.live.restore import Restorer, pointed_at
from hotswapd.swap.rows.ended import Ended


def put(queue: Queue, *names: str) -> None:
    for name in names:
        queue.place.put(name, name.encode())
        queue.settle()


def tried(queue: Queue) -> list[str]:
    """Name what was tried, in that order."""
    with_steps = [row for row in queue.told if row.state in ("ADMITTED", "REJECTED")]
    return [row.uri.removeprefix("file:///s/") for row in with_steps]


def work_off(queue: Queue) -> None:
    """Fetch and try in turn until nothing is left, as the two threads do."""
    while queue.fetch() is not None or queue.ledger.rows.stored(1):
        queue.turn()


def test_a_channel_that_brings_a_hundred_bad_ones_delays_no_other_by_more_than_one(queue: Queue) -> None:
    for index in range(100):
        queue.place.put(f"bad/{index:03}", BAD + bytes([index]), stamp=float(index))
    for name in ("x/good", "y/good"):
        queue.place.put(name, name.encode(), stamp=50.0)
    queue.scan()
    work_off(queue)
    order = tried(queue)
    assert len(order) == 102
    assert {"x/good", "y/good"} <= set(order[:4])


def test_channels_take_turns_newest_first_within_each(queue: Queue) -> None:
    for index in range(3):
        for channel in ("a", "b", "c"):
            queue.place.put(f"{channel}/{index}", BAD + f"{channel}{index}".encode(), stamp=float(index))
    queue.scan()
    work_off(queue)
    order = tried(queue)
    assert [one.partition("/")[2] for one in order] == ["2"] * 3 + ["1"] * 3 + ["0"] * 3
    assert [{one.partition("/")[0] for one in order[at : at + 3]} for at in (0, 3, 6)] == [{"a", "b", "c"}] * 3


def test_the_next_one_is_fetched_while_one_is_verified(queue: Queue) -> None:
    """The fetcher does not wait for the worker: what another channel brings is in the store by then."""
    queue.place.put("a/1", b"a", stamp=1.0)
    queue.place.put("b/1", b"b", stamp=2.0)
    queue.scan()
    queue.fetch()
    fetched: list[str] = []
    queue.model.before_verify = lambda: fetched.extend(row.uri for row in (queue.fetch(),) if row is not None)
    queue.turn()
    assert (fetched, queue.channels.of("a").live.now.number) == (["file:///s/b/1"], 1)


def test_every_channel_comes_back(queue: Queue) -> None:
    """A start makes live again what each pointer names, and what one has lost is no other's loss."""
    put(queue, "a/1", "a/2", "b/1", "plain")
    lost = sure(queue.ledger.generations.get(3)).digest
    (queue.artifact(lost).path / "adapter_model.safetensors").unlink()
    queue.ledger.close()
    queue.start(open_now=False)
    queue.assemble(*(base_generation("main", 0.0, name) for name in ("default", "a", "b")))
    engine = queue.engine
    assert isinstance(engine, FakeEngine)
    for name in queue.channels.names():
        live = queue.channels.of(name).live
        Restorer(live, engine, queue.ledger, queue.store, lambda _: None).restore(pointed_at(queue.store, name))
    assert {one.channel: one.number for one in queue.channels.lives()} == {"a": 2, "default": 4}
    assert engine.routes == {"default": 4, "a": 2}
    (again,) = queue.ledger.rows.open("b")
    assert (again.state, again.reason) == ("WAITING", "artifact_lost")


def test_a_state_directory_of_a_version_without_channels_goes_on(tmp_path: Path) -> None:
    """What was live and pinned is the default channel's, under the number that it had; a new channel is beside it."""
    directory = tmp_path / "state"
    shutil.copytree(Path(__file__).parents[1] / "ledger" / "version-3", directory)
    queue = Queue("s", "t", directory=directory, kind="fake", naming=first_directory, open_now=False)
    restorer = Restorer(queue.going, queue.engine, queue.ledger, queue.store, lambda _: None)
    restorer.restore(pointed_at(queue.store))
    queue.open()
    assert (queue.live.number, queue.live.uri) == (2, "file:///s/b")
    assert (queue.model.live, queue.ledger.flags.pinned()) == (queue.live.digest, True)
    put(queue, "support/1")
    support = queue.channels.of("support").live.now
    assert (support.number, queue.live.number) == (3, 2)
    assert queue.pointer()["generation"] == 2
    assert queue.states()["file:///s/c"] == "HELD pinned"
    queue.restart()
    assert {one.channel: one.number for one in queue.channels.lives()} == {"default": 2, "support": 3}


def test_a_new_channel_of_a_source_takes_over_what_lies_there(queue: Queue) -> None:
    """Files that were another channel's are new to this one, and stay live in that."""
    put(queue, "a/1")
    queue.place.rename("file:///s/a/1", "b/1")
    queue.settle()
    assert {one.channel: one.uri for one in queue.channels.lives()} == {"a": "file:///s/a/1", "b": "file:///s/b/1"}


def test_only_channels_in_which_something_happens_are_polled(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand idle ones cost nothing: a window that is over wakes nobody."""
    put(queue, "a/1", "b/1")
    queue.channels.poll()
    polled: list[str] = []
    monkeypatch.setattr("hotswapd.daemon.channels.channel.Channel.poll", lambda one: polled.append(one.name))
    queue.channels.poll()
    assert polled == []
    queue.channels.of("b")
    queue.channels.poll()
    queue.channels.poll()
    assert polled == ["b"]


def test_names_are_those_of_the_configuration_the_ledger_and_the_sources(queue: Queue) -> None:
    queue.channel_tables = (ChannelTable(name="named"),)
    queue.assemble()
    assert queue.channels.names() == ["default", "named"]
    queue.channels.learn(["seen"])
    assert queue.channels.find("nobody") is None
    assert sure(queue.channels.find("seen")).live.now.number == 0
    assert queue.channels.names() == ["default", "named", "seen"]
    queue.channels.forget("seen")
    queue.channels.forget("named")
    assert queue.channels.names() == ["default", "named"]


def test_a_channel_goes_by_its_own_tables(queue: Queue) -> None:
    strict = Verify(watch=Watch(seconds=7.0))
    queue.channel_tables = (ChannelTable(name="a", verify=strict, rollout=Rollout(mode="canary")),)
    queue.assemble()
    mine, other = queue.channels.of("a"), queue.channels.of("b")
    assert (mine.watch.table.seconds, mine.rollouts.takes()) == (7.0, True)
    assert (other.watch.table.seconds, other.rollouts.takes()) == (600.0, False)


def test_an_ended_request_counts_for_its_channel(queue: Queue) -> None:
    """By its tag in a rollout, by its generation in a watch; the bare base counts for the default channel."""
    put(queue, "a/1", "b/1")
    queue.ask(queue.acts.start, queue.channels.of("a"), 0, 50.0)
    queue.ask(queue.acts.start, queue.channels.of("b"), 0, 50.0)
    a, b = queue.channels.of("a"), queue.channels.of("b")
    queue.channels.ended(Ended(0, (1, 2), "stop", False, 0.1, tag="canary@a"))
    queue.channels.ended(Ended(2, (1, 2), "stop", False, 0.1, tag="live@b"))
    queue.channels.ended(Ended(2, (1, 2), "stop", False, 0.1, tag="live@nobody"))
    counted = [sure(one.traffic.status()) for one in (a, b)]
    assert [one["canary"]["requests"] for one in counted] == [1, 0]
    assert [one["live"]["requests"] for one in counted] == [0, 1]
    assert queue.channels.scored(2, 1.0)
    assert not queue.channels.scored(99, 1.0)


def test_a_rollback_that_waits_is_told_of(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    put(queue, "a/1")
    assert not queue.channels.waits()
    monkeypatch.setattr("hotswapd.daemon.live.guard.Guard.waits", True)
    assert queue.channels.waits()


def test_a_ledger_that_is_down_ends_no_poll(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_: object) -> None:
        raise LedgerDown("the disk is full")

    monkeypatch.setattr("hotswapd.daemon.rollout.rollouts.Rollouts.poll", down)
    queue.channels.of("a")
    queue.channels.poll()


def test_a_generation_belongs_to_one_channel_and_the_base_to_all(queue: Queue) -> None:
    """As requests may name them: what was live too long ago to be known is the default channel's."""
    put(queue, "a/1", "b/1", "a/2", "plain")
    queue.ask(queue.acts.start, queue.channels.of("a"), 1, 50.0)
    owns = queue.channels.owns
    assert [owns(number, "a") for number in range(5)] == [True, True, False, True, False]
    assert [owns(number, "b") for number in range(5)] == [True, False, True, False, False]
    assert [owns(number, "default") for number in (0, 1, 2, 3, 4, 99)] == [True, False, False, False, True, True]
    assert not owns(99, "a")


def test_a_channel_in_which_nothing_is_live_is_the_bare_base(queue: Queue) -> None:
    """Whatever the default channel has live."""
    put(queue, "plain", "a/1")
    assert [queue.channels.route("x", name) for name in ("default", "a", "b")] == [(None, ""), (None, ""), (0, "")]
    queue.ask(queue.acts.roll_back, queue.channels.of("a"), None, follow=True)
    assert queue.channels.route("x", "a") == (0, "")
