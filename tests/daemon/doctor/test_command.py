"""`hotswapd doctor` from the command line: its table, its JSON and its status."""

import json
from pathlib import Path
from typing import Any

import pytest
from kits.models import tiny

from hotswapd.daemon.cli import main
from hotswapd.daemon.doctor import command
from hotswapd.daemon.doctor.finding import Finding, fails, fine, note

CHECKS = {"hotswapd", "configuration", "device", "base", "memory", "compiler", "watches", "clock", "state", "files"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny("llama", tmp_path_factory.mktemp("doctor") / "base")


def fake(monkeypatch: pytest.MonkeyPatch, *found: Finding) -> None:
    monkeypatch.setattr(command, "checks", lambda: (lambda _: found,))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["doctor", "--json", *arguments])
    return status, json.loads(capsys.readouterr().out)


def test_a_good_line_is_checked_whole_and_is_0(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = (f"state.dir={tmp_path}/s", f"control.socket={tmp_path}/c", "model.device=cpu", "serve.port=0")
    sets = [part for key in keys for part in ("--set", key)]
    status, said = answer(capsys, str(base), str(tmp_path), *sets)
    found = {one["check"]: one["outcome"] for one in said["findings"]}
    assert (status, said["ok"]) == (0, True), said
    assert set(found) == CHECKS | {f"source {tmp_path}", "port", "control socket"}
    assert "fails" not in found.values()


def test_a_configuration_is_checked_as_run_reads_it(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'model.base = "{base}"\nmodel.device = "cuda:99"\nserve.port = 0\nstate.dir = "{tmp_path}"\n')
    status, said = answer(capsys, "--config", str(config))
    assert (status, said["ok"]) == (78, False)
    assert [one["check"] for one in said["findings"] if one["outcome"] == "fails"] == ["device"]


def test_each_wrong_key_is_a_line_and_the_machine_is_still_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(monkeypatch, fine("device", "the CPU"))
    config = tmp_path / "c.toml"
    config.write_text('[model]\nbase = "m"\nmax_rank = 0\n[serve]\nport = -1\n')
    status, said = answer(capsys, "--config", str(config))
    wrong = [one["sentence"].partition(":")[0] for one in said["findings"] if one["outcome"] == "fails"]
    assert (status, wrong) == (78, ["model.max_rank", "serve.port"])
    assert said["findings"][-1]["check"] == "device"


def test_without_arguments_the_machine_is_looked_at(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def check(settings: object) -> list[Finding]:
        seen.append(settings)
        return []

    monkeypatch.setattr(command, "checks", lambda: (check,))
    assert main(["doctor"]) == 0
    assert seen == [None]
    assert "nothing would stop it" in capsys.readouterr().out


def test_the_table_says_what_was_found_and_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain in a pipe; a note alone stops nothing."""
    fake(monkeypatch, note("clock", "nothing keeps it right", "let chrony keep it"))
    assert main(["doctor"]) == 0
    fake(monkeypatch, fails("port", "8080 is taken", "use --port"), fine("x", "[bold]not markup"))
    assert main(["doctor"]) == 78
    said = capsys.readouterr().out
    assert "let chrony keep it" in said
    assert [word for word in ("8080 is taken", "use --port", "1 of these would stop it") if word not in said] == []
    assert "[bold]not markup" in said
    assert "\x1b" not in said


def test_a_file_and_a_line_together_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "org/model", "--config", "/c"]) == 2
    assert "not both" in capsys.readouterr().err
