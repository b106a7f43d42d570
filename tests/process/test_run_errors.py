"""How the real program says that it cannot: an exit status that scripts rely on, and a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kits.room import LIMIT, home, make_room


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the program as a shell does."""
    command = [sys.executable, "-m", "hotswapd.daemon.cli", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT)


def configure(directory: Path, text: str = "", **keys: str) -> Path:
    """Write a configuration that is right but for what a test wants to be wrong."""
    values = {
        "model.base": json.dumps(str(home() / "base")),
        "model.device": '"cpu"',
        "serve.port": "0",
        "serve.context_tokens": "256",
        "state.dir": json.dumps(str(directory / "state")),
        "control.socket": json.dumps(str(directory / "c.sock")),
    }
    values |= {key.replace("__", "."): value for key, value in keys.items()}
    path = directory / "hotswapd.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in values.items() if value) + f"\n{text}\n")
    return path


@pytest.mark.parametrize(
    ("keys", "text", "said"),
    [
        ({"model__base": ""}, "", "model.base: is required and missing"),
        ({"model__max_rank": "0"}, "", "model.max_rank: "),
        ({"model__max_rnk": "8"}, "", "model.max_rnk: there is no such key; did you mean max_rank?"),
        ({}, '[[source]]\nkind = "local"', "source[0].path: is required and missing"),
        ({}, '[[source]]\nkind = "ftp"', "source[0]: kind must be one of local, s3, hub"),
        ({}, "[serve", "the file is not TOML"),
    ],
)
def test_a_wrong_configuration_names_its_key_and_ends_with_78(
    tmp_path: Path, keys: dict[str, str], text: str, said: str
) -> None:
    """Before anything is opened or loaded, and without a trace."""
    done = run("run", "--config", configure(tmp_path, text, **keys))
    assert done.returncode == 78
    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("key", "value", "status", "said"),
    [
        ("MODEL__BASE", "/nowhere/at/all", 78, "/nowhere/at/all"),
        ("MODEL__TARGET_MODULES", '["no_such_module"]', 78, "no_such_module"),
        ("MODEL__DEVICE", "cuda:99", 75, "cuda:99"),
        ("STATE__DIR", "/proc/version/state", 78, "state.dir: /proc/version/state"),
    ],
)
def test_a_missing_model_or_place_ends_with_its_status(
    tmp_path: Path, key: str, value: str, status: int, said: str
) -> None:
    """78 when the configuration must change, 75 when a device may come: never a silent other device."""
    with make_room(tmp_path) as room:
        assert room.start(**{f"HOTSWAPD_{key}": value}).wait() == status
        assert said in room.tail()
        assert "Traceback" not in room.tail()
        assert not any("READY" in note for note in room.hear())


def test_commands_without_a_daemon_end_with_4(tmp_path: Path) -> None:
    """They say where they looked."""
    config = configure(tmp_path)
    for command in (["status"], ["history"], ["pause"], ["submit", "/a"], ["rollback"]):
        done = run(*command, "--config", config)
        assert (done.returncode, str(tmp_path / "c.sock") in done.stderr) == (4, True)


def test_a_wrong_command_line_ends_with_2() -> None:
    """As for every Unix command."""
    assert run("no-such-command").returncode == 2
    assert run("status", "--no-such-option").returncode == 2


def test_no_place_for_temporary_files_is_a_sentence(tmp_path: Path) -> None:
    """Not torch's traceback: no file of this process may have a byte, and pipes may."""
    command = [sys.executable, "-m", "hotswapd.daemon.cli", "run", "--config", str(configure(tmp_path))]
    done = subprocess.run(
        ["prlimit", "--fsize=0", *command], check=False, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path
    )
    assert done.returncode == 78
    assert "TMPDIR: no directory for temporary files can be written" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
