"""``hotswapd check``: the daemon's own verdict, without the base's weights."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from adapters import make_adapter
from models import tiny
from safetensors.torch import load_file, save_file

from hotswapd.daemon.cli import main


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A base without weights and two adapters that were trained on it."""
    root = tmp_path_factory.mktemp("check")
    base = tiny("llama", root / "base")
    make_adapter(base, root / "good")
    make_adapter(base, root / "wide", rank=16)
    for weights in base.glob("*.safetensors"):
        weights.unlink()
    return root


def check(capsys, place, name: str, *arguments: str) -> tuple[int, dict]:
    code = main(["check", str(place / name), "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def with_base(place, *arguments: str) -> list[str]:
    return ["--base", str(place / "base"), *arguments]


def test_a_good_adapter_is_exit_0_and_needs_no_weights_of_the_base(capsys, place):
    assert check(capsys, place, "good", *with_base(place)) == (0, {"ok": True, "misfits": [], "note": None})


def test_a_bad_one_is_exit_3_with_every_misfit(capsys, place):
    code, answer = check(capsys, place, "wide", *with_base(place, "--max-rank", "8"))
    assert (code, answer["ok"]) == (3, False)
    assert {misfit["code"] for misfit in answer["misfits"]} == {"rank_too_high"}
    assert len(answer["misfits"]) == 14
    assert set(answer["misfits"][0]) == {"code", "place", "wanted", "got", "remedy"}


def test_values_that_are_not_finite_are_found(capsys, place):
    shutil.copytree(place / "good", place / "nan")
    tensors = load_file(place / "nan" / "adapter_model.safetensors")
    next(iter(tensors.values()))[0, 0] = torch.nan
    save_file(tensors, place / "nan" / "adapter_model.safetensors")
    code, answer = check(capsys, place, "nan", *with_base(place))
    assert (code, [misfit["code"] for misfit in answer["misfits"]]) == (3, ["non_finite"])


def test_the_configuration_names_base_and_policy(capsys, place, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(f'[model]\nbase = "{place / "base"}"\n[admission]\nmax_artifact_bytes = 100\n')
    code, answer = check(capsys, place, "good", "--config", str(config))
    assert (code, [misfit["code"] for misfit in answer["misfits"]]) == (3, ["too_large"])


def test_another_base_is_a_misfit_whose_remedy_is_the_line_to_write(capsys, place, tmp_path):
    config = tmp_path / "c.toml"
    other = shutil.copytree(place / "base", tmp_path / "other")
    config.write_text(f'[model]\nbase = "{other}"\n')
    code, answer = check(capsys, place, "good", "--config", str(config))
    assert (code, [misfit["code"] for misfit in answer["misfits"]]) == (3, ["other_base"])
    assert f'base_models = ["{place / "base"}"]' in answer["misfits"][0]["remedy"]


def test_without_a_base_only_the_structure_is_checked_and_that_is_said(capsys, place):
    code, answer = check(capsys, place, "wide")
    assert (code, answer["ok"]) == (0, True)
    assert "only its structure" in answer["note"]
    code, answer = check(capsys, place, "base")
    assert (code, {misfit["code"] for misfit in answer["misfits"]}) == (3, {"config_missing", "weights_missing"})


def test_a_person_gets_a_table_with_what_to_do(capsys, place):
    assert main(["check", str(place / "wide"), *with_base(place, "--max-rank", "8")]) == 3
    said = capsys.readouterr().out
    assert "would be refused: 14 misfits" in said
    assert "and 13 more" in said
    assert "raise model.max_rank" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 4, "no directory"),
        (["s3://bucket/run"], 4, "not on this machine"),
        (["ftp://x"], 4, "no adapter address"),
        (["good", "--base", "/nowhere"], 4, "model.base"),
        (["good", "--base", "m", "--max-rank", "0"], 78, "model.max_rank"),
        (["good", "--config", "/nowhere.toml"], 78, "/nowhere.toml"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line(capsys, place, monkeypatch, arguments, code, said):
    monkeypatch.chdir(place)
    assert main(["check", *arguments]) == code
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


def test_the_program_itself_prints_nothing_but_the_answer(place):
    command = [sys.executable, "-m", "hotswapd.daemon.cli", "check", str(place / "good"), "--json", *with_base(place)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ok"] is True
