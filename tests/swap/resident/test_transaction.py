"""The transaction: a failure at any step or tensor leaves every other adapter as it was, bit for bit, or is a loss."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from kits.contracts import Base
from kits.residents import answer, free, largest_difference, opened, reference, stage, staged, unchanged

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
    with opened(llama.base, berths=3) as made:
        yield made


@pytest.fixture(scope="module")
def live(llama: Base, resident: Resident) -> Iterator[Image]:
    with staged(resident, llama.make("transaction-old", rank=3, alpha=5)) as image:
        yield image


@pytest.fixture(scope="module")
def candidate(llama: Base) -> Path:
    return llama.make("transaction-new", seed=1, use_rslora=True)


@pytest.fixture
def _unchanged(resident: Resident, live: Image) -> Iterator[None]:
    with unchanged(resident, live):
        yield


@pytest.fixture
def uploading(resident: Resident, monkeypatch: pytest.MonkeyPatch) -> Resident:
    """Have the CPU upload as a GPU does."""
    monkeypatch.setattr(resident, "_pinned", torch.zeros(resident.layout.size, dtype=torch.uint8))
    return resident


def _fails(resident: Resident, candidate: Path, kind: type[BaseException] = OSError) -> BaseException:
    with pytest.raises(kind) as caught:
        stage(resident, candidate)
    return caught.value


@pytest.mark.usefixtures("_unchanged")
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


@pytest.mark.usefixtures("_unchanged")
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


@pytest.mark.usefixtures("_unchanged")
@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), MemoryError()], ids=repr)
def test_out_of_memory_while_staging_frees_the_berth(
    uploading: Resident, candidate: Path, error: BaseException
) -> None:
    """The device may be used as before: the candidate's berth is free again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "current_stream", Failing(torch.cuda.current_stream, error, 0))
        assert _fails(uploading, candidate, type(error)) is error


def test_staging_waits_for_the_upload(llama: Base, uploading: Resident, candidate: Path) -> None:
    """Nothing else would order it before the first step's read."""
    waited: list[bool] = []
    stream = SimpleNamespace(synchronize=lambda: waited.append(True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "current_stream", lambda device: stream)
        image = uploading.stage(uploading.admit(candidate))
    assert waited == [True]
    assert largest_difference(answer(uploading, image), reference(llama.base, candidate)) < 1e-4
    uploading.drop(image)


@pytest.mark.usefixtures("_unchanged")
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


@pytest.mark.parametrize("good", range(3))
def test_a_device_that_fails_for_good_is_a_loss(
    resident: Resident, candidate: Path, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    """A sticky error of any computation means that every later one fails as well."""
    failing = Failing(resident.model, RuntimeError(STICKY), good)
    failing.device = resident.model.device  # type: ignore[attr-defined]
    monkeypatch.setattr(resident, "model", failing)
    error = _fails(resident, candidate, ResidentLost)
    assert failing.reached
    assert str(error.__cause__) == STICKY


def test_an_upload_that_fails_for_good_is_a_loss(uploading: Resident, candidate: Path) -> None:
    """Nobody knows then what any berth holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "current_stream", Failing(torch.cuda.current_stream, RuntimeError(STICKY), 0))
        error = _fails(uploading, candidate, ResidentLost)
    assert str(error.__cause__) == STICKY


def test_after_many_failures_a_good_one_is_right(llama: Base, resident: Resident, candidate: Path) -> None:
    """Failures cost no berth: more of them than there are, and the next candidate means what PEFT says."""
    before = free(resident)
    for good in range(6):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "preadv", Failing(os.preadv, OSError(errno.EIO, "broken"), good))
            _fails(resident, candidate)
    assert free(resident) == before
    with staged(resident, candidate) as image:
        assert largest_difference(answer(resident, image), reference(llama.base, candidate)) < 1e-4
