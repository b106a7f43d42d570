"""Who asked: the kernel's word on the control socket, in the ledger and in what the commands show."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import Front, front
from kits.operators import make_operator

from hotswapd.daemon.cli import main
from hotswapd.daemon.control.client import NoDaemon, Refused
from hotswapd.daemon.control.face import Peer
from hotswapd.daemon.control.peer import peer_of
from hotswapd.daemon.ledger.ledger import Ledger

ME = Peer(os.getpid(), os.getuid(), os.getgid())
NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def face() -> FakeFace:
    return FakeFace()


@pytest.fixture
def fake(face: FakeFace, tmp_path: Path) -> Iterator[Front]:
    with front(face, tmp_path) as one:
        yield one


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


@pytest.fixture
def real(ledger: Ledger, tmp_path: Path) -> Iterator[Front]:
    """The operator's side with its real ledger, without a model."""
    with front(make_operator(ledger), tmp_path) as one:
        yield one


def let_others_pass(place: Path) -> None:
    """Let every user through pytest's own directories to this one."""
    for directory in (place, *place.parents):
        if directory == Path(tempfile.gettempdir()):
            return
        directory.chmod(0o755)


def as_nobody(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of another user; its imports come first, since that user may not read this Python."""
    become = f"import os, pwd; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"
    program = f"from pathlib import Path; from hotswapd.daemon.control.client import Client\n{become}\n{code}"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/submit", {"uri": "file:///a"}),
        ("/rollback", {}),
        ("/pin", {}),
        ("/unpin", {}),
        ("/pause", {}),
        ("/resume", {}),
    ],
)
def test_every_change_comes_with_the_process_that_asked(
    fake: Front, face: FakeFace, path: str, fields: dict[str, object]
) -> None:
    """Process, user and group are those of this very process."""
    fake.client.post(path, fields)
    assert face.peers == [ME]


def test_two_who_ask_are_told_apart(fake: Front, face: FakeFace) -> None:
    """Another process is another peer, also when it asks meanwhile."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as idle:
        idle.connect(str(fake.socket))
        pause = f"main(['pause', '--socket', {str(fake.socket)!r}])"
        code = f"from hotswapd.daemon.cli import main; import os; print(os.getpid()); {pause}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        fake.client.post("/resume", {})
    assert [peer.pid for peer in face.peers if peer] == [int(done.stdout.splitlines()[0]), os.getpid()]


def test_a_tcp_connection_has_no_peer() -> None:
    """The kernel knows processes of this machine only."""
    with contextlib.closing(socket.socket()) as sock:
        assert peer_of(sock) is None
    assert peer_of(None) is None


def test_the_ledger_keeps_who_asked_and_how_it_ended(real: Front) -> None:
    """What went well and what was refused are both there, newest first, and the command shows them."""
    real.client.post("/pause", {})
    with pytest.raises(Refused, match="lies in no configured source"):
        real.client.post("/submit", {"uri": "file:///elsewhere/run-7"})
    found = real.client.get("/actions")
    assert [(one["action"], one["argument"], one["result"]) for one in found] == [
        ("submit", "file:///elsewhere/run-7", "outside_sources"),
        ("pause", "", "done"),
    ]
    assert all((one["pid"], one["uid"], one["gid"]) == (ME.pid, ME.uid, ME.gid) for one in found)


def test_history_shows_the_actions(real: Front, capsys: pytest.CaptureFixture[str]) -> None:
    """A person reads who it was by name, a program by number."""
    real.client.post("/pause", {})
    assert main(["history", "--actions", "--json", "--socket", str(real.socket)]) == 0
    (action,) = json.loads(capsys.readouterr().out)
    assert (action["action"], action["uid"]) == ("pause", os.getuid())
    assert main(["history", "--actions", "--socket", str(real.socket)]) == 0
    shown = capsys.readouterr().out
    assert "pause  done" in shown
    assert action["who"] in shown
    assert f"(process {os.getpid()})" in shown


def test_what_nobody_asked_for_is_the_daemons_own(
    real: Front, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """An entry without a peer names nobody."""
    ledger.actions.note("resident_lost", "the device is gone", "exit 70", None)
    assert main(["history", "--actions", "--socket", str(real.socket)]) == 0
    assert "hotswapd itself" in capsys.readouterr().out


@needs_root
def test_an_outsider_is_told_which_group_may_ask(fake: Front, tmp_path: Path) -> None:
    """Another user's command ends with status 4 and says how to get in."""
    let_others_pass(tmp_path)
    done = as_nobody(f"Client(Path({str(fake.socket)!r})).get('/status')")
    assert "NoDaemon: only its owner and the group root may open" in done.stderr
    assert "usermod -aG root" in done.stderr


@needs_root
def test_a_member_of_the_group_may_ask_and_is_named(fake: Front, face: FakeFace, tmp_path: Path) -> None:
    """Mode 0660: the socket's group is enough, and the ledger gets the member's own user."""
    let_others_pass(tmp_path)
    os.chown(fake.socket, 0, NOBODY)
    done = as_nobody(f"Client(Path({str(fake.socket)!r})).post('/pause', {{}})")
    assert done.returncode == 0, done.stderr
    (peer,) = face.peers
    assert peer is not None
    assert (peer.uid, peer.gid) == (NOBODY, NOBODY)


@pytest.mark.skipif(os.getuid() == 0, reason="root may open everything")
def test_a_locked_socket_is_not_a_missing_daemon(fake: Front) -> None:
    """Permission is another trouble than absence."""
    fake.socket.chmod(0)
    with pytest.raises(NoDaemon, match="only its owner and the group"):
        fake.client.get("/status")
