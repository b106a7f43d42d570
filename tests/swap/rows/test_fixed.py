"""Steps of fixed shape: the answers are the same, whoever is who, and nothing compiles after the start."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch._dynamo
from kits.rows import Bench, bench

from hotswapd.swap.errors import StartError
from hotswapd.swap.rows.fixed import FixedRunner
from hotswapd.swap.rows.runner import PagedRunner
from hotswapd.swap.rows.tickets import Progress

SIZES: dict[str, Any] = {"context_tokens": 128, "batch_tokens": 128, "max_requests": 4}
PROMPTS = tuple(tuple((11 * place + 3 * one) % 90 + 3 for place in range(3 + 9 * one)) for one in range(3))


@pytest.fixture
def fixed() -> Iterator[Bench]:
    """A bench whose steps have fixed shapes, uncompiled: what a CUDA device captures, run as it is."""
    with bench(**SIZES) as one:
        free: Any = one.loop._runner
        assert isinstance(free, PagedRunner)
        one.loop._runner = FixedRunner(
            one.resident.model,
            one.resident.low_rank,
            free._cache,
            free._attention,
            longest=one.engine.context,
            most=4,
            spare=free._cache.pages - 1,
            compiled=False,
        )
        yield one


def mixed(one: Bench) -> None:
    """Ask four generations at once, and compare each answer with its own reference."""
    asked = [(prompt, *one.ask(prompt, generation=number)) for prompt in PROMPTS for number in one.rows.generations()]
    assert all(one.right(ticket, listener, prompt) for prompt, ticket, listener in asked)


def test_each_row_has_its_own_adapter(fixed: Bench) -> None:
    """The base and three adapters in one step: a mask tells who is who."""
    for index in range(3):
        fixed.open(index)
    mixed(fixed)


def test_it_is_the_fixed_shapes_that_answer(fixed: Bench) -> None:
    """One size is made for each number of rows that came, with and without adapters."""
    runner: Any = fixed.loop._runner
    assert fixed.ask(PROMPTS[0])[1].wait().finish == "length"
    fixed.swap(1)
    assert fixed.ask(PROMPTS[1])[1].wait().finish == "length"
    assert {(size.rows, size.adapts) for size in runner._steps} == {(1, False), (1, True)}
    assert runner.captures == 0, "nothing is captured without CUDA, and nobody is told that something was"


def test_a_row_that_is_not_finite_fails_alone(fixed: Bench) -> None:
    """The padding rows and the masked ones never carry a NaN to another request."""
    bad, good = fixed.open(0), fixed.open(1)
    # Finite, as admission wants it; its products are not.
    bad.buffer.view(fixed.resident.layout.slots[0].a.dtype).fill_(1e30)
    heard = [fixed.ask(PROMPTS[1], generation=image.number) for image in (bad, good)]
    failed: Progress = heard[0][1].wait()
    assert (failed.finish, failed.code) == ("error", "non_finite")
    assert fixed.right(*heard[1], PROMPTS[1])


@pytest.mark.slow
def test_nothing_compiles_after_the_start() -> None:
    """Swaps and mixes change values in tensors, and no shape: one compilation for each number of rows and family."""
    with bench(**SIZES | {"max_requests": 1}, compile=True) as one:
        assert one.engine.compiled
        for index in (0, 1, 2, 0, 1):
            one.swap(index)
            one.await_room()
        for index in range(2):
            one.open(index)
        mixed(one)
        assert one.resident.recompiles == 0


@pytest.mark.slow
def test_a_model_that_compiles_without_end_is_not_started() -> None:
    """With torch's limit at one, the second family would run uncompiled, and nobody would know."""
    few: Any = torch._dynamo.config.patch(recompile_limit=1)
    with few, pytest.raises(StartError, match="recompile limit"), bench(**SIZES | {"max_requests": 1}, compile=True):
        raise AssertionError("it started")
