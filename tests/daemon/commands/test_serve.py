"""`hotswapd serve` as far as it goes without a model: what it writes, refuses and makes."""

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hotswapd.daemon.cli import main
from hotswapd.daemon.commands import serve as command
from hotswapd.daemon.config.line import Line
from hotswapd.daemon.config.settings import load_settings
from hotswapd.daemon.host.sockets import open_control


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a user whose home is the test's directory, in an empty working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Put a daemon in place that writes down which watched folders there are, and ends at once."""
    seen: list[list[str]] = []

    def run(*_: object) -> int:
        seen.append(sorted(os.listdir()))
        return 0

    monkeypatch.setattr(command, "run_daemon", run)
    return seen


def test_a_line_is_written_and_means_the_same(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "org/model", "./adapters", "--port", "0", "--max-rank", "8", "--write-config", "c.toml"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("wrote c.toml; run it with: hotswapd run --config c.toml\n", "")
    settings = load_settings(Path("c.toml"), {})
    assert (settings.serve.port, settings.model.max_rank) == (0, 8)
    assert settings.source[0].name == str(home / "work" / "adapters")
    assert sorted(os.listdir()) == ["c.toml"]


def test_a_file_is_never_written_over(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.toml").write_text("mine")
    assert main(["serve", "org/model", "--write-config", "c.toml"]) == 2
    assert Path("c.toml").read_text() == "mine"
    assert "c.toml exists" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "org/model", "--write-config", "no/where.toml"]) == 4
    assert "no/where.toml cannot be written: No such file or directory" in capsys.readouterr().err


def test_a_dash_prints_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "org/model", "--write-config", "-"]) == 0
    assert 'base = "org/model"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["./nowhere"], "BASE: ./nowhere is not a directory"),
        (["org/model", "s3:/b"], "SOURCE: 's3:/b' lacks slashes"),
        (["org/model", "--set", "model.max_rnk=8"], "model.max_rnk: there is no such key; did you mean max_rank?"),
        (["org/model", "--port", "70000"], "serve.port: must be less than or equal to 65535"),
        (["org/model", "--name", "a b"], "--name: 'a b' must be"),
        (["org/model", "./one/two"], "nor does"),
        (["org/model", "/proc/version/x"], "source[0].path: /proc/version/x does not exist and cannot be made"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_78(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 78
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[0]
    assert len(lines) == 1
    assert os.listdir() == []


def test_a_daemon_that_runs_already_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do for a second one; its port and its state are not touched."""
    path = home / ".local" / "state" / "hotswapd" / "control.sock"
    with closing(open_control(path)):
        assert main(["serve", "org/model"]) == 75
    assert f"default runs already, on {path}" in (said := capsys.readouterr().err)
    assert "--name NAME --port N" in said


def test_the_state_of_another_user_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Root's files in it would end the service of the user that it belongs to."""
    state = home / ".local" / "state" / "hotswapd"
    state.mkdir(parents=True)
    if os.getuid() == 1000:
        pytest.skip("it belongs to the user that the test plays")
    assert main(["serve", "org/model", "./adapters"]) == 78
    assert f"state.dir: {state} belongs to " in (said := capsys.readouterr().err)
    assert "--name NAME" in said
    assert os.listdir() == []


def test_a_watched_folder_is_made_and_removed_if_it_stays_empty(watched: list[list[str]]) -> None:
    Path("there").mkdir()
    assert main(["serve", "org/model", "./adapters", "./there"]) == 0
    assert watched == [["adapters", "there"]]
    assert os.listdir() == ["there"]


def test_a_folder_that_was_used_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> int:
        Path("adapters/run-1").mkdir()
        return 0

    monkeypatch.setattr(command, "run_daemon", run)
    assert main(["serve", "org/model", "adapters"]) == 0
    assert os.listdir("adapters") == ["run-1"]


def test_a_closed_output_does_not_end_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The invitation is printed on the worker's thread."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        settings = Line("m").settings({"HOME": "/h"}, 1000)
        command._invite(settings, ("127.0.0.1", 1), "default")
        with pytest.raises(BrokenPipeError):
            closed.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), closed.fileno())


def test_a_name_that_toml_cannot_hold_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Linux allows any bytes in a path, and a TOML file holds UTF-8."""
    assert main(["serve", "org/model", "/tmp/\udcff", "--write-config", "c.toml"]) == 78
    assert "UTF-8" in capsys.readouterr().err
    assert os.listdir() == []
