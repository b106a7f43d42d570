"""The cap of the store: what goes first, and what never does."""

import pytest
from kits.queues import Queue
from kits.sightings import first_directory
from structlog.testing import capture_logs

from hotswapd.daemon.service.cap import beyond_cap


@pytest.fixture
def queue() -> Queue:
    """Make five generations in two channels, of 12 bytes each with their configuration."""
    made = Queue(kind="fake", naming=first_directory)
    for name in ("a/1", "b/1", "a/2", "a/3", "b/2"):
        made.place.put(name, f"{name:10}".encode())
        made.settle()
    return made


def digests(queue: Queue, *numbers: int) -> set[str]:
    return {queue.generation(number).digest for number in numbers}


def chosen(queue: Queue, most: int) -> set[str]:
    needed = queue.ledger.rows.in_store()
    assert needed == digests(queue, 4, 5)
    return beyond_cap(queue.store, queue.ledger, queue.ledger.generations.kept(5, []), needed, most)


def test_what_was_live_longest_ago_goes_first(queue: Queue) -> None:
    """Only as much as must go, whichever channel it is of; without a cap nothing does."""
    assert chosen(queue, 0) == set()
    assert chosen(queue, 60) == set()
    assert chosen(queue, 59) == digests(queue, 1)
    assert chosen(queue, 40) == digests(queue, 1, 2)


def test_what_is_live_anywhere_stays(queue: Queue) -> None:
    """Even if that alone is more; the log says so."""
    with capture_logs() as logs:
        assert chosen(queue, 10) == digests(queue, 1, 2, 3)
    assert [(one["event"], one["bytes"]) for one in logs] == [("store_over_cap", 24)]


def test_bytes_that_went_live_again_are_young(queue: Queue) -> None:
    queue.ask(queue.acts.roll_back, queue.channels.of("a"), 1, follow=True)
    queue.settle()
    spare, needed = queue.ledger.generations.kept(5, []), queue.ledger.rows.in_store()
    assert needed == digests(queue, 1, 5)
    assert beyond_cap(queue.store, queue.ledger, spare, needed, 59) == digests(queue, 2)
