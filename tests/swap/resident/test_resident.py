"""The resident: each step sees the weights it asked for, and going back needs no staging."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.contracts import Base
from kits.residents import answer, largest_difference, opened, reference, same_bits, stage, staged
from kits.waiting import until

from hotswapd.swap.errors import BaseUnusable, DeviceMissing, NoBerth
from hotswapd.swap.resident.resident import Resident, berth_dtype
from hotswapd.swap.resident.spec import ResidentSpec

LIMIT = 60.0


@pytest.fixture
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base, berths=4) as made:
        yield made


@pytest.fixture(scope="module")
def adapters(llama: Base) -> list[Path]:
    return [llama.make(f"resident-{n}", seed=n, rank=1 + 3 * n, targets="all-linear") for n in range(3)]


def test_begins_with_the_base(llama: Base, resident: Resident) -> None:
    """Generation 0 is named by a digest of zeros, has no berth, and nothing has to be compiled for it."""
    base = resident.base_image
    assert (base.generation, base.digest, base.berth) == (0, "0" * 64, -1)
    assert same_bits(answer(resident), reference(llama.base, None))
    assert resident.recompiles == 0


def test_a_staged_adapter_answers_as_peft_does(llama: Base, resident: Resident, adapters: list[Path]) -> None:
    """In its own berth, under the digest that was given."""
    with staged(resident, adapters[0], "ab" * 32) as image:
        assert (image.generation, image.digest, image.holders) == (None, "ab" * 32, 1)
        assert largest_difference(answer(resident, image), reference(llama.base, adapters[0])) < 1e-4


def test_verification_tells_what_it_measured(resident: Resident, adapters: list[Path]) -> None:
    """And leaves the candidate and every answer as they were."""
    image = resident.stage(resident.admit(adapters[1]))
    before, said = image.buffer.clone(), answer(resident)
    numbers = resident.verify(image)
    assert numbers["probe_finite"] == 1.0
    assert 0 < numbers["probe_largest_logit"] < 1e4
    assert image.generation is None
    assert torch.equal(image.buffer, before)
    assert same_bits(answer(resident), said)
    resident.drop(image)


def test_going_back_is_bit_for_bit_and_needs_no_staging(resident: Resident, adapters: list[Path]) -> None:
    """An image that nobody holds any more is still in its berth, and is what it was."""
    first = stage(resident, adapters[0])
    first.generation = 1
    said, content = answer(resident, first), first.buffer.clone()
    resident.drop(first)
    for adapter in adapters[1:]:
        with staged(resident, adapter):
            pass
    kept = resident.berths.kept(1)
    assert kept is first
    resident.hold(kept)
    assert torch.equal(kept.buffer, content)
    assert same_bits(answer(resident, kept), said)
    resident.release(kept)


def test_staging_beside_others_touches_none(llama: Base, resident: Resident, adapters: list[Path]) -> None:
    """Four berths with three adapters, and a fourth that comes and goes."""
    images = [stage(resident, adapter) for adapter in adapters]
    said = [answer(resident, image) for image in images]
    for adapter in (*adapters, *adapters):
        with staged(resident, adapter):
            assert all(same_bits(answer(resident, one), was) for one, was in zip(images, said, strict=True))
    assert same_bits(answer(resident), reference(llama.base, None))
    for image in images:
        resident.drop(image)


def test_the_same_again_is_an_image_of_its_own(resident: Resident, adapters: list[Path]) -> None:
    """Two stagings of one adapter are two images with the same bytes."""
    with staged(resident, adapters[0]) as first, staged(resident, adapters[0]) as second:
        assert first is not second
        assert first.berth != second.berth
        assert torch.equal(first.buffer, second.buffer)


def test_adapters_without_a_digest_are_not_taken_for_each_other(resident: Resident, adapters: list[Path]) -> None:
    """What a prefix has cached is found by the digest, so that an empty one may not be everybody's."""
    with staged(resident, adapters[0]) as first, staged(resident, adapters[1]) as second:
        assert first.digest
        assert second.digest
        assert first.digest != second.digest


