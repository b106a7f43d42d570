"""The gates in the real program: refused with numbers, shown in status and history, judged, checked offline."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from kits.room import Room, home

from hotswapd.daemon.cli import main
from hotswapd.daemon.host.exits import Exit


def _judge(room: Room, program: str) -> str:
    """Configure a judge, and return the lines for the table."""
    path = room.root / "judge.py"
    path.write_text(program)
    return f"argv = [{json.dumps(sys.executable)}, {json.dumps(str(path))}]"


def test_verdicts_are_in_history_and_progress_in_status(room: Room) -> None:
    """While a judge looks the status says so; its no ends the candidate, and every number is where it should be."""
    go = room.root / "go"
    program = (
        f"import os, sys, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('too dull')\nsys.exit(3)"
    )
    room.configure(**{"verify.command": _judge(room, program)})
    room.ready()
    uri = room.drop("run-0")
    room.until(lambda: (room.status()["verify"] or {}).get("gate") == "command", "the judge is never asked")
    assert room.status()["verify"]["uri"] == uri
    go.touch()
    row = room.outcome(uri)
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "judge_refused")
    assert "too dull" in row["detail"]
    assert [one["gate"] for one in row["verify"]] == ["norms", "probe", "command"]
    assert row["verify"][-1]["numbers"]["exit_code"] == 3
    assert [event["gate"] for event in room.events("verdict")] == ["norms", "probe", "command"]
    assert room.status()["verify"] is None
    assert room.live() == 0


def test_pause_and_rollback_come_before_a_running_judge(room: Room) -> None:
    """A rollback does not wait for the judge; paused, the candidate is held; both with the judge killed."""
    lines = _judge(room, "import os, time\nif 'run-0' not in os.environ['HOTSWAPD_CANDIDATE_URI']: time.sleep(1000)")
    room.configure(**{"verify.command": lines})
    room.ready()
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
    held = room.drop("run-1")
    room.until(lambda: (room.status()["verify"] or {}).get("gate") == "command", "the judge is never asked")
    assert room.client.post("/rollback", {"generation": None, "follow": False})["generation"] == 0
    room.until(lambda: (room.status()["verify"] or {}).get("gate") == "command", "it is not tried again")
    room.client.post("/pause", {})
    room.until(lambda: [one["reason"] for one in room.status()["queue"]] == ["paused"], "it is not held")
    assert room.status()["queue"][0]["uri"] == held


def test_a_judge_does_not_outlive_a_killed_daemon(room: Room) -> None:
    """SIGKILL leaves the daemon no time to end its judge: that and what it started are gone all the same."""
    note = room.root / "pids"
    program = (
        "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '1000'])\n"
        f"open({str(note)!r} + '~', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(note)!r} + '~', {str(note)!r})\ntime.sleep(1000)"
    )
    room.configure(**{"verify.command": _judge(room, program)})
    process = room.ready()
    room.drop("run-0")
    room.until(note.exists, "the judge is never asked")
    pids = [int(pid) for pid in note.read_text().split()]
    assert [_runs(pid) for pid in pids] == [True, True]
    process.kill()
    for pid in pids:
        room.until(partial(_has_ended, pid), f"process {pid} lives on")


def _has_ended(pid: int) -> bool:
    return not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("table", "line", "key"),
    [("serve", "berths = 1", "serve.berths"), ("verify.dataset", 'file = "/no/such/file"', "verify.dataset.file")],
)
def test_what_cannot_work_is_exit_78(room: Room, table: str, line: str, key: str) -> None:
    """Too few berths for a candidate, and a dataset that is not there, end the start with the key."""
    room.configure(**{table: line})
    assert room.start().wait() == Exit.CONFIGURATION
    assert key in room.log.read_text()


def test_check_verify_runs_the_gates_without_a_daemon(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A good adapter is exit 0 and a bad one exit 3, with the gates' numbers; without a base it is a usage error."""
    settings = tmp_path / "h.toml"
    settings.write_text(f'[model]\nbase = "{trained / "base"}"\nmax_rank = 16\n[admission]\nbase_models = ["*"]\n')
    base = ["--config", str(settings), "--verify", "--json"]
    for name, code, gate in (("pirate", Exit.FINE, "probe"), ("scaled-by-30", Exit.REJECTED, "probe")):
        assert main(["check", str(trained / name), *base]) == code
        said = json.loads(capsys.readouterr().out)
        assert said["ok"] == (code == Exit.FINE)
        assert said["verify"][-1]["gate"] == gate
    assert main(["check", str(home() / "run-0"), "--verify"]) == Exit.USAGE
