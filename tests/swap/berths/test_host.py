"""Host memory: what has lost its berth comes back bit for bit, bounded, and never changed without a word."""

from collections.abc import Iterator

import pytest
import torch
from kits.residents import free
from kits.rows import SHORT_ASK, Bench, bench, digest_of

from hotswapd.swap.berths.host import HostMemory
from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import BytesChanged


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with bench(berths=3) as opened:
        yield opened


@pytest.fixture
def image(made: Bench) -> Iterator[Image]:
    staged = made.stage(1)
    yield staged
    made.resident.drop(staged)


def test_it_comes_back_bit_for_bit(made: Bench, image: Image) -> None:
    """Into another berth, whatever lay there before; the padding of its rank is not kept."""
    memory = HostMemory(made.resident.layout, most=1 << 30)
    memory.keep(image)
    assert 0 < memory.held < len(image.buffer)
    again = made.resident.berths.take(image.digest)
    again.buffer.fill_(0xFF)
    assert memory.lay_out(again)
    assert torch.equal(again.buffer, image.buffer)
    assert again.ranks == image.ranks
    made.resident.drop(again)


def test_what_is_not_here_is_not_laid_out(made: Bench, image: Image) -> None:
    assert not HostMemory(made.resident.layout, most=1 << 30).lay_out(image)


def test_bytes_that_have_changed_are_not_laid_out(made: Bench, image: Image) -> None:
    """The berth keeps what it had."""
    memory, before = HostMemory(made.resident.layout, most=1 << 30), image.buffer.clone()
    memory.keep(image)
    memory._kept[image.digest].packed.data[0] ^= 1
    with pytest.raises(BytesChanged, match="has changed in host memory"):
        memory.lay_out(image)
    assert torch.equal(image.buffer, before)


def test_a_berth_for_what_has_changed_is_given_back(made: Bench, image: Image) -> None:
    """And the error is what the caller gets, not silence: that would pass for what is not in memory."""
    made.engine.host.keep(image)
    made.engine.host._kept[image.digest].packed.data[0] ^= 1
    before = free(made.resident)
    with pytest.raises(BytesChanged, match="has changed in host memory"):
        made.engine.stage_from_memory(image.digest)
    assert free(made.resident) == before
    made.engine.host.forget(image.digest)
    assert made.engine.stage_from_memory(image.digest) is None
    assert free(made.resident) == before


def test_what_came_first_goes_first(made: Bench, image: Image) -> None:
    """Kept again, it has come last; what is larger than all there is is not kept."""
    memory = HostMemory(made.resident.layout, most=1 << 30)
    memory.keep(image)
    size, others = memory.held, [made.stage(1), made.stage(1)]
    for number, other in enumerate(others):
        other.digest = f"{number:064x}"
    memory._most = 2 * size
    memory.keep(others[0])
    memory.keep(image)
    memory.keep(others[1])
    assert (image.digest in memory, others[0].digest in memory, others[1].digest in memory) == (True, False, True)
    assert memory.held == 2 * size
    small = HostMemory(made.resident.layout, most=size - 1)
    small.keep(image)
    assert (small.held, image.digest in small) == (0, False)
    for other in others:
        made.resident.drop(other)


def test_only_what_is_parked_is_remembered() -> None:
    """What has retired goes back to its files; what requests may still ask for is copied before its berth is taken."""
    with bench(berths=2) as one:
        one.swap(0)
        one.swap(1)
        one.resident.drop(one.stage(2))
        assert digest_of(0) not in one.engine.host
        assert one.rows.park_idle()
        held = [one.stage(2), one.stage(3)]
        assert digest_of(1) in one.engine.host
        one.resident.drop(held[0])
        again = one.engine.stage_from_memory(digest_of(1))
        assert again is not None
        one.route(again, 1)
        one.resident.drop(again)
        assert one.right(*one.ask(SHORT_ASK), SHORT_ASK)
        one.resident.drop(held[1])
