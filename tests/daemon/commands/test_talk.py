"""What the commands say about the daemon that they have found by themselves."""

import os
from pathlib import Path

import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import front_at

from hotswapd.daemon.cli import main
from hotswapd.daemon.config.paths import roots_of

USER = 1000


@pytest.fixture(autouse=True)
def _as_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: USER)
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HOTSWAPD_CONTROL__SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def socket_of(home: Path, name: str = "default") -> Path:
    path = roots_of({"HOME": str(home)}, USER).socket(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_a_command_says_which_daemon_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, so that JSON on standard output stays JSON."""
    path = socket_of(tmp_path)
    with front_at(FakeFace(), path):
        capsys.readouterr()  # what the server logs
        assert main(["status", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == f"hotswapd: talking to the daemon default on {path}\n"
    assert said.out.startswith("{")


def test_a_command_that_was_told_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = socket_of(tmp_path)
    with front_at(FakeFace(), path):
        assert main(["pause", "--socket", str(path)]) == 0
        assert capsys.readouterr().err == ""


def test_two_daemons_are_told_apart_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = FakeFace(), FakeFace()
    with (
        front_at(one, socket_of(tmp_path, "one")),
        front_at(two, socket_of(tmp_path, "two")),
    ):
        assert main(["pin", "3"]) == 2
        assert "name one with --name" in capsys.readouterr().err
        assert main(["pin", "3", "--name", "two"]) == 0
    assert (one.asked, two.asked) == ([], [("pin", 3)])


def test_a_name_without_a_daemon_is_exit_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--name", "none"]) == 4
    assert "called none" in capsys.readouterr().err
