"""Directories and files that are taken for adapters and are something else, called what they are."""

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from hotswapd.swap.codes import FilesCode
from hotswapd.swap.errors import Misfit

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""What a file begins with whose content Git LFS has not fetched."""
_WEIGHTS = "adapter_model.safetensors"
_PICKLES = re.compile(r"(adapter_model|pytorch_lora_weights)\.(bin|pt|pth|ckpt)")
_WHOLE = re.compile(r"(model|pytorch_model)(-\d+-of-\d+)?\.(safetensors|bin)(\.index\.json)?")
_MLX = frozenset({"adapters.safetensors", "adapters.npz"})
_MISSING = (FilesCode.CONFIG_MISSING, FilesCode.WEIGHTS_MISSING)


def lfs_pointer(name: str) -> Misfit:
    """Refuse a pointer with the command that fetches the file."""
    remedy = f'fetch the file: `git lfs pull --include "**/{name}"` in the checkout'
    return Misfit(FilesCode.GIT_LFS_POINTER, name, "the file itself", "a Git LFS pointer to it", remedy)


def called_what_it_is(directory: Path, misfits: Sequence[Misfit]) -> list[Misfit]:
    """Put what the directory is in place of the files that are missing, if its other files show that."""
    if all(misfit.code != FilesCode.WEIGHTS_MISSING for misfit in misfits):
        return list(misfits)
    try:
        names = set(os.listdir(directory))  # noqa: PTH208 - only names are needed
    except OSError:
        return list(misfits)
    pickle, other = _pickle(names), _mlx(names) or _whole(names)
    if pickle is not None:
        return [pickle if misfit.code == FilesCode.WEIGHTS_MISSING else misfit for misfit in misfits]
    if other is not None:
        return [*(misfit for misfit in misfits if misfit.code not in _MISSING), other]
    return list(misfits)


def _pickle(names: Collection[str]) -> Misfit | None:
    found = sorted(filter(_PICKLES.fullmatch, names))
    remedy = "save it with safe_serialization=True: a pickle can run code, so hotswapd never reads one"
    return Misfit(FilesCode.PICKLE_REFUSED, found[0], _WEIGHTS, "a pickle", remedy) if found else None


def _mlx(names: Collection[str]) -> Misfit | None:
    found = sorted(_MLX.intersection(names))
    remedy = "convert it to PEFT's names and layout, or train it with PEFT"
    return Misfit(FilesCode.MLX_ADAPTER, found[0], _WEIGHTS, "an adapter of MLX", remedy) if found else None


def _whole(names: Collection[str]) -> Misfit | None:
    found = sorted(filter(_WHOLE.fullmatch, names))
    remedy = "publish the adapter as it was saved before merge_and_unload, or serve this model as a base"
    return Misfit(FilesCode.MERGED_MODEL, found[0], _WEIGHTS, "a whole model", remedy) if found else None
