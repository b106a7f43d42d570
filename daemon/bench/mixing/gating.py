"""Serving while a gate reads a long dataset: the same requests with the gate reading, and with the gate held up."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hotswapd.daemon.bench.samples import Findings, at_least
from hotswapd.swap.gates.reading import score
from hotswapd.swap.gates.spec import Example, Limits
from hotswapd.swap.gates.turns import GateTurns, Surroundings

from .crowd import Took
from .house import House
from .ratios import Promise, Way, compare

_TEXT = 500
_TEXTS = 40
_BUSY = 8


class _Over(Exception):
    """The measurement is over, and so is the gate."""


class Gate:
    """Reads texts with a generation, again and again, on a thread of its own; it waits while `reads` is not set."""

    def __init__(self, house: House) -> None:
        self.reads, self._over = threading.Event(), False
        self._image, self._resident = house.images[1], house.engine.resident
        around = Surroundings(house.engine.busy, between=self._between)
        self._turns = GateTurns(self._resident, Limits(timeout=1e9), around)
        self._turns.be_long()
        vocabulary = self._resident.model.config.get_text_config().vocab_size
        numbers = random.Random(0)  # noqa: S311 - any tokens will do
        self._texts = [Example(tuple(numbers.choices(range(vocabulary), k=_TEXT))) for _ in range(_TEXTS)]
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "Gate":
        self._resident.hold(self._image)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self.reads.set()
        self._thread.join()
        self._resident.release(self._image)

    def _read(self) -> None:
        try:
            while True:
                score(self._turns, self._image, self._texts)
        except _Over:
            return

    def _between(self) -> None:
        """Wait while it is held up, then begin somewhere in a rest: one that began with a turn would take more."""
        if not self.reads.is_set():
            self.reads.wait()
            rest = self._turns.rested / max(1, self._turns.turns)
            time.sleep(rest * random.random())  # noqa: S311 - any moment will do
        if self._over:
            raise _Over


def beside_a_gate(house: House, found: Findings) -> None:
    """Compare requests beside a gate of 20,000 tokens that reads with the same requests alone."""
    with Gate(house) as gate:

        @contextmanager
        def reading() -> Iterator[None]:
            gate.reads.set()
            try:
                yield
            finally:
                gate.reads.clear()

        def beside() -> Took:
            with reading():
                return house.crowd.answer(house.engine, [1] * _BUSY)

        ways: dict[str, Way] = {"gate": beside, "alone": lambda: house.crowd.answer(house.engine, [1] * _BUSY)}
        promise = Promise("gate", "alone", 0.90, "beside a gate that reads 20,000 tokens, at least 90 % of none")
        ratio = compare(found, "mixing.float32.reading", ways, (promise,), house.scene.preset.rounds)["gate"]
    if ratio.interval is not None:
        sentence = f"of the same, the lower end of the interval ({ratio.interval[2]:.1%}) is at least 80 %"
        found.goals.append(at_least("mixing.float32.reading.interval", sentence, ratio.interval[0], 0.80))
