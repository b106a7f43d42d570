"""``hotswapd check``: the daemon's own verdict, without the base's weights."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import make_adapter
from kits.models import tiny
from safetensors.torch import load_file, save_file

from hotswapd.daemon.cli import main
from hotswapd.loaders.codes import BucketCode, FileCode, WaitingCode
from hotswapd.loaders.errors import Refused, Unavailable
from hotswapd.loaders.source import Artifact, Scan, Sighting, Waiting
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base without weights and two adapters that were trained on it."""
    root = tmp_path_factory.mktemp("check")
    base = tiny("llama", root / "base")
    make_adapter(base, root / "good")
    make_adapter(base, root / "wide", rank=16)
    for weights in base.glob("*.safetensors"):
        weights.unlink()
    return root


def check(capsys: pytest.CaptureFixture[str], place: Path, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["check", str(place / name), "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def with_base(place: Path, *arguments: str) -> list[str]:
    return ["--base", str(place / "base"), *arguments]


def test_a_good_adapter_is_exit_0_without_the_bases_weights(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    assert check(capsys, place, "good", *with_base(place)) == (0, {"ok": True, "misfits": [], "note": None})


def test_a_bad_one_is_exit_3_with_every_misfit(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    code, answer = check(capsys, place, "wide", *with_base(place, "--max-rank", "8"))
    assert (code, answer["ok"]) == (3, False)
    assert {misfit["code"] for misfit in answer["misfits"]} == {"rank_too_high"}
    assert len(answer["misfits"]) == 14
    assert set(answer["misfits"][0]) == {"code", "place", "wanted", "got", "remedy"}


def test_values_that_are_not_finite_are_found(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    shutil.copytree(place / "good", place / "nan")
    tensors = load_file(place / "nan" / "adapter_model.safetensors")
    next(iter(tensors.values()))[0, 0] = torch.nan
    save_file(tensors, place / "nan" / "adapter_model.safetensors")
    code, answer = check(capsys, place, "nan", *with_base(place))
    assert (code, [misfit["code"] for misfit in answer["misfits"]]) == (3, ["non_finite"])


def test_the_configuration_names_base_and_policy(
    capsys: pytest.CaptureFixture[str], place: Path, tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[model]\nbase = "{place / "base"}"\n[admission]\nmax_artifact_bytes = 100\n')
    code, answer = check(capsys, place, "good", "--config", str(config))
    assert (code, [misfit["code"] for misfit in answer["misfits"]]) == (3, ["too_large"])


def test_another_base_is_a_misfit_with_the_line_to_write(
    capsys: pytest.CaptureFixture[str], place: Path, tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    other = shutil.copytree(place / "base", tmp_path / "other")
    config.write_text(f'[model]\nbase = "{other}"\n')
    code, answer = check(capsys, place, "good", "--config", str(config))
    assert (code, [misfit["code"] for misfit in answer["misfits"]]) == (3, ["other_base"])
    assert f'base_models = ["{place / "base"}"]' in answer["misfits"][0]["remedy"]


def test_without_a_base_only_the_structure_is_checked(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    code, answer = check(capsys, place, "wide")
    assert (code, answer["ok"]) == (0, True)
    assert "only its structure" in answer["note"]
    code, answer = check(capsys, place, "base")
    assert (code, {misfit["code"] for misfit in answer["misfits"]}) == (3, {"config_missing", "weights_missing"})


def test_a_person_gets_a_table_with_what_to_do(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    assert main(["check", str(place / "wide"), *with_base(place, "--max-rank", "8")]) == 3
    said = capsys.readouterr().out
    assert "would be refused: 14 misfits" in said
    assert "and 13 more" in said
    assert "raise model.max_rank" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 4, "not a directory"),
        (["ftp://x"], 4, "not an address of an adapter"),
        (["good", "--base", "/nowhere"], 4, "model.base"),
        (["good", "--base", "m", "--max-rank", "0"], 78, "model.max_rank"),
        (["good", "--config", "/nowhere.toml"], 78, "/nowhere.toml"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(place)
    assert main(["check", *arguments]) == code
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


def test_the_program_itself_prints_nothing_but_the_answer(place: Path) -> None:
    command = [sys.executable, "-m", "hotswapd.daemon.cli", "check", str(place / "good"), "--json", *with_base(place)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ok"] is True


@dataclass
class OneAdapter:
    """A source that holds one adapter, or says why not."""

    uri: AdapterURI
    directory: Path
    waiting: Waiting | None = None
    failure: Exception | None = None
    closed: bool = False

    def scan(self) -> Scan:
        return Scan((Sighting(self.uri, "r1", 0.0, self.waiting),), 60.0)

    def fetch(self, sighting: Sighting, store: Store, stop: threading.Event) -> Artifact:
        if self.failure is not None:
            raise self.failure
        with store.stage() as stage:
            for name in ("adapter_config.json", "adapter_model.safetensors"):
                stage.write(name, [(self.directory / name).read_bytes()], 1 << 30)
            return stage.commit()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def remote(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneAdapter]:
    source = OneAdapter(AdapterURI.parse("s3://bucket/runs/7"), place / "good")
    monkeypatch.setattr("hotswapd.daemon.check.fetch.open_source", lambda table, most: source)
    yield source
    assert source.closed


def test_an_address_is_fetched_checked_and_forgotten(
    capsys: pytest.CaptureFixture[str], place: Path, remote: OneAdapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert check_uri(capsys, "s3://bucket/runs/7/", *with_base(place)) == (0, [])
    assert list(tmp_path.iterdir()) == []


def test_what_the_source_refuses_is_a_misfit(capsys: pytest.CaptureFixture[str], remote: OneAdapter) -> None:
    remote.failure = Refused(FileCode.TOO_LARGE, "the weights have 9 bytes, 8 are allowed")
    assert check_uri(capsys, "s3://bucket/runs/7") == (3, ["too_large"])


@pytest.mark.parametrize(
    ("uri", "change", "said"),
    [
        (
            "s3://bucket/runs/7",
            {"failure": Unavailable(BucketCode.UNREACHABLE, "the bucket asks to slow down")},
            "slow down",
        ),
        (
            "s3://bucket/runs/7",
            {"waiting": Waiting(WaitingCode.INCOMPLETE, "the weights are missing")},
            "weights are missing",
        ),
        ("s3://bucket/runs/8", {}, "no adapter at s3://bucket/runs/8"),
    ],
)
def test_an_address_that_gives_nothing_now_is_exit_4(
    capsys: pytest.CaptureFixture[str], remote: OneAdapter, uri: str, change: dict[str, Any], said: str
) -> None:
    for name, value in change.items():
        setattr(remote, name, value)
    assert main(["check", uri]) == 4
    assert said in capsys.readouterr().err


def check_uri(capsys: pytest.CaptureFixture[str], uri: str, *arguments: str) -> tuple[int, list[str]]:
    code = main(["check", uri, "--json", *arguments])
    return code, [misfit["code"] for misfit in json.loads(capsys.readouterr().out)["misfits"]]
