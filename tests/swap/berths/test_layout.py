"""Where each weight lies in a berth."""

import itertools

import torch

from hotswapd.swap.adapter.contract import Contract, Slot
from hotswapd.swap.berths.layout import ALIGNMENT, Layout

CONTRACT = Contract(("x",), (Slot("a", 5, 7), Slot("b", 300, 2)), 3, "bfloat16")


def test_the_layout_takes_little_more_than_the_weights() -> None:
    """Places follow each other in the contract's order, each aligned, with less than an alignment between them."""
    layout = Layout.of(CONTRACT, torch.bfloat16)
    places = [place for slot in layout for place in (slot.a, slot.b, slot.scaling)]
    assert [place.shape for place in places] == [(3, 5), (7, 3), (), (3, 300), (2, 3), ()]
    for place, following in itertools.pairwise(places):
        assert place.offset % ALIGNMENT == 0
        assert 0 <= following.offset - (place.offset + place.size) < ALIGNMENT
    assert places[-1].offset + places[-1].size <= layout.size


def test_a_view_is_the_berths_own_memory() -> None:
    """Nothing is copied: what is written through a view is in the berth, and only there."""
    layout = Layout.of(CONTRACT, torch.bfloat16)
    buffer = torch.zeros(layout.size, dtype=torch.uint8)
    for place in layout:
        for part in (place.a, place.b, place.scaling):
            view = part.view(buffer)
            assert (view.shape, view.dtype) == (part.shape, part.dtype)
            view.fill_(1.0)
            assert int(buffer.count_nonzero()) == int(view.view(-1).view(torch.uint8).count_nonzero())
            buffer.zero_()
