"""Clients that keep a server busy while a test does something else, and what they heard."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kits.rows import LONG


class Crowd:
    """Threads that each call `ask(number)` again and again until they are stopped, or until one call fails."""

    def __init__(self, count: int, ask: Callable[[int], object]) -> None:
        self.errors: list[Exception] = []
        self._ask = ask
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all threads after the call that each is in."""
        self._stop.set()
        for thread in self._threads:
            thread.join(LONG)
        assert not any(thread.is_alive() for thread in self._threads), "a client waits for ever"

    def _run(self, number: int) -> None:
        try:
            while not self._stop.is_set():
                self._ask(number)
        except Exception as error:
            self.errors.append(error)


@contextmanager
def crowd(count: int, ask: Callable[[int], object]) -> Iterator[Crowd]:
    """Run clients for as long as the body does. They have ended when this does; what one of them raised fails it."""
    made = Crowd(count, ask)
    made.start()
    try:
        yield made
    finally:
        made.stop()
    if made.errors:
        raise ExceptionGroup("clients failed", made.errors)
