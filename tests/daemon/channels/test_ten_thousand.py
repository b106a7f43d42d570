"""Ten thousand channels in which nothing happens: a scan costs a scan, and they are listed in one pass."""

from functools import partial

import pytest
from kits.costs import calls
from kits.queues import Queue
from kits.sightings import first_directory
from kits.sources import FakeSource, make_sources

from hotswapd.daemon.control.channels import channels_status
from hotswapd.daemon.control.part import Starting
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.control.status import status

MANY = 10_000


def filled(channels: int, adapters: int) -> Queue:
    """So many adapters over so many channels, each seen before, and each passed by."""
    queue = Queue(kind="fake", naming=first_directory)
    for index in range(adapters):
        queue.place.put(f"c{index % channels:05}/{index // channels}", b"%d" % index, stamp=float(index))
    queue.scan()
    queue.channels.learn(queue.ledger.channels.all())
    return queue


def test_a_scan_that_finds_nothing_new_costs_the_same_over_any_number_of_channels() -> None:
    """As many adapters in one channel, or one in each of ten thousand."""
    one, many = (filled(channels, MANY) for channels in (1, MANY))
    work = [calls(queue.scan) for queue in (one, many)]
    assert len(many.channels.names()) == len(many.ledger.channels.all()) + 1 > MANY
    assert work[1] <= 1.2 * work[0]


def test_idle_channels_cost_no_poll_and_no_object() -> None:
    """They are known by name; what judges them is made when something happens."""
    queue = Queue(kind="fake", naming=first_directory)
    queue.channels.poll()
    few = calls(queue.channels.poll)
    queue.channels.learn(f"c{index:05}" for index in range(MANY))
    assert calls(queue.channels.poll) <= few
    assert len(queue.channels.made()) <= 1


@pytest.mark.parametrize("channels", [MANY])
def test_all_of_them_are_listed_with_a_few_calls_each(channels: int) -> None:
    """The ledger is asked once for all, not once for each."""
    queue = filled(channels, channels)
    shown = Starting(queue.live).shown(queue.channels.names())
    work = calls(partial(channels_status, shown, queue.ledger, queue.ledger.channels.waiting()))
    assert work <= 20 * channels
    sources = make_sources(queue.inbox, queue.store, FakeSource())
    assert calls(lambda: status(Standing(Starting(queue.live)), queue.ledger, sources)) <= 20 * channels
