"""The next candidate is staged while another one is verified."""

import pytest
from kits.engines import BAD, FakeEngine
from kits.queues import Queue
from kits.sightings import first_directory


@pytest.fixture
def queue() -> Queue:
    return Queue(kind="fake", naming=first_directory)


def engine(queue: Queue) -> FakeEngine:
    assert isinstance(queue.engine, FakeEngine)
    return queue.engine


def offered(queue: Queue, *names: str) -> None:
    """Put adapters into the store, none of which is tried yet."""
    for stamp, name in enumerate(names):
        queue.place.put(name, BAD + name.encode() if "bad" in name else name.encode(), stamp=float(stamp))
    queue.scan()
    while queue.fetch() is not None:
        pass


def verified_with(queue: Queue) -> list[str]:
    """Note what is staged ahead at each verification."""
    seen: list[str] = []

    def note() -> None:
        queue.worker.give_way("a")
        seen.append(queue.candidates.ahead.digest)

    queue.model.before_verify = note
    return seen


def test_the_next_channels_candidate_is_staged_once(queue: Queue) -> None:
    """While the first is verified; its own turn begins with what is there."""
    offered(queue, "a/1", "b/1")
    seen = verified_with(queue)
    queue.turn()
    waiting = queue.ledger.rows.open("b")[0]
    assert seen == [waiting.digest]
    assert queue.model.touched.count(waiting.digest) == 1
    queue.model.before_verify = lambda: None
    queue.turn()
    assert queue.channels.of("b").live.now.number == 2
    assert queue.model.touched.count(waiting.digest) == 1
    assert not +engine(queue).holds


def test_nobody_is_parked_for_it(queue: Queue) -> None:
    queue.model.crowded = True
    offered(queue, "a/1", "b/1")
    seen = verified_with(queue)
    queue.turn()
    assert seen == [""]


def test_a_bad_one_is_refused_in_its_own_turn(queue: Queue) -> None:
    """What is found before says nothing, and counts as no death."""
    offered(queue, "a/1", "b/bad")
    seen = verified_with(queue)
    queue.turn()
    assert seen == [""]
    assert queue.states()["file:///s/b/bad"] == "FETCHED"
    queue.turn()
    assert queue.states()["file:///s/b/bad"] == "REJECTED rank_too_high"
    assert not +engine(queue).holds


def test_its_place_is_given_up_for_what_is_urgent_and_for_a_pause(queue: Queue) -> None:
    offered(queue, "a/1", "b/1")
    verified_with(queue)
    queue.turn()
    assert queue.candidates.ahead.digest
    queue.acts.worker.between(lambda: None)
    queue.worker.give_way("a")
    digest = queue.candidates.ahead.digest
    queue.ledger.flags.set("paused", value=True, channel="b")
    queue.turn()
    assert queue.candidates.ahead.digest == ""
    assert digest in ("", queue.ledger.rows.history(9, "b")[0].digest)
    assert not +engine(queue).holds


def test_another_turn_gives_it_up(queue: Queue) -> None:
    """A newer one of its channel came meanwhile: that is tried, and nothing stays held."""
    offered(queue, "a/1", "b/1")
    verified_with(queue)
    queue.turn()
    assert queue.candidates.ahead.digest
    queue.model.before_verify = lambda: None
    queue.place.put("b/2", b"newer", stamp=9.0)
    queue.settle()
    assert queue.channels.of("b").live.now.uri == "file:///s/b/2"
    assert not +engine(queue).holds
