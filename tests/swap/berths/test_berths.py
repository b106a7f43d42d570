"""Berths: a held one is nobody else's, none is ever lost, and what was live is found again."""

import pytest
import torch
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers

from hotswapd.swap.berths.berths import Berths
from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import NoBerth

COUNT = 3
CPU = torch.device("cpu")


class BerthsMachine(RuleBasedStateMachine):
    """Takes, holds, releases and numbers images at random, as worker and routes do, and writes into each."""

    images = Bundle("images")

    def __init__(self) -> None:
        super().__init__()
        self.berths = Berths(16, COUNT, CPU)
        self.held: list[Image] = []
        self.stamp = 0
        self.stamps: dict[int, int] = {}

    def _mark(self, image: Image) -> None:
        self.stamp = self.stamp % 250 + 1
        image.buffer.fill_(self.stamp)
        self.stamps[id(image)] = self.stamp

    @rule(target=images)
    def take(self) -> Image | None:
        busy = {image.buffer.data_ptr() for image in self.held}
        try:
            image = self.berths.take("d")
        except NoBerth:
            assert len(busy) == COUNT, "a buffer was lost"
            return None
        assert image.buffer.data_ptr() not in busy, "a held buffer was given away"
        self.held.append(image)
        self._mark(image)
        return image

    @rule(image=images)
    def hold(self, image: Image | None) -> None:
        if image is None:
            return
        findable = image in self.held or self.berths.kept(image.number) is image
        if findable:
            self.berths.hold(image)
            self.held.append(image)
        else:
            with pytest.raises(RuntimeError, match="may be used again"):
                self.berths.hold(image)

    @rule(image=images)
    def release(self, image: Image | None) -> None:
        if image in self.held:
            self.held.remove(image)
            self.berths.release(image)

    @rule(image=images, generation=integers(1, 4))
    def go_live(self, image: Image | None, generation: int) -> None:
        if image in self.held:
            image.generation = generation

    @rule(generation=integers(1, 4))
    def come_back(self, generation: int) -> None:
        image = self.berths.kept(generation)
        if image is not None:
            assert (image.generation, image.holders) == (generation, 0)
            self.berths.hold(image)
            self.held.append(image)

    @precondition(lambda self: not self.held)
    @rule()
    def all_are_there(self) -> None:
        taken = [self.berths.take("d") for _ in range(COUNT)]
        assert len({image.buffer.data_ptr() for image in taken}) == COUNT
        for image in taken:
            self.berths.release(image)

    @invariant()
    def room_is_exact(self) -> None:
        held = {image.berth for image in self.held}
        assert self.berths.room() == (len(held) < COUNT)

    @invariant()
    def each_lies_in_its_own_berth(self) -> None:
        there = self.berths.images()
        assert [image.berth for image in there] == sorted({image.berth for image in there})
        assert all(image.buffer.data_ptr() == self.berths.memory[image.berth].data_ptr() for image in there)
        assert all(any(image is one for one in there) for image in self.held)

    @invariant()
    def nobody_wrote_into_a_held_image(self) -> None:
        for image in self.held:
            assert image.buffer.tolist() == [self.stamps[id(image)]] * 16
            assert image.holders == sum(one is image for one in self.held)


BerthsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestBerths = BerthsMachine.TestCase


def test_a_full_device_is_told() -> None:
    """The error is one of its own, since the candidate only has to wait."""
    berths = Berths(8, 1, CPU)
    image = berths.take("a")
    with pytest.raises(NoBerth, match="every berth"):
        berths.take("b")
    berths.release(image)
    assert berths.take("b").digest == "b"


def test_what_was_let_go_longest_ago_gives_way_first() -> None:
    """What was needed last is what is most likely needed again."""
    berths = Berths(8, 2, CPU)
    for generation in (2, 1):
        image = berths.take("x")
        image.generation = generation
        berths.release(image)
    berths.take("new")
    assert berths.kept(2) is None
    assert berths.kept(1) is not None


def test_the_later_of_two_images_of_a_generation_is_kept() -> None:
    """A generation that was laid out twice takes one buffer when nobody holds it."""
    berths = Berths(8, 2, CPU)
    first, second = berths.take("x"), berths.take("x")
    first.generation = second.generation = 5
    berths.release(first)
    berths.release(second)
    assert berths.kept(5) is second
    berths.hold(second)
    assert berths.take("y").berth == first.berth


def test_generation_zero_has_no_berth() -> None:
    """The base needs no berth, and its image never becomes free."""
    berths = Berths(8, 1, CPU)
    base = Image(torch.zeros(8, dtype=torch.uint8), "0" * 64, generation=0, holders=1)
    berths.hold(base)
    for _ in range(2):
        berths.release(base)
    berths.hold(base)
    assert berths.take("a").berth != base.berth
