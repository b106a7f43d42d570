"""The low-rank parts of a step: each row gets its own generation's, and a row of the base none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import logits, oracle_model
from kits.contracts import Base
from kits.models import tiny
from kits.residents import PROMPTS, answer, largest_difference, opened, reference, same_bits, staged
from torch import nn

from hotswapd.swap.adapter.contract import Contract, Slot
from hotswapd.swap.berths.image import Image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.berths.low_rank import LowRank, RowsOutOfOrder, Segment, _runs
from hotswapd.swap.errors import NoSlots
from hotswapd.swap.resident.resident import Resident

SHAPES: list[dict[str, Any]] = [
    {"rank": 3, "targets": "all-linear", "alpha": 5},
    {"rank": 16, "targets": ["q_proj", "down_proj"]},
    {"rank": 1, "targets": ["v_proj"], "use_rslora": True},
]


@pytest.fixture(scope="module")
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base) as made:
        yield made


@pytest.fixture(scope="module")
def adapters(llama: Base) -> list[Path]:
    return [llama.make(f"low-rank-{at}", seed=at, **shape) for at, shape in enumerate(SHAPES)]


@pytest.fixture(scope="module")
def images(resident: Resident, adapters: list[Path]) -> Iterator[list[Image]]:
    made = [resident.stage(resident.admit(one), f"{at}") for at, one in enumerate(adapters)]
    yield made
    for image in made:
        resident.drop(image)


@pytest.fixture(scope="module")
def truths(llama: Base, adapters: list[Path]) -> list[list[torch.Tensor]]:
    return [reference(llama.base, one) for one in adapters]


def as_left(resident: Resident) -> list[torch.Tensor]:
    """Compute the logits of every prompt with whatever was left behind, as a step does that sets its own rows only."""
    with resident.step():
        return [logits(resident.model, prompt) for prompt in PROMPTS]


def test_no_adapter_is_the_bare_base(llama: Base, resident: Resident, images: list[Image]) -> None:
    """To the last bit, whatever was used before, and whoever looks next."""
    with resident.visit(images[0]):
        pass
    assert same_bits(as_left(resident), reference(llama.base, None))
    assert same_bits(answer(resident), reference(llama.base, None))


def test_one_image_for_all_rows_is_peft(
    resident: Resident, images: list[Image], truths: list[list[torch.Tensor]]
) -> None:
    """In any order, each after another one."""
    for at in (0, 1, 2, 1, 0):
        assert largest_difference(answer(resident, images[at]), truths[at]) < 1e-4


@pytest.mark.parametrize("order", [(0, 1, 2), (2, None, 0), (None, 1), (1, 1, None, 2)])
def test_each_row_has_its_own(
    llama: Base, resident: Resident, images: list[Image], adapters: list[Path], order: tuple[int | None, ...]
) -> None:
    """Rows of a module's input, some of the base, between others: each is multiplied by its own A and B."""
    x = torch.randn(4 * len(order), 48, generator=torch.Generator().manual_seed(1))
    segments = [Segment(images[at], 4 * n, 4 * n + 4) for n, at in enumerate(order) if at is not None]
    names = [slot.module for slot in resident.contract.slots if slot.inputs == 48]
    oracles = [None if at is None else oracle_model(llama.base, adapters[at]) for at in order]
    with resident.step(), torch.inference_mode():
        for name in names:
            resident.low_rank.use(segments, len(x))
            ours = resident.model.get_submodule(name)(x[None])[0]
            resident.low_rank.stop()
            plain = resident.model.get_submodule(name)(x)
            for n, oracle in enumerate(oracles):
                rows = slice(4 * n, 4 * n + 4)
                wanted = plain[rows] if oracle is None else oracle.base_model.model.get_submodule(name)(x[rows])
                assert torch.allclose(ours[rows], wanted, atol=1e-5), (name, n)
                assert oracle is not None or torch.equal(ours[rows], wanted)


def test_a_module_that_no_adapter_touches_is_left_alone(resident: Resident, images: list[Image]) -> None:
    """Its product is the base's own, and it does not even look at how many rows there are."""
    module = resident.model.get_submodule("model.layers.0.mlp.up_proj")
    x = torch.randn(5, 48)
    with resident.step(), torch.inference_mode():
        resident.low_rank.use([Segment(images[1], 0, 2)], 3)  # on q_proj and down_proj alone
        assert torch.equal(module(x), torch.nn.functional.linear(x, module.weight))
        resident.low_rank.stop()


def test_a_module_that_sees_other_rows_is_told(resident: Resident, images: list[Image]) -> None:
    """An expert is given some rows only: to add by the step's order would give them another generation's part."""
    module = resident.model.get_submodule("model.layers.0.mlp.up_proj")
    with resident.step(), torch.inference_mode():
        resident.low_rank.use([Segment(images[0], 0, 2)], 4)
        try:
            with pytest.raises(RowsOutOfOrder, match=r"up_proj is given 3 rows of 4"):
                module(torch.randn(3, 48))
        finally:
            resident.low_rank.stop()


def test_the_same_step_again_is_not_set_up_again(resident: Resident, images: list[Image]) -> None:
    """Answers go on for many steps with the same rows; a change of rows or of images is seen."""
    module = resident.model.get_submodule("model.layers.0.self_attn.q_proj")
    x = torch.randn(4, 48)
    with resident.step(), torch.inference_mode():
        found = []
        for segments in ([Segment(images[0], 0, 2)], [Segment(images[0], 0, 2)], [Segment(images[0], 2, 4)], []):
            resident.low_rank.use(segments, 4)
            found.append(module(x))
        resident.low_rank.stop()
    plain = torch.nn.functional.linear(x, module.weight)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0][2:], plain[2:])
    assert not torch.allclose(found[0][:2], plain[:2])
    assert torch.equal(found[2][:2], plain[:2])
    assert not torch.allclose(found[2][2:], plain[2:])
    assert torch.equal(found[3], plain)


