"""`hotswapd serve` and `hotswapd run` as somebody at a terminal sees them."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from kits.room import LIMIT, Room, home, spawn
from kits.terminals import on_a_terminal

from hotswapd.daemon.control.client import Client

COLOUR = re.compile(r"\x1b\[(?:\d;)?3\dm")


def typed(room: Room, *more: str) -> list[str]:
    """Return a line for the room's base that keeps everything in the room; root's own places are the machine's."""
    keys = ("model.device=cpu", "serve.context_tokens=128", f"state.dir={room.root}/state")
    sets = (*keys, f"control.socket={room.root}/control.sock", "source[0].settle=0.1")
    said = [part for key in sets for part in ("--set", key)]
    return ["serve", str(home() / "base"), "./adapters", "--port", "0", "--max-rank", "8", *said, *more]


def shell(command: str, directory: Path) -> str:
    done = subprocess.run(
        ["sh", "-c", command], cwd=directory, capture_output=True, text=True, timeout=LIMIT, check=True
    )
    return done.stdout


def test_what_it_prints_can_be_pasted(room: Room, tmp_path: Path) -> None:
    """It loads, it says how to ask, see and drop; each works as it stands, and nothing is left behind."""
    work = tmp_path / "work"
    work.mkdir()
    with on_a_terminal(typed(room), work) as terminal:
        terminal.line("is starting")
        terminal.line("loading the base model")
        terminal.line("ready after")
        ask, drop = terminal.line("curl -s ").strip(), terminal.line("cp -r YOUR-ADAPTER ").strip()
        assert json.loads(shell(ask, work))["choices"][0]["text"]
        shell(drop.replace("YOUR-ADAPTER", str(home() / "run-0")), work)
        terminal.line("LIVE  generation 1 (run-0) answers new requests")
        assert json.loads(shell(ask, work))["system_fingerprint"].startswith("hotswapd-g1-")
        terminal.line("hotswapd status --watch")
        assert Client(room.root / "control.sock").get("/status")["live"]["generation"] == 1
        assert terminal.interrupt() == 0
        assert "{" not in "".join(line for line in terminal.lines if "curl" not in line)
    assert os.listdir(work) == ["adapters"]
    assert os.listdir(work / "adapters") == ["run-0"]


def test_started_again_it_answers_as_before(room: Room) -> None:
    """With the adapter that was live, although the folder is empty now."""
    with on_a_terminal(typed(room), room.root) as terminal:
        terminal.line("ready after")
        room.drop("run-0")
        terminal.line("LIVE  generation 1 (run-0)")
        assert terminal.interrupt() == 0
    shutil.rmtree(room.root / "adapters" / "run-0")
    with on_a_terminal(typed(room), room.root) as terminal:
        assert terminal.line("ready after").endswith("generation 1 (run-0) answers")


def test_a_refusal_is_shown_with_its_reason(room: Room) -> None:
    with on_a_terminal(typed(room), room.root) as terminal:
        terminal.line("ready after")
        room.drop("run-0", spoilt="nan")
        assert "run-0 is REFUSED: non_finite:" in terminal.line("is REFUSED")
    assert "Traceback" not in terminal.raw


def test_an_empty_folder_that_it_made_is_removed(room: Room, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with on_a_terminal(typed(room), work) as terminal:
        terminal.line("ready after")
        assert os.listdir(work) == ["adapters"]
        assert terminal.interrupt() == 0
    assert os.listdir(work) == []


def test_ctrl_c_while_it_loads_leaves_nothing_behind(room: Room, tmp_path: Path) -> None:
    """A thread that hangs in the load does not keep the process, and the folder goes with it."""
    work = tmp_path / "work"
    work.mkdir()
    room.arm("starting", "hang").touch()
    with on_a_terminal(typed(room), work, environ=room.environ) as terminal:
        terminal.line("reading the configuration")
        room.until(lambda: not (room.root / "now").exists(), "it never hangs")
        assert os.listdir(work) == ["adapters"]
        assert terminal.interrupt() == 0
    assert os.listdir(work) == []


@pytest.mark.parametrize("columns", [60, 120])
def test_no_line_is_wider_than_the_terminal(room: Room, tmp_path: Path, columns: int) -> None:
    """But for what is to be pasted, which must stay one line; and NO_COLOR is heeded."""
    with on_a_terminal(typed(room), tmp_path, columns, {"NO_COLOR": "1"}) as terminal:
        terminal.line("cp -r YOUR-ADAPTER")
        assert max(len(line) for line in terminal.lines if "curl" not in line and "cp -r" not in line) <= columns
        assert not COLOUR.search(terminal.raw)


def test_json_can_still_be_had_on_a_terminal(room: Room) -> None:
    """`run` speaks to people too, unless it is told not to."""
    with on_a_terminal(
        ["run", "--config", str(room.config)], room.root, environ={"HOTSWAPD_LOG__FORMAT": "auto"}
    ) as terminal:
        assert terminal.line("ready after").split("  ", 1)[1].startswith("ready after")
    with on_a_terminal(["run", "--config", str(room.config), "--log-format", "json"], room.root, 400) as terminal:
        assert json.loads(terminal.line('"event": "ready"'))["generation"] == 0


def test_off_a_terminal_the_log_is_json_and_the_rest_is_not_in_it(room: Room) -> None:
    (room.root / "adapters").rmdir()
    room.adopt(spawn(typed(room), room.log, {}, room.root))
    room.until_logged("ready")
    room.until(lambda: "cp -r YOUR-ADAPTER" in room.log.read_text(), "it never says how to drop one in")
    assert room.events("listening")


def test_a_second_one_of_the_same_name_is_refused(room: Room, tmp_path: Path) -> None:
    """In a moment, and before it loads anything."""
    with on_a_terminal(typed(room), tmp_path) as terminal:
        terminal.line("ready after")
        with on_a_terminal(typed(room), tmp_path) as second:
            assert second.ends() == 75
            assert "the daemon default runs already" in " ".join(second.lines)
        assert terminal.interrupt() == 0


def test_a_port_that_is_taken_says_which_option_to_use(room: Room, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with on_a_terminal([*typed(room), "--port", port], tmp_path) as terminal:
            assert terminal.ends() == 75
            said = " ".join(terminal.lines)
    assert f"127.0.0.1:{port} cannot be listened on" in said
    assert "--port N" in said
    assert "Traceback" not in said


def test_a_base_that_is_not_there_is_a_sentence(room: Room, tmp_path: Path) -> None:
    """As for a name that the Hub does not have; no trace, and 78."""
    (tmp_path / "empty").mkdir()
    line = ["serve", "./empty", *typed(room)[2:]]
    with on_a_terminal(line, tmp_path) as terminal:
        assert terminal.ends() == 78
        said = " ".join(terminal.lines)
    assert "cannot start: model.base:" in said
    assert "Traceback" not in said
