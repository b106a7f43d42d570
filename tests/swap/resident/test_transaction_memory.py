"""The transaction's errors: who keeps one keeps no tensor of the candidate alive."""

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import edit_tensors
from kits.contracts import Base
from kits.residents import opened, stage

from hotswapd.swap.berths import filling
from hotswapd.swap.errors import Rejected, RolledBack
from hotswapd.swap.resident.resident import Resident

pytestmark = pytest.mark.usefixtures("no_collector")
Seen = list["weakref.ref[torch.Tensor]"]


@pytest.fixture(scope="module")
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base) as made:
        yield made


def _watch_fillers(monkeypatch: pytest.MonkeyPatch) -> "list[weakref.ref[Any]]":
    """Remember what each staging reads into, without holding it."""
    seen: list[weakref.ref[Any]] = []

    class Watched(filling._Filler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            seen.extend((weakref.ref(self), weakref.ref(self._aside)))

    monkeypatch.setattr(filling, "_Filler", Watched)
    return seen


def test_a_refused_candidate_leaves_no_tensor(
    resident: Resident, spoil: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is kept, as a record of it would, and what was read is gone without the collector's help."""
    seen = _watch_fillers(monkeypatch)
    bad = spoil(edit_tensors(lambda tensors: {n: t.half() * float("inf") for n, t in tensors.items()}))
    with pytest.raises(Rejected) as caught:
        stage(resident, bad)
    assert caught.value.code == "non_finite"
    assert len(seen) == 2
    assert not any(one() is not None for one in seen)


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), OSError(5, "broken")], ids=repr)
def test_a_failed_staging_leaves_no_tensor(
    resident: Resident, good: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Neither does one that ran out of memory, where it matters most."""
    seen = _watch_fillers(monkeypatch)

    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(filling, "all_finite", fail)
    with pytest.raises(type(error)) as caught:
        stage(resident, good)
    assert caught.value is error
    assert [one() for one in seen] == [None, None]


def _watch_layers(resident: Resident, error: BaseException | None) -> tuple[Seen, list[Any]]:
    """Remember what each layer gives, and fail in the last one."""
    seen: Seen = []

    def watch(_: Any, __: Any, output: Any) -> None:
        seen.append(weakref.ref(output[0] if isinstance(output, tuple) else output))

    def fail(*_: Any) -> None:
        if error is not None:
            raise error

    return seen, [layer.register_forward_hook(watch) for layer in resident.model.model.layers] + [
        resident.model.model.norm.register_forward_hook(fail)
    ]


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError("no")], ids=repr)
def test_a_probe_that_fails_leaves_no_activation(resident: Resident, good: Path, error: BaseException) -> None:
    """What the layers had computed when the model failed is gone, although the error is kept."""
    seen, hooks = _watch_layers(resident, error)
    try:
        with pytest.raises(type(error)) as caught:
            stage(resident, good)
    finally:
        for hook in hooks:
            hook.remove()
    assert caught.value is error
    assert len(seen) == 2
    assert not any(one() is not None for one in seen)


def test_a_candidate_that_is_rolled_back_leaves_no_activation(resident: Resident, spoil: Callable[..., Path]) -> None:
    """A verdict is kept in the record; the logits that it was made from are not."""
    seen, hooks = _watch_layers(resident, None)
    bad = spoil(edit_tensors(lambda tensors: {n: torch.full_like(t, 3e38) for n, t in tensors.items()}))
    try:
        with pytest.raises(RolledBack) as caught:
            stage(resident, bad)
    finally:
        for hook in hooks:
            hook.remove()
    assert caught.value.code == "probe_not_finite"
    assert seen
    assert not any(one() is not None for one in seen)
