"""A row of HTTP clients beside whatever a block does to a fleet whose replicas write down what they verify."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kits.crowd import crowd
from kits.fleet_adapters import Stock
from kits.fleet_asking import Asking
from kits.fleet_http import Deployed
from kits.fleet_rows import Row
from kits.models import text_of
from kits.rows import SHORT_ASK

CLIENTS, REPLICAS, TOKENS, KINDS = 8, 3, 48, 8
_PAUSE = 0.25
"""Seconds that a client waits after an answer: without, so many would keep all of a small machine to themselves."""


def stocked() -> Stock:
    """Make adapters, and what a fresh PEFT load of each writes."""
    made = Stock(KINDS, SHORT_ASK, TOKENS)
    made.prepare()
    return made


@contextmanager
def load(fleet: Deployed, stock: Stock, name: str) -> Iterator[Row]:
    """Ask as long as the block runs, then check what came and print the row, also where the block has failed."""
    asking, resumed = Asking(fleet.client, name, SHORT_ASK, TOKENS, _PAUSE), fleet.resumed()
    try:
        with crowd(CLIENTS, asking):
            yield asking.row
    finally:
        _check(fleet, stock, asking, resumed)


def _check(fleet: Deployed, stock: Stock, asking: Asking, resumed: int) -> None:
    asking.check({digest[:12]: text_of(list(ids)) for digest, ids in stock.truth().items()})
    asking.row.resumed = fleet.resumed() - resumed
    asking.row.unverified += fleet.notes.unverified()
    print(f"\n{asking.row}, load {os.getloadavg()[0]:.0f}")
    assert fleet.notes.answering() >= len(asking.row.generations - {0}), "the replicas have noted nothing"
