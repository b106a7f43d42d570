"""The image pool: a held buffer is nobody else's, none is ever lost, and what was live is found again."""

import pytest
import torch
from hotswapd.swap.berths.pool import ImagePool
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import NoImage

COUNT = 3
CPU = torch.device("cpu")


class PoolMachine(RuleBasedStateMachine):
    """Takes, holds, releases and numbers images at random, as worker and lanes do, and writes into each."""

    images = Bundle("images")

    def __init__(self) -> None:
        super().__init__()
        self.pool = ImagePool(16, COUNT, CPU)
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
            image = self.pool.take("d")
        except NoImage:
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
        findable = image in self.held or self.pool.kept(image.number) is image
        if findable:
            self.pool.hold(image)
            self.held.append(image)
        else:
            with pytest.raises(RuntimeError, match="may be used again"):
                self.pool.hold(image)

    @rule(image=images)
    def release(self, image: Image | None) -> None:
        if image in self.held:
            self.held.remove(image)
            self.pool.release(image)

    @rule(image=images, generation=integers(1, 4))
    def go_live(self, image: Image | None, generation: int) -> None:
        if image in self.held:
            image.generation = generation

    @rule(generation=integers(1, 4))
    def come_back(self, generation: int) -> None:
        image = self.pool.kept(generation)
        if image is not None:
            assert (image.generation, image.holders) == (generation, 0)
            self.pool.hold(image)
            self.held.append(image)

    @precondition(lambda self: not self.held)
    @rule()
    def all_are_there(self) -> None:
        taken = [self.pool.take("d") for _ in range(COUNT)]
        assert len({image.buffer.data_ptr() for image in taken}) == COUNT
        for image in taken:
            self.pool.release(image)

    @invariant()
    def nobody_wrote_into_a_held_image(self) -> None:
        for image in self.held:
            assert image.buffer.tolist() == [self.stamps[id(image)]] * 16
            assert image.holders == sum(one is image for one in self.held)


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPool = PoolMachine.TestCase


def test_says_when_every_image_is_held() -> None:
    """The error is one of its own, since the candidate only has to wait."""
    pool = ImagePool(8, 1, CPU)
    image = pool.take("a")
    with pytest.raises(NoImage, match="every device image"):
        pool.take("b")
    pool.release(image)
    assert pool.take("b").digest == "b"


def test_the_oldest_generation_gives_way_first() -> None:
    """What was live last is what an operator most likely goes back to."""
    pool = ImagePool(8, 2, CPU)
    for generation in (2, 1):
        image = pool.take("x")
        image.generation = generation
        pool.release(image)
    pool.take("new")
    assert pool.kept(1) is None
    assert pool.kept(2) is not None


def test_the_later_of_two_images_of_a_generation_is_kept() -> None:
    """A generation that was laid out twice takes one buffer when nobody holds it."""
    pool = ImagePool(8, 2, CPU)
    first, second = pool.take("x"), pool.take("x")
    first.generation = second.generation = 5
    pool.release(first)
    pool.release(second)
    assert pool.kept(5) is second
    pool.hold(second)
    assert pool.take("y").buffer is first.buffer


def test_generation_zero_is_nobodys_buffer() -> None:
    """The base's image is not from the pool and never becomes free."""
    pool = ImagePool(8, 1, CPU)
    base = Image(torch.zeros(8, dtype=torch.uint8), "0" * 64, generation=0, holders=1)
    pool.hold(base)
    for _ in range(2):
        pool.release(base)
    pool.hold(base)
    assert pool.take("a").buffer is not base.buffer
