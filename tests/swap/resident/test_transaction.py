"""The transaction: a failure at any step or tensor leaves the old generation live, bit for bit, or is a loss."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.contracts import Base
from kits.residents import answer, go_live, largest_difference, opened, reference, same_bits

from hotswapd.swap.berths.filling import _Filler
from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.resident.resident import Resident

STICKY = "CUDA error: an illegal memory access was encountered"


class Failing:
    """Lets a function work `good` times, then fail once (or ever after) with the error that it is given."""

    def __init__(self, work: Callable[..., Any], error: BaseException, good: int, *, ever_after: bool = False) -> None:
        self.work, self.error, self.good, self.ever_after = work, error, good, ever_after
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == self.good + 1 or (self.ever_after and self.calls > self.good):
            raise self.error
        return self.work(*args, **kwargs)

    @property
    def reached(self) -> bool:
        return self.calls > self.good


@pytest.fixture(scope="module")
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base, images=3) as made:
        made._pinned = torch.zeros_like(made.arena.buffer)  # so that the CPU uploads as a GPU does
        go_live(made, llama.make("transaction-old", rank=3, alpha=5))
        yield made


@pytest.fixture(scope="module")
def candidate(llama: Base) -> Path:
    return llama.make("transaction-new", seed=1, use_rslora=True)


@pytest.fixture
def unchanged(resident: Resident) -> Iterator[None]:
    """Hold arena, answer, generation and every buffer of the pool to what they were before the test."""
    live, digest, said = resident.live, resident.arena.digest(), answer(resident)
    free = len(resident.pool._free)
    kept = dict(resident.pool._kept)
    yield
    assert resident.live is live
    assert resident.arena.digest() == digest
    assert same_bits(answer(resident), said)
    assert (len(resident.pool._free), dict(resident.pool._kept)) == (free, kept)


def _half(resident: Resident, image: Image) -> None:
    """Copy as far as a failing device may have come."""
    middle = len(image.buffer) // 2
    resident.arena.buffer[:middle].copy_(image.buffer[:middle])


def _nowhere(image: Image) -> None:
    """Stand for a place that is always there."""


def _fails(
    resident: Resident,
    candidate: Path,
    kind: type[BaseException] = OSError,
    seat: Callable[[Image], None] = _nowhere,
) -> BaseException:
    with pytest.raises(kind) as caught:
        resident.swap(candidate, 99, seat=seat)
    return caught.value


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "step",
    [
        "hotswapd.swap.resident.resident.read_manifest",
        "hotswapd.swap.resident.resident.admit",
        "hotswapd.swap.adapter.admission.pair_up",
        "hotswapd.swap.adapter.oracle.inject",
        "hotswapd.swap.berths.filling.open_regular",
        "hotswapd.swap.resident.resident.fill_host_image",
        "hotswapd.swap.resident.resident.judge",
    ],
)
def test_a_failure_of_a_step_changes_nothing(
    resident: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever a step raises comes out as it is."""
    resident.oracle._answer.cache_clear()  # what PEFT said before is not asked again
    module, name = step.rsplit(".", 1)
    failing = Failing(getattr(__import__(module, fromlist=[name]), name), OSError(errno.EIO, "broken"), 0)
    monkeypatch.setattr(step, failing)
    assert _fails(resident, candidate) is failing.error


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), MemoryError(), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("where", ["read", "cast"])
def test_a_failure_at_any_tensor_changes_nothing(
    resident: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException
) -> None:
    """Each of the eight tensors in turn cannot be read, or cannot be cast and padded."""
    tensors = len(resident.admit(candidate).manifest.tensors)
    for good in range(tensors):
        with monkeypatch.context() as patch:
            if where == "read":
                failing = Failing(os.preadv, error, good)
                patch.setattr(os, "preadv", failing)
            else:
                failing = Failing(_Filler._put, error, good)
                patch.setattr(_Filler, "_put", lambda self, *args, failing=failing: failing(self, *args))
            assert _fails(resident, candidate, type(error)) is error
            assert failing.reached


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), MemoryError()], ids=repr)
def test_out_of_memory_while_staging_keeps_the_old_one(
    resident: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The device may be used as before: the candidate's image is free again."""
    monkeypatch.setattr(resident.writer, "upload", Failing(resident.writer.upload, error, 0))
    assert _fails(resident, candidate, type(error)) is error


@pytest.mark.usefixtures("unchanged")
def test_a_failure_in_any_layer_of_any_probe_changes_nothing(
    resident: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model fails on the candidate's weights in the first, second, ... layer call until all probes pass."""
    layers = resident.model.model.layers
    for good in range(len(resident._prompts) * len(layers)):
        error = RuntimeError("the kernel does not like these numbers")
        failing = Failing(lambda: None, error, good)
        hooks = [layer.register_forward_pre_hook(lambda *_, failing=failing: failing()) for layer in layers]
        try:
            assert _fails(resident, candidate, RuntimeError) is error
        finally:
            for hook in hooks:
                hook.remove()
        assert failing.reached


def _copies(resident: Resident) -> int:
    """Count the copies into the arena that a good swap takes: to the candidate and back for each prompt, and one."""
    return 2 * len(resident._prompts) + 1


@pytest.mark.usefixtures("unchanged")
def test_a_copy_that_fails_half_way_is_taken_back(
    resident: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each probe and at the commit, half the arena is the candidate's when the copy fails."""
    for good in range(0, _copies(resident), 2):
        with monkeypatch.context() as patch:
            failing = Failing(resident.writer._copy, RuntimeError("the copy failed"), good)

            def copy(image: Image, failing: Failing = failing) -> None:
                if failing.calls == failing.good:
                    _half(resident, image)
                failing(image)

            patch.setattr(resident.writer, "_copy", copy)
            assert _fails(resident, candidate, RuntimeError) is failing.error


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "error", [RuntimeError("no lane"), OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=repr
)
def test_a_seat_that_raises_ends_the_candidate(resident: Resident, candidate: Path, error: BaseException) -> None:
    """The seat, which is where the daemon writes ledger and pointer, comes last and may still say no."""
    seen: list[int | None] = []

    def seat(image: Image) -> None:
        seen.append(image.generation)
        raise error

    assert _fails(resident, candidate, type(error), seat) is error
    assert seen == [99]


@pytest.fixture
def own(llama: Base, tmp_path: Path) -> Iterator[Resident]:
    """Open a resident that a test may lose."""
    with opened(llama.base, images=3) as made:
        made._pinned = torch.zeros_like(made.arena.buffer)
        go_live(made, llama.make("transaction-old", rank=3, alpha=5))
        yield made


@pytest.mark.parametrize("good", [1, 3, 9])
def test_what_cannot_be_put_back_after_a_probe_is_a_loss(
    own: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    """The arena then holds a candidate that was not verified, so nothing may answer with it."""
    assert good < _copies(own)
    monkeypatch.setattr(own.writer, "_copy", Failing(own.writer._copy, RuntimeError("the copy failed"), good))
    error = _fails(own, candidate, ResidentLost)
    assert "restart the process" in str(error)


@pytest.mark.parametrize("good", [0, 2, 10])
def test_a_copy_that_fails_and_cannot_be_taken_back_is_a_loss(
    own: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    """Nobody knows what the arena holds when the second copy fails too."""
    failing = Failing(own.writer._copy, RuntimeError("the copy failed"), good, ever_after=True)
    monkeypatch.setattr(own.writer, "_copy", failing)
    _fails(own, candidate, ResidentLost)
    assert failing.calls == good + 2


def test_a_refused_seat_and_a_failed_copy_back_are_a_loss(
    own: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidate is in the arena and has no place."""
    failing = Failing(own.writer._copy, RuntimeError("the copy failed"), _copies(own), ever_after=True)
    monkeypatch.setattr(own.writer, "_copy", failing)
    _fails(own, candidate, ResidentLost, Failing(_nowhere, RuntimeError("no lane"), 0))


@pytest.mark.parametrize("good", range(3))
@pytest.mark.parametrize("where", ["_copy", "upload", "model"])
def test_a_device_that_fails_for_good_is_a_loss(
    own: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch, where: str, good: int
) -> None:
    """A sticky error of any copy or computation means that every later one fails as well."""
    owner: Any = own if where == "model" else own.writer
    good = 0 if where == "upload" else good
    failing = Failing(getattr(owner, where), RuntimeError(STICKY), good)
    if where == "model":
        failing.device = own.model.device  # type: ignore[attr-defined]
    monkeypatch.setattr(owner, where, failing)
    error = _fails(own, candidate, ResidentLost)
    assert failing.reached
    assert str(error.__cause__) == STICKY


def test_after_all_that_a_good_one_goes_live(llama: Base, own: Resident, candidate: Path) -> None:
    """Failures cost no buffer: more of them than there are images, and the next candidate means what PEFT says."""
    seat = Failing(_nowhere, RuntimeError("no lane"), 0, ever_after=True)
    for _ in range(6):
        _fails(own, candidate, RuntimeError, seat)
    go_live(own, candidate)
    assert largest_difference(answer(own), reference(llama.base, candidate)) < 1e-4
