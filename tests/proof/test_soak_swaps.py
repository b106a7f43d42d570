"""Thousands of swaps through pipeline, ledger and store: threads, descriptors and memory stay as they are.

``HOTSWAPD_TEST_SWAPS=10000`` is the long form; its figures are printed with ``-s``.
"""

import json
import os
import time
from pathlib import Path

from kits.candidates import Daemon
from kits.rows import SHORT_ASK, adapter, bench
from runs.soak_watch import Sample, after_warm_up, growth, look, slope

from hotswapd.daemon.ledger.states import State

SWAPS = int(os.environ.get("HOTSWAPD_TEST_SWAPS", "120"))
_LOOKS = 60
_LONG = 2000
"""Swaps from which on the growth of memory can be told from its noise."""


def swap_and_look(daemon: Daemon) -> list[Sample]:
    """Make one adapter after the other live, ask each so many of them, and look at this process all along."""
    samples: list[Sample] = []
    began, every = time.monotonic(), max(1, SWAPS // _LOOKS)
    for number in range(SWAPS):
        daemon.bench.await_room()
        assert daemon.offer(adapter(number % 3), number % 3).state == State.LIVE
        if number % every == 0:
            ticket, listener = daemon.bench.ask(SHORT_ASK)
            assert daemon.bench.right(ticket, listener, SHORT_ASK)
            assert ticket.generation == number + 1
            samples.append(look(os.getpid(), time.monotonic() - began, number + 1, len(samples) + 1))
    return samples


def bytes_a_swap(samples: list[Sample]) -> float:
    """Fit the growth of what belongs to this process alone, after its warm-up."""
    return slope([(float(one.swaps), float(one.anonymous)) for one in after_warm_up(samples)])


def test_swaps_without_end_leave_nothing_behind(tmp_path: Path) -> None:
    """Every one goes live and answers as PEFT does; after the first third nothing more is held."""
    with bench() as made:
        samples = swap_and_look(Daemon(made, tmp_path))
    grown = growth(samples)
    print(json.dumps({"swaps": SWAPS, "bytes_a_swap": bytes_a_swap(samples), **grown, "last": samples[-1].record()}))
    for name in ("threads", "files", "sockets"):
        assert grown[name] <= 1, f"{grown[name]:g} more {name}"  # those of tests before may end meanwhile
    if SWAPS >= _LONG:
        assert bytes_a_swap(samples) < 1024, "memory grows with each swap"
