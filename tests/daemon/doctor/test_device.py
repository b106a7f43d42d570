"""The device: what is there is named, and a missing GPU is a fault only if one was asked for."""

from pathlib import Path

import pytest
import torch
from kits.doctors import only, settings

from hotswapd.daemon.doctor import device
from hotswapd.daemon.doctor.device import check_device, driver_version

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def test_a_cpu_that_was_asked_for_is_fine() -> None:
    assert only(check_device(settings(model={"base": "m", "device": "cpu"})), "fine").sentence.startswith("the CPU, ")


@without_gpu
def test_no_gpu_is_no_fault_unless_one_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_CARD", Path("/nowhere"))
    only(check_device(settings()), "fine")
    only(check_device(None), "fine")
    missing = only(check_device(settings(model={"base": "m", "device": "cuda"})), "fails")
    assert "model.device is 'cuda'" in missing.sentence


@without_gpu
def test_a_card_that_torch_cannot_use_is_worth_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_CARD", tmp_path)
    _, found = check_device(None)
    assert (found.outcome, "cannot use" in found.sentence, bool(found.remedy)) == ("note", True, True)


def test_the_driver_is_read_from_its_own_file(tmp_path: Path) -> None:
    file = tmp_path / "version"
    assert driver_version(file) == ""
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23\nGCC version: 12.2.0\n")
    assert driver_version(file) == "570.86.15"
    file.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n")
    assert driver_version(file) == "580.65.06"
