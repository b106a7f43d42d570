"""The manifest: both files are described without reading a tensor, and what is wrong with either is said at once."""

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from kits.costs import held_open, unfrozen
from safetensors.torch import save_file

from hotswapd.swap.adapter.manifest import CONFIG_NAME, MAX_CONFIG_BYTES, WEIGHTS_NAME, read_manifest
from hotswapd.swap.errors import Rejected

NAME = "base_model.model.q_proj.lora_A.weight"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """Write a directory with a readable configuration and one tensor of ones."""
    (tmp_path / CONFIG_NAME).write_text(json.dumps({"peft_type": "LORA", "r": 4}))
    save_file({NAME: torch.ones(4, 6)}, tmp_path / WEIGHTS_NAME, {"format": "pt"})
    return tmp_path


def _refusal(directory: Path) -> list[tuple[str, str]]:
    with pytest.raises(Rejected) as caught:
        read_manifest(directory)
    assert all(misfit.remedy and misfit.wanted and str(misfit) for misfit in caught.value.misfits)
    assert caught.value.code == caught.value.misfits[0].code
    return [(misfit.code, misfit.place) for misfit in caught.value.misfits]


def test_says_where_each_tensor_lies(adapter: Path) -> None:
    """The offsets count from the start of the data, and lead to the tensor's own bytes."""
    manifest = read_manifest(adapter)
    assert (manifest.path, manifest.config) == (adapter, {"peft_type": "LORA", "r": 4})
    assert manifest.file_size == manifest.weights.stat().st_size
    spec = manifest.tensors[NAME]
    data = manifest.weights.read_bytes()[manifest.data_start + spec.begin : manifest.data_start + spec.end]
    assert (spec.dtype, spec.shape, data) == ("F32", (4, 6), struct.pack("<24f", *[1.0] * 24))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "config_not_json"),
        (b"{", "config_not_json"),
        (b"[]", "config_not_json"),
        (b"null", "config_not_json"),
        (b'{"r": 4, "r": 8}', "config_duplicate_key"),
        (b'{"lora_alpha": NaN}', "config_bad_number"),
        (b'{"r": ' + b"9" * 5000 + b"}", "config_bad_number"),
        (b'{"r":' * 1000 + b"1" + b"}" * 1000, "config_too_deep"),
        (b"[" * MAX_CONFIG_BYTES, "config_too_deep"),
        (b'{"x": "\xff"}', "config_not_utf8"),
        (rb'{"x": "\ud800"}', "config_not_utf8"),
        (b"{" + b" " * MAX_CONFIG_BYTES + b"}", "config_too_large"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refuses_a_configuration_that_is_not_strict_json(adapter: Path, content: bytes, code: str) -> None:
    """Each has its code and is settled with little work."""
    (adapter / CONFIG_NAME).write_bytes(content)
    with unfrozen():
        assert _refusal(adapter) == [(code, CONFIG_NAME)]


def test_a_configuration_may_have_exactly_the_limit(adapter: Path) -> None:
    """The limit itself is allowed."""
    (adapter / CONFIG_NAME).write_bytes(b"{" + b" " * (MAX_CONFIG_BYTES - 2) + b"}")
    assert read_manifest(adapter).config == {}


def test_a_missing_file_is_named(adapter: Path) -> None:
    """Each of the two files is asked for by its name."""
    (adapter / CONFIG_NAME).unlink()
    assert _refusal(adapter) == [("config_missing", CONFIG_NAME)]
    (adapter / WEIGHTS_NAME).unlink()
    assert _refusal(adapter) == [("config_missing", CONFIG_NAME), ("weights_missing", WEIGHTS_NAME)]


def test_both_files_are_judged_at_once(adapter: Path) -> None:
    """A bad configuration does not hide a bad header."""
    (adapter / CONFIG_NAME).write_text("{")
    with (adapter / WEIGHTS_NAME).open("ab") as weights:
        weights.write(b"x")
    assert _refusal(adapter) == [("config_not_json", CONFIG_NAME), ("header_length", WEIGHTS_NAME)]


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt"])
def test_a_pickle_is_never_opened(adapter: Path, name: str) -> None:
    """Pickled weights are refused by name, without a look inside: here there is nothing that could be opened."""
    (adapter / WEIGHTS_NAME).unlink()
    os.mkfifo(adapter / name)
    assert _refusal(adapter) == [("pickle_refused", name)]


LOOK_ALIKES = {
    "adapters.safetensors": "mlx_adapter",
    "adapters.npz": "mlx_adapter",
    "model.safetensors": "merged_model",
    "model.safetensors.index.json": "merged_model",
    "model-00001-of-00004.safetensors": "merged_model",
    "pytorch_model.bin": "merged_model",
    "pytorch_lora_weights.bin": "pickle_refused",
}


@pytest.mark.parametrize(("name", "code"), LOOK_ALIKES.items())
def test_what_is_not_an_adapter_is_called_what_it_is(adapter: Path, name: str, code: str) -> None:
    """By the names of its files: here there is nothing that could be opened."""
    (adapter / WEIGHTS_NAME).unlink()
    os.mkfifo(adapter / name)
    assert _refusal(adapter) == [(code, name)]
    (adapter / CONFIG_NAME).unlink()
    missing = [("config_missing", CONFIG_NAME)] if code == "pickle_refused" else []
    assert _refusal(adapter) == [*missing, (code, name)]


@pytest.mark.parametrize("name", ["optimizer.pt", "training_args.bin", "model.py", "tokenizer.json", "x.safetensors"])
def test_a_file_that_lies_beside_any_adapter_means_nothing(adapter: Path, name: str) -> None:
    (adapter / WEIGHTS_NAME).rename(adapter / name)
    assert _refusal(adapter) == [("weights_missing", WEIGHTS_NAME)]


@pytest.mark.parametrize("name", [CONFIG_NAME, WEIGHTS_NAME])
def test_a_git_lfs_pointer_is_called_that_with_the_command(adapter: Path, name: str) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 23365640\n"
    (adapter / name).write_text(pointer)
    with pytest.raises(Rejected) as caught:
        read_manifest(adapter)
    (misfit,) = caught.value.misfits
    assert (misfit.code, misfit.place) == ("git_lfs_pointer", name)
    assert f'`git lfs pull --include "**/{name}"`' in misfit.remedy


def test_a_pickle_beside_the_weights_is_ignored(adapter: Path) -> None:
    """Where safetensors are there, they are what is read."""
    (adapter / "adapter_model.bin").write_bytes(b"\x80\x04")
    assert list(read_manifest(adapter).tensors) == [NAME]


@pytest.mark.parametrize(("name", "code"), [(CONFIG_NAME, "config_missing"), (WEIGHTS_NAME, "weights_missing")])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("link", "a symbolic link, which is not followed"),
        ("dangling link", "a symbolic link, which is not followed"),
        ("fifo", "not a regular file"),
        ("directory", "not a regular file"),
        ("nothing", "No such file or directory"),
    ],
)
def test_only_plain_files_are_opened(adapter: Path, name: str, code: str, kind: str, said: str) -> None:
    """A link, a pipe or a directory in a file's place is refused and called what it is, and nothing blocks."""
    path = adapter / name
    path.rename(adapter / "real")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind != "nothing":
        path.symlink_to(adapter / ("real" if kind == "link" else "nowhere"))
    with pytest.raises(Rejected) as caught:
        read_manifest(adapter)
    (misfit,) = caught.value.misfits
    assert (misfit.code, misfit.place, misfit.got) == (code, name, said)


def test_a_header_is_refused_with_the_tensor_as_its_place(adapter: Path) -> None:
    """Where one tensor is at fault, the misfit names it."""
    header = json.dumps({NAME: {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (adapter / WEIGHTS_NAME).write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    assert _refusal(adapter) == [("header_dtype", NAME)]


def test_a_file_of_holes_costs_nothing(adapter: Path) -> None:
    """A terabyte that takes no space on the disk is described by its header alone."""
    size = 1 << 40
    header = json.dumps({NAME: {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with (adapter / WEIGHTS_NAME).open("wb") as weights:
        weights.write(struct.pack("<Q", len(header)) + header)
        weights.truncate(8 + len(header) + size)
    assert read_manifest(adapter).tensors[NAME].end == size


def test_nothing_is_left_open(adapter: Path) -> None:
    """Neither an acceptance nor a refusal leaves a descriptor behind."""
    read_manifest(adapter)
    (adapter / WEIGHTS_NAME).unlink()
    (adapter / WEIGHTS_NAME).mkdir()
    _refusal(adapter)
    assert held_open(adapter) == []
