"""Warming up: a base that does not answer is told apart from a device that does not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hotswapd.swap.errors import BaseUnservable, ResidentLost, StartError
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.tickets import Progress
from hotswapd.swap.rows.warmup import warm_up


class Rows:
    """Ends every request in one way at once."""

    def __init__(self, finish: str, error: str = "", cause: Exception | None = None) -> None:
        self.loop = SimpleNamespace(cause=cause)
        self.asked: list[Ask] = []
        self._ends = Progress((), finish, error=error)

    def route(self, image: object, number: int) -> None:
        """Note nothing."""

    def submit(self, ask: Ask, hear: Callable[[Progress], None]) -> None:
        self.asked.append(ask)
        hear(Progress((1,)))
        hear(self._ends)


class Resident:
    """One whose requests compile something as often as is said."""

    def __init__(self, compiles: int = 0) -> None:
        self.base_image, self.device = object(), torch.device("cpu")
        self.model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=64)))
        self.compilations = SimpleNamespace(count=0)
        self._left = compiles

    def compile(self) -> None:
        if self._left:
            self._left -= 1
            self.compilations.count += 1


def warm(rows: Rows, resident: Resident, told: list[str] | None = None) -> None:
    asked: Any = rows
    model: Any = resident
    said = told if told is not None else []
    warm_up(asked, model, 32, said.append, compiled=True, more=resident.compile)


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (
            RuntimeError("mat1 and mat2 shapes"),
            BaseUnservable,
            "cannot run this model: odd; serve another base",
        ),
        (None, BaseUnservable, "cannot run this model: odd; serve another base"),
        (RuntimeError("CUDA error: an illegal memory access"), ResidentLost, "the model cannot answer: odd"),
        (torch.OutOfMemoryError("no more"), ResidentLost, "the model cannot answer: odd"),
    ],
)
def test_a_base_that_cannot_answer_is_not_a_lost_device(
    cause: Exception | None, kind: type[Exception], words: str
) -> None:
    """With another base it works; with this one it may work after a restart."""
    with pytest.raises(kind, match=words):
        warm(Rows("error", "odd", cause), Resident())


def test_it_goes_on_until_nothing_compiles_any_more() -> None:
    rows, told = Rows("length"), list[str]()
    warm(rows, Resident(compiles=2), told)
    assert [line.partition(",")[0] for line in told] == [
        "warm-up round 1: 1 compilations",
        "warm-up round 2: 2 compilations",
    ]
    assert {len(ask.prompt) for ask in rows.asked} == {1, 3, 17, 28}
    assert len(rows.asked) % 3 == 0


def test_what_compiles_for_ever_does_not_start() -> None:
    with pytest.raises(StartError, match=r"still compiles after 8 rounds of warm-up; set model\.compile = false"):
        warm(Rows("length"), Resident(compiles=99))
