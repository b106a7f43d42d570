"""Who sent a request, as its key says, and what is counted for it."""

from typing import Protocol

from fastapi import Request

from hotswapd.daemon.report.metrics import Metrics


class Caller(Protocol):
    """Whoever holds one key. Every method is legal on any thread."""

    @property
    def name(self) -> str:
        """The key's name, which metrics and logs show; empty where no key is asked for."""
        ...

    def spend(self, tokens: int) -> None:
        """Count tokens of a prompt or an answer against what the key may have in a minute."""
        ...


class Anybody:
    """The caller where no key is asked for: nothing is counted for it."""

    name = ""

    def spend(self, tokens: int) -> None:
        """Count nothing."""


ANYBODY: Caller = Anybody()


def caller_of(request: Request) -> Caller:
    """Return who sent a request."""
    found: Caller = getattr(request.state, "caller", ANYBODY)
    return found


class Tally:
    """Counts how one caller's requests end."""

    def __init__(self, metrics: Metrics, caller: Caller) -> None:
        self._metrics = metrics
        self._caller = caller

    def request(self, code: int, generation: int | None = None, tokens: int = 0) -> None:
        """Count a request that was answered with HTTP status `code`, and the tokens of its answer."""
        self._metrics.request(code, generation, tokens)
        self._caller.spend(tokens)
        if self._caller.name:
            self._metrics.key(self._caller.name, code, tokens)
