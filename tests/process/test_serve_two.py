"""Two daemons of one user, who is not root and names no socket."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from kits.room import home, spawn
from kits.terminals import Terminal, on_a_terminal

from hotswapd.daemon.cli import main

USER = 1000


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a user whose home is the test's directory."""
    monkeypatch.setattr(os, "geteuid", lambda: USER)
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HOTSWAPD_CONTROL__SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def serve(stack: ExitStack, directory: Path, name: str) -> Terminal:
    line = ["serve", str(home() / "base"), "--port", "0", "--name", name, "--set", "model.device=cpu"]
    line += ["--set", "serve.context_tokens=128"]
    start = partial(spawn, uid=USER)
    terminal = stack.enter_context(on_a_terminal(line, directory, environ={"HOME": str(directory)}, start=start))
    terminal.line("ready after")
    return terminal


def test_they_are_told_apart_by_name(room: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has state and socket of its own; while one runs it needs no name."""
    first = serve(stack, room, "default")
    assert main(["pause"]) == 0
    assert "talking to the daemon default on" in capsys.readouterr().err
    second = serve(stack, room, "sales")
    second.line("  hotswapd status --watch --name sales")
    assert main(["status"]) == 2
    said = capsys.readouterr().err
    assert [line for line in (f"  default: {home()}/base", f"  sales: {home()}/base") if line not in said] == []
    assert main(["status", "--name", "sales"]) == 0
    assert "paused" not in capsys.readouterr().out
    state = room / ".local" / "state"
    assert sorted(path.name for path in state.iterdir()) == ["hotswapd", "hotswapd-sales"]
    assert first.interrupt() == 0
    assert main(["status"]) == 0
    assert "talking to the daemon sales on" in capsys.readouterr().err
