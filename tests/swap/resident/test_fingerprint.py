"""The fingerprint of a base, from its files: the same for every copy, another one for whatever was trained on."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from kits.models import tiny
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from hotswapd.swap.adapter.fingerprints import difference
from hotswapd.swap.resident.fingerprint import base_fingerprint

FILE = "model.safetensors"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny("llama", tmp_path_factory.mktemp("fingerprint") / "base")


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def differs(one: Path, other: Path) -> str:
    assert base_fingerprint(str(one))
    assert base_fingerprint(str(other))
    return difference(base_fingerprint(str(one)), base_fingerprint(str(other)))


def save_in(directory: Path, dtype: torch.dtype) -> Path:
    save_file({name: one.to(dtype) for name, one in load_file(directory / FILE).items()}, directory / FILE)
    return directory


def test_a_copy_in_other_files_is_the_same(original: Path, tmp_path: Path) -> None:
    """The order of the tensors and the number of files say nothing."""
    model = AutoModelForCausalLM.from_pretrained(original, dtype=torch.float32)
    model.save_pretrained(tmp_path / "sharded", max_shard_size="40KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    assert differs(original, tmp_path / "sharded") == ""


@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16])
def test_a_wider_dtype_is_the_same(copy: Path, tmp_path: Path, narrow: torch.dtype) -> None:
    """Half precision that was saved again in single has the same numbers; what was rounded has others."""
    rounded = save_in(Path(shutil.copytree(copy, tmp_path / "rounded")), narrow)
    assert differs(copy, rounded) == "its weights"
    wide = save_in(Path(shutil.copytree(rounded, tmp_path / "wide")), torch.float32)
    assert differs(rounded, wide) == ""


def test_a_training_step_shows(copy: Path, original: Path) -> None:
    tensors = load_file(copy / FILE)
    save_file({name: one + 1e-4 for name, one in tensors.items()}, copy / FILE)
    assert differs(original, copy) == "its weights"


def test_one_tensor_that_is_missing_shows(copy: Path, original: Path) -> None:
    tensors = load_file(copy / FILE)
    tensors.pop(min(tensors))
    save_file(tensors, copy / FILE)
    assert differs(original, copy) == "the names or shapes of its tensors"


def test_another_family_is_named_first(copy: Path, original: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "mistral"}))
    assert differs(original, copy) == "its family"


def test_pickles_are_compared_by_their_bytes(copy: Path, tmp_path: Path) -> None:
    (copy / FILE).rename(copy / "pytorch_model.bin")
    other = Path(shutil.copytree(copy, tmp_path / "other"))
    assert differs(copy, other) == ""
    raw = bytearray((other / "pytorch_model.bin").read_bytes())
    raw[-1] ^= 1
    (other / "pytorch_model.bin").write_bytes(raw)
    assert differs(copy, other) == "its weights"


@pytest.mark.parametrize("spoilt", [b"", b"{", b"\xff" * 100, b"\x02" + bytes(7) + b"[]"])
def test_what_cannot_be_read_has_none(copy: Path, spoilt: bytes) -> None:
    """Whoever loads it says what is wrong."""
    (copy / FILE).write_bytes(spoilt)
    assert base_fingerprint(str(copy)) == ""


@pytest.mark.parametrize("base", ["", "no/such-model", "no such name at all"])
def test_what_is_not_here_has_none(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert base_fingerprint(base) == ""


def test_a_downloaded_model_is_read_where_the_hubs_client_keeps_it(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.utils.hub.cached_file", lambda *_, **__: str(original / "config.json"))
    monkeypatch.chdir(tmp_path)
    assert base_fingerprint("org/model", "v1") == base_fingerprint(str(original))
