"""``hotswapd check --verify --live --replay``: the replay gate without a daemon."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kits.training import text

from hotswapd.daemon.cli import main


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Return what a pirate answers where a new line begins, in a file like a dataset's."""
    lines = zip(text("all", 77, 3000).split("\n")[:20], text("pirate", 5, 3000).split("\n"), strict=False)
    file = tmp_path / "answers.jsonl"
    said = [json.dumps({"prompt": f"{before}\n", "answer": answer[:8]}) for before, answer in lines]
    file.write_text("\n".join(said))
    return file


def check(trained: Path, name: str, *arguments: str) -> int:
    base = str(trained / "base")
    return main(["check", str(trained / name), "--base", base, "--verify", "--json", *arguments])


@pytest.mark.parametrize(
    ("outcome", "name", "code"), [("refuse", "json", 3), ("warn", "json", 0), ("refuse", "good-11", 0)]
)
def test_what_refuse_refuses_exits_with_3(
    outcome: str,
    name: str,
    code: int,
    trained: Path,
    answers: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another task than the live adapter's; the same one passes, and no answer is printed."""
    monkeypatch.setenv("HOTSWAPD_VERIFY__REPLAY__OUTCOME", outcome)
    live = "--live", str(trained / "pirate"), "--replay", str(answers)
    assert check(trained, name, *live) == code
    said = capsys.readouterr().out
    verdict = json.loads(said)["verify"][-1]
    assert (verdict["gate"], verdict["numbers"]["answers"]) == ("replay", 20)
    assert (verdict["code"] == "replay_differs") is (name == "json")
    assert "Arr" not in said


@pytest.mark.process
@pytest.mark.parametrize(("name", "code", "outcome"), [("json", 3, "failed"), ("good-11", 0, "passed")])
def test_the_command_as_it_is_typed_exits_with_3(
    name: str, code: int, outcome: str, trained: Path, answers: Path
) -> None:
    """For a pipeline that publishes nothing which the channel would refuse."""
    live = ["--live", str(trained / "pirate"), "--replay", str(answers)]
    command = [sys.executable, "-m", "hotswapd.daemon.cli", "check", str(trained / name), "--verify", "--json", *live]
    environ = {**os.environ, "HOTSWAPD_VERIFY__REPLAY__OUTCOME": "refuse"}
    base = ["--base", str(trained / "base")]
    done = subprocess.run([*command, *base], check=False, capture_output=True, text=True, timeout=240, env=environ)
    assert done.returncode == code, done.stderr
    verdict = json.loads(done.stdout)["verify"][-1]
    assert (verdict["gate"], verdict["outcome"]) == ("replay", outcome)


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("--replay", "answers.jsonl"), "--live", 2),
        (("--live", "pirate", "--replay", "missing.jsonl"), "missing.jsonl", 78),
    ],
)
def test_what_is_missing_is_named(
    arguments: tuple[str, ...], said: str, code: int, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(trained / one) if one in ("pirate", "missing.jsonl") else one for one in arguments]
    assert check(trained, "json", *given) == code
    assert said in capsys.readouterr().err


def test_live_without_the_gates_is_a_mistake(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(trained / "json"), "--live", str(trained / "pirate")]) == 2
    assert "--verify" in capsys.readouterr().err