def test_what_is_written_into_a_berth_is_what_answers(resident: Resident, images: list[Image]) -> None:
    """A part views its image; the image is never copied."""
    module, x = resident.model.get_submodule("model.layers.0.self_attn.q_proj"), torch.randn(1, 48)
    place = next(one for one in resident.layout if one.slot.module.endswith("layers.0.self_attn.q_proj"))
    b = place.b.view(images[0].buffer)
    kept = b.clone()
    try:
        with resident.visit(images[0]), torch.inference_mode():
            assert not torch.allclose(module(x), torch.nn.functional.linear(x, module.weight))
            b.zero_()
            assert torch.equal(module(x), torch.nn.functional.linear(x, module.weight))
    finally:
        b.copy_(kept)


def test_an_error_leaves_nothing_added(llama: Base, resident: Resident, images: list[Image]) -> None:
    """The next visitor of the base finds the base, and so does who is no visitor."""
    with pytest.raises(ZeroDivisionError), resident.visit(images[0]):
        raise ZeroDivisionError
    assert same_bits(as_left(resident), reference(llama.base, None))
    assert same_bits(answer(resident), reference(llama.base, None))


def test_a_berth_used_again_serves_its_new_adapter(llama: Base, adapters: list[Path]) -> None:
    """Each staging makes a new image, so that nothing that was remembered of the old one is taken for the new one's."""
    with opened(llama.base, berths=1) as one:
        for adapter in (*adapters, *adapters[::-1]):
            with staged(one, adapter) as image:
                assert image.berth == 0
                assert largest_difference(answer(one, image), reference(llama.base, adapter)) < 1e-4


def test_a_subclass_of_linear_keeps_its_own_forward() -> None:
    """The base's product is the module's own, whatever that computes."""

    class Doubled(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = Doubled(4, 4)

    model = Model()
    x = torch.randn(2, 4)
    before = model.one(x)
    layout = Layout.of(Contract(("x",), (Slot("one", 4, 4),), 2, "float32"), torch.float32)
    LowRank(model, layout, torch.zeros((1, layout.size), dtype=torch.uint8))
    assert torch.equal(model.one(x), before)


def test_nothing_of_the_model_is_trained(resident: Resident) -> None:
    """The model is in eval mode and no parameter takes a gradient."""
    assert not resident.model.training
    assert not any(parameter.requires_grad for parameter in resident.model.parameters())


def test_the_model_has_no_more_parameters_than_the_base(llama: Base, resident: Resident) -> None:
    """Berths lie beside the model: its state is that of the base, under the base's names."""
    assert list(resident.model.state_dict()) == list(oracle_model(llama.base, None).state_dict())
    assert torch.equal(logits(resident.model, [1, 2]), logits(oracle_model(llama.base, None), [1, 2]))


def test_a_base_without_slots_is_refused(tmp_path: Path) -> None:
    """No resident is made; the sentence has the name that was asked for and those that could carry a slot."""
    base = tiny("llama", tmp_path / "base")
    said = r"model\.target_modules: 'c_attn' names no module of the base; .*: down_proj, .*, v_proj$"
    with pytest.raises(NoSlots, match=said), opened(base, target_modules=("c_attn",)):
        pass


def test_berths_side_by_side_are_multiplied_together(llama: Base) -> None:
    """Three adapters of other ranks and scalings, one row each or several; what lay there before had the full rank."""
    shapes = [{"rank": 3, "alpha": 5}, {"rank": 16, "alpha": 40}, {"rank": 1, "use_rslora": True}]
    adapters = [llama.make(f"run-{at}", seed=at, targets="all-linear", **shape) for at, shape in enumerate(shapes)]
    full = llama.make("run-full", seed=9, targets="all-linear", rank=16)
    with opened(llama.base, berths=3) as resident:
        before = [resident.stage(resident.admit(full), "full") for _ in adapters]
        for image in before:
            resident.drop(image)
        images = [resident.stage(resident.admit(one), f"{at}") for at, one in enumerate(adapters)]
        berths = sorted(range(3), key=lambda at: images[at].berth)
        oracles = [oracle_model(llama.base, adapters[at]) for at in berths]
        for rows in (1, 4):
            x = torch.randn(3 * rows, 48, generator=torch.Generator().manual_seed(rows))
            segments = [Segment(images[at], rows * n, rows * n + rows) for n, at in enumerate(berths)]
            with resident.step(), torch.inference_mode():
                resident.low_rank.use(segments, len(x))
                for name in [slot.module for slot in resident.contract.slots if slot.inputs == 48]:
                    ours = resident.model.get_submodule(name)(x[None])[0]
                    wanted = [
                        oracle.base_model.model.get_submodule(name)(x[rows * n : rows * n + rows])
                        for n, oracle in enumerate(oracles)
                    ]
                    assert torch.allclose(ours, torch.cat(wanted), atol=1e-5), name
                resident.low_rank.stop()
        for image in images:
            resident.drop(image)


def test_rows_are_multiplied_together_only_where_they_are_neighbours_and_as_many() -> None:
    berths = [Image(torch.empty(0), "", berth=berth, generation=berth + 1) for berth in (0, 1, 2, 4, 5)]
    rows = [(0, 1), (1, 2), (2, 4), (4, 6), (7, 9)]
    segments = [Segment(image, *at) for image, at in zip(berths, rows, strict=True)]
    assert [[one.start for one in run] for run in _runs(segments)] == [[0, 1], [2], [4], [7]]
    assert _runs([]) == []
