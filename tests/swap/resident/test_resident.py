"""The resident: what is live answers, each turn sees its own weights, and going back needs no staging."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.contracts import Base
from kits.residents import answer, go_live, largest_difference, opened, reference, same_bits

from hotswapd.swap.errors import BaseUnusable, DeviceMissing, NoImage
from hotswapd.swap.resident.base import ResidentSpec
from hotswapd.swap.resident.resident import Resident

LIMIT = 60.0


@pytest.fixture
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base, images=4) as made:
        yield made


@pytest.fixture(scope="module")
def adapters(llama: Base) -> list[Path]:
    return [llama.make(f"resident-{n}", seed=n, rank=1 + 3 * n, targets="all-linear") for n in range(3)]


def test_begins_with_the_base(llama: Base, resident: Resident) -> None:
    """Generation 0 is live, named by a digest of zeros, and nothing has to be compiled for it."""
    assert (resident.live.generation, resident.live.digest) == (0, "0" * 64)
    assert same_bits(answer(resident), reference(llama.base, None))
    assert resident.recompiles == 0


def test_a_swap_is_live_when_it_returns(llama: Base, resident: Resident, adapters: list[Path]) -> None:
    """Image, number and digest are those that were asked for, and the answers are PEFT's."""
    image = resident.swap(adapters[0], 7, "ab" * 32)
    assert resident.live is image
    assert (image.generation, image.digest) == (7, "ab" * 32)
    assert largest_difference(answer(resident), reference(llama.base, adapters[0])) < 1e-4


def test_a_candidate_that_is_only_verified_is_not_live(resident: Resident, adapters: list[Path]) -> None:
    """Verification leaves arena and answers as they were, and tells what it measured."""
    before, said = resident.arena.digest(), answer(resident)
    image = resident.stage(resident.admit(adapters[1]))
    numbers = resident.verify(image)
    assert numbers["probe_finite"] == 1.0
    assert 0 < numbers["probe_largest_logit"] < 1e4
    assert (image.generation, resident.live.generation, resident.arena.digest()) == (None, 0, before)
    assert same_bits(answer(resident), said)
    resident.drop(image)


def test_the_pause_is_that_of_the_copy(resident: Resident, adapters: list[Path]) -> None:
    """A commit says for how long no step could run, in seconds."""
    image = resident.stage(resident.admit(adapters[0]))
    assert 0 < resident.commit(image, 1) < 5
    resident.drop(image)


def test_going_back_is_bit_for_bit_and_needs_no_staging(resident: Resident, adapters: list[Path]) -> None:
    """An image that nobody holds any more is still on the device, and is what it was."""
    first = go_live(resident, adapters[0])
    digest, said = resident.arena.digest(), answer(resident)
    go_live(resident, adapters[1])
    assert resident.arena.digest() != digest
    kept = resident.pool.kept(first.number)
    assert kept is first
    resident.hold(kept)
    resident.commit(kept, first.number)
    resident.drop(kept)
    assert resident.live is first
    assert resident.arena.digest() == digest
    assert same_bits(answer(resident), said)


def test_going_back_to_the_base_is_going_back_to_the_base(
    llama: Base, resident: Resident, adapters: list[Path]
) -> None:
    """Generation 0 can be made live again and again, and its image is never given away."""
    for adapter in adapters:
        go_live(resident, adapter)
        resident.hold(resident.base_image)
        resident.commit(resident.base_image, 0)
        resident.drop(resident.base_image)
        assert resident.live is resident.base_image
        assert same_bits(answer(resident), reference(llama.base, None))
    assert not resident.base_image.buffer.any()


def test_the_same_again_is_a_generation_of_its_own(resident: Resident, adapters: list[Path]) -> None:
    """Two stagings of one adapter are two images with the same bytes."""
    first = go_live(resident, adapters[0])
    digest = resident.arena.digest()
    second = go_live(resident, adapters[0])
    assert first is not second
    assert (second.generation, resident.arena.digest()) == (first.number + 1, digest)


def test_more_swaps_than_images(resident: Resident, adapters: list[Path]) -> None:
    """Old images make room, so a resident is never full while only the live one is needed."""
    for turn in range(12):
        go_live(resident, adapters[turn % 3])
    assert resident.live.generation == 12


def test_without_a_free_image_nothing_is_staged(resident: Resident, adapters: list[Path]) -> None:
    """Images that lanes hold are not overwritten; when one is given up the candidate fits."""
    plan = resident.admit(adapters[0])
    held = [resident.stage(plan) for _ in range(4)]
    with pytest.raises(NoImage):
        resident.stage(plan)
    resident.drop(held.pop())
    resident.drop(resident.stage(plan))
    for image in held:
        resident.drop(image)


def test_every_turn_sees_its_own_weights(llama: Base, resident: Resident, adapters: list[Path]) -> None:
    """Three threads with three generations, and a swap in the midst of it: no answer is mixed."""
    images = [go_live(resident, adapter) for adapter in adapters]
    for image in images[:2]:
        resident.hold(image)
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
    resident.hold(images[2])
    for turn in range(6):
        image = resident.stage(resident.admit(adapters[turn % 2]))
        resident.verify(image)
        resident.drop(image)
    for thread in threads:
        thread.join(LIMIT)
    assert wrong == []


def test_an_error_inside_a_turn_passes_it_on(resident: Resident, adapters: list[Path]) -> None:
    """A lane whose step fails does not stop the others."""
    image = go_live(resident, adapters[0])
    with pytest.raises(ZeroDivisionError), resident.turn(image):
        raise ZeroDivisionError
    with resident.turn(resident.base_image):
        pass


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
