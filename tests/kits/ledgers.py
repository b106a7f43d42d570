"""Rows of a real ledger on their way, and what its file holds."""

import sqlite3
from typing import Any

from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import RETIRES, Ledger, Left
from hotswapd.daemon.ledger.rows import Find, Row
from hotswapd.daemon.ledger.states import State as S


def add(ledger: Ledger, *names: str, source: str = "s", **fields: Any) -> list[Row]:
    """Sight adapters at ``file:///NAME``, in this order."""
    return ledger.add([Find(source, f"file:///{name}", "r1", float(i)) for i, name in enumerate(names)], **fields)


def forward(ledger: Ledger, row: Row, *states: S) -> Row:
    """Bring a row through these states."""
    for state in states:
        row = ledger.move(row, state)
    return row


def make_live(ledger: Ledger, row: Row, number: int, left: Left = RETIRES) -> Generation:
    """Bring a sighted, fetched or verified row live."""
    row = ledger.fetched(row, f"digest {row.uri}", 0.1) if row.state == S.SIGHTED else row
    row = forward(ledger, row, S.ADMITTED, S.STAGED, S.VERIFIED) if row.state == S.FETCHED else row
    one = Generation(number, row.uri, row.revision, row.digest, 1.0, row.swap_id, row.stamp, row.channel)
    with ledger.going_live(row, one, left):
        pass
    return one


def refused(ledger: Ledger, name: str, fingerprint: str, **fields: Any) -> Row:
    """Sight, fetch and reject an adapter under a contract and policy."""
    (row,) = add(ledger, name, **fields)
    return ledger.move(ledger.fetched(row, f"d {name}", 0.1), S.REJECTED, "rank_too_high", fingerprint=fingerprint)


def everything(ledger: Ledger) -> list[str]:
    """Dump the whole file."""
    with sqlite3.connect(ledger.path) as database:
        return list(database.iterdump())


def states(ledger: Ledger) -> list[str]:
    """Return states and reasons in the order of sighting."""
    return [f"{row.state} {row.reason}".strip() for row in reversed(ledger.rows.history(100))]
