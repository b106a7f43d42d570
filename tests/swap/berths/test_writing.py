"""Writing the arena: one copy a turn, taken back when it fails, and a loss when that fails too."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hotswapd.swap.berths.writing import ArenaWriter

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import ResidentLost

SIZE = 16


def image(value: int) -> Image:
    return Image(torch.full((SIZE,), value, dtype=torch.uint8), digest=str(value))


class Room:
    """An arena that holds image 0, and its writer. `broken` errors are raised by the next copies, half done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.buffer = torch.zeros(SIZE, dtype=torch.uint8)
        arena: Any = SimpleNamespace(buffer=self.buffer, layout=SimpleNamespace(size=SIZE))
        self.first, self.other = image(0), image(1)
        self.writer = ArenaWriter(arena, self.first)
        self.broken: list[BaseException] = []
        copy = self.writer._copy

        def maybe(one: Image) -> None:
            if self.broken:
                self.buffer[: SIZE // 2] = 99
                raise self.broken.pop(0)
            copy(one)

        monkeypatch.setattr(self.writer, "_copy", maybe)

    @property
    def held(self) -> set[int]:
        return set(self.buffer.tolist())


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)


def test_put_stays_and_is_timed(room: Room) -> None:
    """The copy is counted, and the same image again costs none."""
    assert room.writer.put(room.other) > 0
    room.writer.put(room.other)
    assert (room.held, room.writer.copies) == ({1}, 1)
    assert room.writer.copy_seconds > 0


def test_a_visit_leaves_the_arena_as_it_was(room: Room) -> None:
    """Whether its body ends well or not."""
    with room.writer.visit(room.other):
        assert room.held == {1}
    with pytest.raises(ZeroDivisionError), room.writer.visit(room.other):
        raise ZeroDivisionError
    assert room.held == {0}


def test_a_turn_that_finds_another_image_alternates(room: Room) -> None:
    """One that finds its own does not; nothing is put back at its end."""
    for _ in range(3):
        with room.writer.turn(room.other):
            assert room.held == {1}
    assert (room.writer.alternation.turns, room.held) == (1, {1})


def test_half_a_copy_is_taken_back(room: Room) -> None:
    """The error is the copy's own."""
    room.broken = [OSError("broken")]
    with pytest.raises(OSError, match="broken"):
        room.writer.put(room.other)
    assert room.held == {0}
    room.writer.put(room.other)
    assert room.held == {1}


def test_a_copy_back_that_fails_is_a_loss(room: Room) -> None:
    """Nobody knows then what the arena holds."""
    room.broken = [OSError("broken"), OSError("again")]
    with pytest.raises(ResidentLost, match="restart the process"):
        room.writer.put(room.other)


def test_a_sticky_error_is_a_loss_at_once(room: Room) -> None:
    """A copy back on a failed device would prove nothing, so none is tried."""
    room.broken = [RuntimeError("CUDA error: an illegal memory access was encountered")]
    with pytest.raises(ResidentLost, match="does not answer"):
        room.writer.put(room.other)
    assert room.writer.copies == 0


def test_what_cannot_be_put_back_is_a_loss(room: Room) -> None:
    """Even when the image that was to be replaced is in the arena again."""
    room.writer.put(room.other)
    room.broken = [OSError("broken")]
    with pytest.raises(ResidentLost, match="could not be put back"):
        room.writer.put_back(room.first)
    assert room.held == {1}
