"""What only a CUDA device can show: exact swaps on it, nothing compiled again, copies in order, memory that stays."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from kits.rows import ADAPTERS, Bench, adapter, bench, reference

from hotswapd.swap.resident.sanity import run_probe

pytestmark = pytest.mark.gpu
SWAPS = 100
PROMPTS = ((5, 6, 7), tuple(range(30, 130)))
TOKENS = 12


@pytest.fixture(scope="module")
def one() -> Iterator[Bench]:
    """Open the bench as a daemon on this machine would: device and compile are ``auto``, the dtype is float32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    with bench(compile="auto") as made:
        assert made.resident.device.type == "cuda"
        assert made.engine.compiled
        yield made


def test_a_hundred_swaps_answer_as_peft_without_compiling(one: Bench) -> None:
    """Each answer is, token by token, a fresh PEFT load's (computed on the CPU); 0 compilations in all threads."""
    for number in range(SWAPS):
        one.await_room()
        one.swap(number % ADAPTERS)
        asked = [(one.ask(prompt, TOKENS), prompt) for prompt in PROMPTS]
        for (ticket, heard), prompt in asked:
            assert one.right(ticket, heard, prompt, TOKENS)
    assert one.resident.recompiles == 0


def test_a_copy_ends_before_the_next_step_reads_it(one: Bench) -> None:
    """While another stream keeps the device busy, no turn computes with a half-copied or an older arena."""
    images = [one.resident.stage(one.resident.admit(adapter(index))) for index in range(2)]
    busy = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    matrix = torch.randn(4096, 4096, device="cuda")
    expected = []
    try:
        for image in images:
            with one.resident.visit(image):
                expected.append(_logits(one))
        for number in range(50):
            with torch.cuda.stream(busy):
                matrix = torch.tanh(matrix @ matrix)
            with one.resident.visit(images[number % 2]):
                assert torch.equal(one.resident.arena.buffer, images[number % 2].buffer)
                assert torch.allclose(_logits(one), expected[number % 2], atol=1e-5)
    finally:
        for image in images:
            one.resident.drop(image)
    torch.cuda.synchronize()


def _logits(one: Bench) -> torch.Tensor:
    with torch.inference_mode():
        ids = torch.tensor([[5, 6, 7]], device="cuda")
        found: torch.Tensor = one.resident.model(input_ids=ids, use_cache=False).logits
        return found.clone()


def test_swaps_take_no_more_memory_on_the_device(one: Bench) -> None:
    """Images are allocated at the start: after a hundred swaps the device holds what it held after two."""
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