def test_swaps_move_nothing(resident: Resident, adapters: list[Path]) -> None:
    """Berths have the addresses that they had, so that a captured graph reads the right memory."""
    before = [image.data_ptr() for image in resident.berths.memory]
    for number in range(12):
        with staged(resident, adapters[number % 3]) as image:
            image.generation = number + 1
            assert image.buffer.data_ptr() == before[image.berth]
    assert [image.data_ptr() for image in resident.berths.memory] == before
    assert len(resident.berths.images()) == resident.berths.count


def test_without_a_free_berth_nothing_is_staged(resident: Resident, adapters: list[Path]) -> None:
    """Images that are held are not overwritten; when one is given up the candidate fits."""
    plan = resident.admit(adapters[0])
    held = [resident.stage(plan) for _ in range(4)]
    with pytest.raises(NoBerth):
        resident.stage(plan)
    resident.drop(held.pop())
    resident.drop(resident.stage(plan))
    for image in held:
        resident.drop(image)


def test_every_visit_sees_its_own_weights(llama: Base, resident: Resident, adapters: list[Path]) -> None:
    """Three threads with three adapters, and stagings in the midst of it: no answer is mixed."""
    images = [stage(resident, adapter) for adapter in adapters]
    truths = [reference(llama.base, adapter) for adapter in adapters]
    wrong: list[tuple[int, float]] = []
    begin = threading.Barrier(4)

    def work(index: int) -> None:
        begin.wait(LIMIT)
        for _ in range(12):
            difference = largest_difference(answer(resident, images[index]), truths[index])
            if not difference < 1e-4:
                wrong.append((index, difference))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    begin.wait(LIMIT)
    for number in range(6):
        with staged(resident, adapters[number % 2]):
            pass
    for thread in threads:
        thread.join(LIMIT)
    assert wrong == []
    for image in images:
        resident.drop(image)


def test_a_step_that_fails_passes_the_right_on(resident: Resident) -> None:
    """Whoever waits for the model gets it."""
    with pytest.raises(ZeroDivisionError), resident.step():
        raise ZeroDivisionError
    with resident.step():
        pass


def test_a_pulse_waits_for_the_step_under_way(resident: Resident) -> None:
    """It returns once the step has ended, so that one that hangs is noticed."""
    done = threading.Event()

    def pulse() -> None:
        resident.pulse()
        done.set()

    waiting = threading.Thread(target=pulse)
    with resident.step():
        waiting.start()
        until(lambda: len(resident._turns._queue) == 2, "nobody waits for the step")
        assert not done.is_set()
    waiting.join(LIMIT)
    assert done.is_set()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_rank_parts_are_in_float32_on_a_cpu(dtype: torch.dtype) -> None:
    """As PEFT keeps them beside a base in half precision; a small product is faster so. On CUDA they are the base's."""
    assert berth_dtype(dtype, torch.device("cpu")) == torch.float32
    assert berth_dtype(dtype, torch.device("cuda")) == dtype


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"base": "/nowhere/at/all"}, BaseUnusable, r"model\.base: '/nowhere/at/all' cannot be read"),
        ({"device": "cuda:99"}, DeviceMissing, r"model\.device is 'cuda:99'"),
    ],
)
def test_what_cannot_be_opened_is_told(llama: Base, fields: dict[str, Any], error: type[Exception], words: str) -> None:
    """Each reason names the setting to look at."""
    with pytest.raises(error, match=words):
        Resident.open(ResidentSpec(**{"base": str(llama.base), "max_rank": 4, **fields}))


def test_a_base_whose_weights_are_broken_is_told(llama: Base, tmp_path: Path) -> None:
    """A configuration without usable weights is the base's fault, in one sentence."""
    for file in llama.base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(BaseUnusable, match=r"cannot be loaded"):
        Resident.open(ResidentSpec(str(tmp_path), max_rank=4))


def test_start_up_says_what_it_does(llama: Base) -> None:
    """Each part that takes time is announced in a sentence."""
    said: list[str] = []
    Resident.open(ResidentSpec(str(llama.base), max_rank=4), said.append).close()
    assert [sentence.split()[0] for sentence in said] == ["reading", "loading", "making", "the"]


def test_closed_residents_count_nothing_more(llama: Base) -> None:
    """The counter is taken off torch's callbacks, so residents that come and go leave none behind."""
    with opened(llama.base) as made:
        counter = made.compilations
    before = counter.count
    torch.compile(lambda x: x + 1, backend="eager")(torch.ones(3))
    assert counter.count == before
