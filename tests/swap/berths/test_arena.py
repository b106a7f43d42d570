"""The arena: every LoRA weight and scaling of the model is a view into one buffer, and stays one."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hotswapd.swap.berths.arena import SlotArena
from kits.contracts import Base
from kits.models import tiny
from kits.residents import answer, go_live, largest_difference, opened, reference, same_bits
from transformers import AutoConfig, AutoModelForCausalLM

from hotswapd.swap.adapter.contract import Contract, Slot
from hotswapd.swap.adapter.oracle import NAME, lora_layers
from hotswapd.swap.berths.layout import ALIGNMENT, Layout
from hotswapd.swap.errors import NoSlots
from hotswapd.swap.resident.resident import Resident


@pytest.fixture(scope="module")
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base) as made:
        yield made


def _views(resident: Resident) -> list[torch.Tensor]:
    found = []
    for layer in lora_layers(resident.model).values():
        found += [layer.lora_A[NAME].weight, layer.lora_B[NAME].weight, layer.scaling[NAME]]
    return found


def test_every_weight_and_scaling_lies_in_the_buffer(resident: Resident) -> None:
    """Each is inside, aligned, of the slots' dtype, and none overlaps another."""
    buffer, views = resident.arena.buffer, _views(resident)
    assert len(views) == 3 * len(resident.contract.slots)
    first, reached = buffer.data_ptr(), buffer.data_ptr()
    for view in sorted(views, key=lambda one: one.data_ptr()):
        assert view.data_ptr() >= reached
        assert (view.data_ptr() - first) % ALIGNMENT == 0
        reached = view.data_ptr() + view.nbytes
    assert reached <= first + buffer.nbytes


def test_writing_the_buffer_is_writing_the_model(resident: Resident) -> None:
    """Bytes that are set in the buffer are what the layers see."""
    before = resident.arena.buffer.clone()
    try:
        resident.arena.buffer.fill_(0x3F)
        assert all(bool((view.reshape(-1).view(torch.uint8) == 0x3F).all()) for view in _views(resident))
    finally:
        resident.arena.buffer.copy_(before)


def test_an_arena_of_zeros_is_the_bare_base(llama: Base, resident: Resident) -> None:
    """Generation 0 answers with the base's own logits."""
    assert same_bits(answer(resident, resident.base_image), reference(llama.base, None))


def test_swaps_move_nothing(llama: Base, resident: Resident, good: Path) -> None:
    """After a swap every view has the address that it had, so a compiled graph reads the right memory."""
    before = [view.data_ptr() for view in _views(resident)]
    go_live(resident, good)
    assert [view.data_ptr() for view in _views(resident)] == before
    assert largest_difference(answer(resident), reference(llama.base, good)) < 1e-4


def test_nothing_of_it_is_trained(resident: Resident) -> None:
    """The model is in eval mode and no parameter takes a gradient."""
    assert not resident.model.training
    assert not any(parameter.requires_grad for parameter in resident.model.parameters())


def test_the_digest_sees_every_byte(resident: Resident) -> None:
    """One changed bit anywhere changes it, and the bit put back gives the old one."""
    buffer, before = resident.arena.buffer, resident.arena.digest()
    for place in (0, len(buffer) // 2, len(buffer) - 1):
        buffer[place] ^= 1
        assert resident.arena.digest() != before
        buffer[place] ^= 1
    assert resident.arena.digest() == before


def test_the_layout_takes_little_more_than_the_weights() -> None:
    """Places follow each other in the contract's order, each aligned, with less than an alignment between them."""
    contract = Contract(("x",), (Slot("a", 5, 7), Slot("b", 300, 2)), 3, "bfloat16")
    layout = Layout.of(contract, torch.bfloat16)
    places = [place for slot in layout for place in (slot.a, slot.b, slot.scaling)]
    assert [place.shape for place in places] == [(3, 5), (7, 3), (), (3, 300), (2, 3), ()]
    for place, following in itertools.pairwise(places):
        assert place.offset % ALIGNMENT == 0
        assert 0 <= following.offset - (place.offset + place.size) < ALIGNMENT
    assert places[-1].offset + places[-1].size <= layout.size


def test_a_base_without_slots_is_refused(tmp_path: Path) -> None:
    """No resident is made; the sentence has the name that was asked for and those that could carry a slot."""
    base = tiny("llama", tmp_path / "base")
    said = r"model\.target_modules: 'c_attn' names no module of the base; .*: down_proj, .*, v_proj$"
    with pytest.raises(NoSlots, match=said), opened(base, target_modules=("c_attn",)):
        pass


def test_slots_that_peft_does_not_make_are_refused(llama: Base) -> None:
    """A module that PEFT leaves out would have a place in the arena and no meaning."""
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(llama.base))
    slots = (Slot("model.layers.0.self_attn.q_proj", 48, 48), Slot("model.layers.9.self_attn.q_proj", 48, 48))
    with pytest.raises(NoSlots, match="1 modules where 2 were named"):
        SlotArena(model, Contract(("x",), slots, 4, "float32"), torch.float32, torch.device("cpu"))
