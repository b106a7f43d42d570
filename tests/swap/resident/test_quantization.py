"""Quantised bases: answers are those of PEFT on the same quantised base, and a missing package is one sentence.

The packages are optional; where one is missing, the tests that need it are skipped.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import edit_config, logits
from kits.bases import base_without_weights
from kits.families import save_adapter, save_small
from kits.residents import answer, largest_difference, opened, staged
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM

from hotswapd.swap.adapter.quantized import weight_norm
from hotswapd.swap.adapter.slots import find_slots
from hotswapd.swap.errors import BaseUnservable
from hotswapd.swap.resident import quantization
from hotswapd.swap.resident.base import load_base
from hotswapd.swap.resident.outline import outline
from hotswapd.swap.resident.quantization import bits, own_method, quantization_config
from hotswapd.swap.resident.spec import Quantization, ResidentSpec

PACKAGES: dict[Quantization, str] = {
    "bnb-4bit": "bitsandbytes",
    "bnb-8bit": "bitsandbytes",
    "torchao-int8": "torchao",
}
_SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "head_dim": 16, "vocab_size": 260}
"""bitsandbytes packs 32 rows at a time on a CPU."""
PROMPTS = ([5, 6, 7], [40, 9, 200, 11, 64, 3], [250, 1, 1, 1, 77, 80, 81, 90])
KINDS = [
    pytest.param(kind, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed"))
    for kind, package in PACKAGES.items()
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small("llama", tmp_path_factory.mktemp("quantised") / "base", **_SIZES)


@pytest.fixture(scope="module")
def adapters(base: Path) -> list[Path]:
    names = ["q_proj", "v_proj", "down_proj"]
    made = [save_adapter(base, base.parent / f"adapter-{seed}", names, seed) for seed in (0, 1)]
    for adapter in made:
        edit_config(base_model_name_or_path=str(base))(adapter)
    return made


def packed(base: Path, kind: Quantization) -> Any:
    """Load it as PEFT's users do."""
    wanted = quantization_config(kind, torch.float32)
    more = {} if wanted is None else {"quantization_config": wanted}
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, device_map={"": "cpu"}, **more).eval()


def by_peft(base: Path, kind: Quantization, adapter: Path | None) -> list[torch.Tensor]:
    model = packed(base, kind)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False).eval()
    return [logits(model, list(prompt)) for prompt in PROMPTS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_answers_are_those_of_peft_on_the_same_base(base: Path, adapters: list[Path], kind: Quantization) -> None:
    """The bare base, one adapter after the other, and the base again; and it is no longer what it was in full."""
    full = by_peft(base, "none", adapters[0])
    with opened(base, quantization=kind, device="cpu") as resident:
        assert largest_difference(answer(resident, resident.base_image), by_peft(base, kind, None)) < 1e-4
        for adapter in (*adapters, adapters[0]):
            with staged(resident, adapter) as image:
                ours = answer(resident, image)
            assert largest_difference(ours, by_peft(base, kind, adapter)) < 1e-4
        assert largest_difference(ours, full) > 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_a_base_that_was_saved_quantised_needs_no_setting(
    base: Path, adapters: list[Path], tmp_path: Path, kind: Quantization
) -> None:
    saved = tmp_path / "saved"
    packed(base, kind).save_pretrained(saved)
    config = AutoConfig.from_pretrained(saved)
    assert own_method(config) == PACKAGES[kind]
    with opened(saved, base_models=(str(base),), device="cpu") as resident, staged(resident, adapters[0]) as image:
        ours = answer(resident, image)
    assert largest_difference(ours, by_peft(saved, "none", adapters[0])) < 1e-4
    with pytest.raises(BaseUnservable, match=r"is quantised already, by .*: leave model\.quantization out"):
        outline(ResidentSpec(str(saved), quantization=kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_its_modules_are_found_and_its_weights_read(base: Path, kind: Quantization) -> None:
    """Slots are the same as without, and the norms that a gate compares with are those of numbers, not of bits."""
    spec = ResidentSpec(str(base), quantization=kind, device="cpu")
    config, oracle = outline(spec)
    model = load_base(spec, config).model
    assert find_slots(model, "all-linear") == oracle.slots
    whole = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    before = None
    for _ in range(2):  # bitsandbytes packs its weights anew before the first step
        for slot in oracle.slots:
            real = float(whole.get_submodule(slot.module).get_parameter("weight").norm())
            assert weight_norm(model.get_submodule(slot.module)) == pytest.approx(real, rel=0.1)
        answered = logits(model, [1, 2, 3])
        assert before is None or torch.equal(answered, before)
        before = answered


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_missing_package_is_named_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Quantization
) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: None)
    base = base_without_weights(tmp_path / "base", "llama")
    with pytest.raises(BaseUnservable) as caught:
        outline(ResidentSpec(str(base), quantization=kind))
    package = PACKAGES[kind]
    assert f"needs the package {package}, which is not installed: pip install {package}" in str(caught.value)


METHODS = {
    "bitsandbytes": "bitsandbytes",
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
    "torchao": "torchao",
    "compressed-tensors": "compressed_tensors",
}


@pytest.mark.parametrize("method", METHODS)
def test_a_quantised_base_names_its_own_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: None)
    base = base_without_weights(tmp_path / "base", "llama")
    config = json.loads((base / "config.json").read_text()) | {"quantization_config": {"quant_method": method}}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(BaseUnservable, match=f"is quantised by {method}, which needs the package {METHODS[method]}"):
        outline(ResidentSpec(str(base)))


@pytest.mark.parametrize(
    ("wanted", "own", "expected"),
    [
        ("none", None, 0),
        ("bnb-4bit", None, 4),
        ("torchao-int8", None, 8),
        ("none", {"quant_method": "bitsandbytes", "load_in_4bit": True}, 4),
        ("none", {"quant_method": "gptq", "bits": 3}, 3),
        ("none", {"quant_method": "fp8"}, 8),
    ],
)
def test_how_many_bits_a_weight_takes(wanted: Quantization, own: dict[str, Any] | None, expected: int) -> None:
    """For the estimate of memory: about."""
    config = AutoConfig.for_model("llama")
    if own is not None:
        config.quantization_config = own
    assert bits(wanted, config) == expected
