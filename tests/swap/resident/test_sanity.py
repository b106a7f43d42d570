"""The probe: fixed prompts on the candidate's weights; what it gives must be finite and of sane size."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from kits.adapters import edit_tensors
from kits.contracts import Base
from kits.models import VOCABULARY, byte_tokenizer, tiny
from kits.residents import free, opened, stage
from safetensors.torch import load_file, save_file

from hotswapd.swap.errors import BaseUnservable, BaseUnusable, RolledBack
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.resident.sanity import ProbeNumbers, judge, probe_prompts, run_bare, run_probe
from hotswapd.swap.resident.texts import LARGEST_GROWTH, LARGEST_LOGIT

BASE = [ProbeNumbers(1.0, 4.0), ProbeNumbers(1.0, 5.0)]


@pytest.fixture(scope="module")
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base) as made:
        yield made


class _Fails:
    """Stands for a model whose own code fails."""

    device = torch.device("cpu")

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, **_: Any) -> Any:
        raise self.error


def test_a_base_whose_own_code_fails_is_refused_by_name() -> None:
    """With the reason on one line; what the device or its memory does is not the base's fault and passes through."""
    with pytest.raises(BaseUnservable, match=r"model\.base: .* cannot run: ValueError: no language; correct"):
        run_bare(_Fails(ValueError("no language\nat all")), [[1]])
    for error in (torch.cuda.OutOfMemoryError("out of memory"), RuntimeError("CUDA error: lost"), MemoryError()):
        with pytest.raises(type(error)):
            run_bare(_Fails(error), [[1]])


class _Says:
    """Stands for a model that gives these logits."""

    device = torch.device("cpu")

    def __init__(self, values: list[float]) -> None:
        self.logits = torch.tensor([[values]])

    def __call__(self, **_: Any) -> Any:
        return SimpleNamespace(logits=self.logits)


def test_counts_what_is_finite_and_measures_the_rest() -> None:
    """NaN and infinity lower the share and do not count as size."""
    numbers = run_probe(_Says([1.0, float("nan"), -7.5, float("inf")]), [1])
    assert numbers == ProbeNumbers(0.5, 7.5)
    assert run_probe(_Says([float("nan")]), [1]) == ProbeNumbers(0.0, 0.0)


def test_all_of_them_is_one_on_every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA takes a mean by multiplying with 1/n; of 12 x 128,256 ones, as many as Llama 3 gives, it is below one."""
    says = _Says([])
    says.logits = torch.zeros(1, 12, 128_256)
    monkeypatch.setattr(torch.Tensor, "mean", lambda ones: ones.sum() * (torch.tensor(1.0) / ones.numel()))
    assert torch.ones(12 * 128_256).mean() < 1.0
    assert run_probe(says, [1]).finite == 1.0


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        (ProbeNumbers(0.999, 5.0), "probe_not_finite"),
        (ProbeNumbers(0.0, 0.0), "probe_not_finite"),
        (ProbeNumbers(1.0, LARGEST_GROWTH * 5.0 + 1), "probe_out_of_range"),
    ],
)
def test_one_bad_prompt_is_enough(numbers: ProbeNumbers, code: str) -> None:
    """The worst of the prompts decides, and the sentence says what to look at."""
    with pytest.raises(RolledBack) as caught:
        judge([ProbeNumbers(1.0, 5.0), numbers], BASE)
    assert caught.value.code == code
    assert "look at" in caught.value.sentence


def test_sane_numbers_pass_and_are_told() -> None:
    """Up to the limit is allowed; the numbers go to the record of the swap."""
    told = judge([ProbeNumbers(1.0, 3.0), ProbeNumbers(1.0, LARGEST_GROWTH * 5.0)], BASE)
    assert told == {"probe_finite": 1.0, "probe_largest_logit": 500.0, "probe_base_largest_logit": 5.0}


def test_large_logits_are_allowed_where_the_base_has_them() -> None:
    """Where the base itself is above the fixed limit, a candidate that is not larger is not refused."""
    base = [ProbeNumbers(1.0, 2 * LARGEST_LOGIT)]
    assert judge([ProbeNumbers(1.0, 2 * LARGEST_LOGIT)], base)["probe_finite"] == 1.0
    with pytest.raises(RolledBack):
        judge([ProbeNumbers(1.0, 10 * LARGEST_LOGIT)], base)


def test_a_base_that_is_not_finite_itself_is_refused(tmp_path: Path) -> None:
    """No adapter would be to blame for what it answers, so the daemon does not start."""
    base = tiny("llama", tmp_path / "base")
    edit = load_file(base / "model.safetensors")
    edit["model.norm.weight"].fill_(float("nan"))
    save_file(edit, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(BaseUnusable, match=r"model\.dtype: the base model itself gives NaN"), opened(base):
        pass


@pytest.mark.parametrize("vocabulary", [2, 64, VOCABULARY, 128_256])
@pytest.mark.parametrize("tokenizer", [None, byte_tokenizer()], ids=["no tokenizer", "bytes"])
def test_prompts_are_made_of_the_vocabulary(vocabulary: int, tokenizer: Any) -> None:
    """There are some with and without a tokenizer, none is empty, and every token exists."""
    prompts = probe_prompts(tokenizer, vocabulary)
    assert len(prompts) >= 2
    assert all(prompt and all(0 <= token < vocabulary for token in prompt) for prompt in prompts)
    assert prompts == probe_prompts(tokenizer, vocabulary)


def test_finite_weights_that_give_nan_are_rolled_back(resident: Resident, spoil: Callable[..., Path]) -> None:
    """Weights near the end of the range are finite and their products are not."""
    before = free(resident)
    adapter = spoil(edit_tensors(lambda tensors: {name: torch.full_like(t, 3e38) for name, t in tensors.items()}))
    with pytest.raises(RolledBack) as caught:
        stage(resident, adapter)
    assert caught.value.code == "probe_not_finite"
    assert free(resident) == before


def test_weights_that_drown_the_base_are_rolled_back(resident: Resident, spoil: Callable[..., Path]) -> None:
    """Logits far beyond the base's own say that the adapter is broken, though each is a number."""
    head = resident.model.lm_head.weight
    kept = head.detach().clone()
    image = resident.stage(resident.admit(spoil()))
    try:
        with torch.no_grad():
            head.mul_(2 * LARGEST_GROWTH)  # as if the candidate had made the logits grow: norms keep real ones small
        with pytest.raises(RolledBack) as caught:
            resident.verify(image)
        assert caught.value.code == "probe_out_of_range"
    finally:
        with torch.no_grad():
            head.copy_(kept)
        resident.drop(image)
