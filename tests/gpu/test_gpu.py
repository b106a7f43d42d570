"""What only a CUDA device can show: exact rows on it, nothing compiled or captured again, copies in order, memory."""

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from kits.rows import ADAPTERS, Bench, Listener, adapter, bench, reference

from hotswapd.swap.resident.sanity import run_probe
from hotswapd.swap.rows.fixed import FixedRunner
from hotswapd.swap.rows.tickets import Ticket

pytestmark = pytest.mark.gpu
SWAPS = 200
PROMPTS = ((5, 6, 7), tuple(range(30, 130)))
TOKENS = 12
Asked = tuple[tuple[Ticket, Listener], tuple[int, ...]]


@pytest.fixture(scope="module")
def one() -> Iterator[Bench]:
    """Open the bench as a daemon on this machine would: device and compile are ``auto``, the dtype is float32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    with bench(berths=ADAPTERS + 1, compile="auto") as made:
        assert made.resident.device.type == "cuda"
        yield made


def captures(one: Bench) -> int:
    """Count the graphs that were captured since the start."""
    return cast("FixedRunner", one.loop._runner).captures


def ask_all(one: Bench, generations: tuple[int | None, ...]) -> list[Asked]:
    return [(one.ask(prompt, TOKENS, number), prompt) for number in generations for prompt in PROMPTS]


def are_right(one: Bench, asked: list[Asked]) -> bool:
    return all(one.right(ticket, heard, prompt, TOKENS) for (ticket, heard), prompt in asked)


def test_swaps_and_mixes_answer_as_peft_without_compiling_or_capturing(one: Bench) -> None:
    """Each answer is, token by token, a fresh PEFT load's (computed on the CPU), whatever shares its steps."""
    before = captures(one)
    assert before > 0
    under_way: list[list[Asked]] = []
    for number in range(SWAPS):
        one.await_room()
        one.swap(number % ADAPTERS)
        under_way.append(ask_all(one, (None,)))
        if len(under_way) == ADAPTERS:  # the oldest of them go on while newer generations answer
            assert are_right(one, under_way.pop(0))
    assert all(are_right(one, asked) for asked in under_way)
    assert one.resident.recompiles == 0
    assert captures(one) == before


def test_all_generations_and_the_base_share_a_step(one: Bench) -> None:
    """Four adapters and the base, live and beside it, asked at once."""
    images = [one.open(index) for index in range(ADAPTERS - 1)]
    try:
        one.swap(ADAPTERS - 1)
        before = captures(one)
        assert are_right(one, ask_all(one, (None, *(image.number for image in images))))
        assert captures(one) == before
    finally:
        for image in images:
            one.rows.close(image.number)


def test_going_live_copies_nothing_and_waits_for_nothing(one: Bench) -> None:
    """The route changes while the device is busy for far longer than the change takes; each berth stays as it is."""
    images = [one.stage(index) for index in (0, 1)]
    memory = one.resident.berths.memory.clone()
    matrix = torch.randn(8192, 8192, device="cuda")
    torch.cuda.synchronize()
    for _ in range(200):
        matrix = torch.tanh(matrix @ matrix)
    working: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
    working.record()
    for number, image in enumerate(images):
        one.route(image, number)
    assert not working.query(), "the change of route waited for the device"
    torch.cuda.synchronize()
    assert torch.equal(one.resident.berths.memory, memory)
    for image in images:
        one.resident.drop(image)


def test_a_copy_ends_before_the_next_step_reads_it(one: Bench) -> None:
    """While another stream keeps the device busy, no step computes with a half-copied berth."""
    busy = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    matrix = torch.randn(4096, 4096, device="cuda")
    expected: dict[int, torch.Tensor] = {}
    for number in range(50):
        with torch.cuda.stream(busy):
            matrix = torch.tanh(matrix @ matrix)
        one.await_room()
        image = one.resident.stage(one.resident.admit(adapter(number % 2)))
        with one.resident.visit(image):
            said = _logits(one)
        one.resident.drop(image)
        assert torch.allclose(said, expected.setdefault(number % 2, said), atol=1e-5)
    assert not torch.allclose(expected[0], expected[1], atol=1e-2)
    torch.cuda.synchronize()


def _logits(one: Bench) -> torch.Tensor:
    with torch.inference_mode():
        ids = torch.tensor([[5, 6, 7]], device="cuda")
        found: torch.Tensor = one.resident.model(input_ids=ids, use_cache=False).logits
        return found.clone()


def test_swaps_take_no_more_memory_on_the_device(one: Bench) -> None:
    """Berths are allocated at the start: after two hundred swaps the device holds what it held after two."""
    for index in (0, 1):
        _swap_and_ask(one, index)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    for number in range(SWAPS):
        _swap_and_ask(one, number % ADAPTERS)
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() <= before


def _swap_and_ask(one: Bench, index: int) -> None:
    one.await_room()
    one.swap(index)
    for prompt in PROMPTS:
        one.ask(prompt, TOKENS)[1].wait()


@pytest.mark.parametrize("generations", [0, 1, 2, 4])
def test_requests_of_several_generations_answer_side_by_side(one: Bench, generations: int) -> None:
    """Eight requests at once; what they came to in tokens a second is printed, with ``-s``."""
    images = [one.open(index) for index in range(generations)]
    numbers = [image.number for image in images] or [0]
    try:
        if not generations:
            one.rows.route(one.resident.base_image, 0)
        began = time.perf_counter()
        asked: list[Asked] = [(one.ask(PROMPTS[0], 200, numbers[at % len(numbers)]), PROMPTS[0]) for at in range(8)]
        assert are_right(one, asked)
        tokens = sum(len(heard.last.token_ids) for (_, heard), _ in asked)
        print(json.dumps({"generations": generations, "tokens_a_second": tokens / (time.perf_counter() - began)}))
    finally:
        for image in images:
            one.rows.close(image.number)


def test_the_references_are_far_apart() -> None:
    """The adapters answer differently, so a wrong generation cannot look right."""
    assert len({reference(index, PROMPTS[1], TOKENS) for index in (None, *range(ADAPTERS))}) == ADAPTERS + 1


@pytest.mark.parametrize("vocabulary", [32_000, 128_256, 151_936, 262_144])
def test_a_base_is_sane_whatever_its_vocabulary(vocabulary: int) -> None:
    """All logits are finite, and the share of them is one: not one but for the device's rounding."""

    class Flat:
        device = torch.device("cuda")

        def __call__(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
            return SimpleNamespace(logits=torch.zeros(1, input_ids.shape[1], vocabulary, device="cuda"))

    for tokens in range(1, 13):
        assert run_probe(Flat(), [1] * tokens).finite == 1.0
