"""Who is told of each transaction of a ledger, to keep it elsewhere too."""

import sqlite3
from typing import Protocol


class Outpaced(Exception):
    """Another process keeps the journal by now: what this one writes does not count. The text says so."""


class Journal(Protocol):
    """Every method but `publish` is called with the ledger's lock, and must be quick. None but `publish` may raise."""

    @property
    def trouble(self) -> str:
        """Why the journal is behind; empty when it is not. Legal on any thread."""
        ...

    def opened(self, database: sqlite3.Connection) -> None:
        """Prepare a connection that was just opened."""
        ...

    def ending(self, database: sqlite3.Connection) -> None:
        """Take down what the transaction has changed, before its end, which may still fail."""
        ...

    def ended(self) -> None:
        """Count what was taken down last: it is durable in the ledger now."""
        ...

    def publish(self) -> None:
        """Write what is due, as far as possible. Without the ledger's lock, on any thread. Raises Outpaced."""
        ...


class NoJournal:
    """Keeps nothing."""

    trouble = ""

    def opened(self, database: sqlite3.Connection) -> None:
        """Do nothing."""

    def ending(self, database: sqlite3.Connection) -> None:
        """Do nothing."""

    def ended(self) -> None:
        """Do nothing."""

    def publish(self) -> None:
        """Do nothing."""
