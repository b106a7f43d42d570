"""Who asked: the kernel's word on the control socket, in the ledger and in what the commands show."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass

import pytest
from kits.daemon_fakes import FakeFace
from kits.operators import make_operator

from hotswapd.daemon.cli import main
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.control.client import Client, NoDaemon, Refused
from hotswapd.daemon.control.face import Peer
from hotswapd.daemon.control.peer import peer_of
from hotswapd.daemon.host.sockets import open_control
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.service.servers import Servers

ME = Peer(os.getpid(), os.getuid(), os.getgid())
NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@dataclass
class Controlled:
    """A control socket with a face behind it."""

    face: object
    path: str

    @property
    def client(self) -> Client:
        return Client(self.path)


@contextlib.contextmanager
def controlled(face, directory):
    path = directory / "c.sock"
    servers = Servers(face, Settings(model={"base": "m"}, serve={"port": 0}, control={"socket": str(path)}), Metrics())
    servers.start()
    try:
        yield Controlled(face, path)
    finally:
        servers.stop()


@pytest.fixture
def fake(tmp_path):
    with controlled(FakeFace(), tmp_path) as one:
        yield one


@pytest.fixture
def real(tmp_path):
    """The operator's side with its real ledger, without a model."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    operator = make_operator(ledger)
    with controlled(operator, tmp_path) as one:
        yield one
    ledger.close()


def as_nobody(code):
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
def test_every_change_comes_with_the_process_that_asked(fake, path, fields):
    """Process, user and group are those of this very process."""
    fake.client.post(path, fields)
    assert fake.face.peers == [ME]


def test_two_who_ask_are_told_apart(fake):
    """Another process is another peer, also when it asks meanwhile."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as idle:
        idle.connect(str(fake.path))
        pause = f"main(['pause', '--socket', {str(fake.path)!r}])"
        code = f"from hotswapd.daemon.cli import main; import os; print(os.getpid()); {pause}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        fake.client.post("/resume", {})
    assert [peer.pid for peer in fake.face.peers] == [int(done.stdout.splitlines()[0]), os.getpid()]


def test_a_tcp_connection_has_no_peer():
    """The kernel knows processes of this machine only."""
    with contextlib.closing(socket.socket()) as sock:
        assert peer_of(sock) is None
    assert peer_of(None) is None


def test_the_ledger_keeps_every_action_who_asked_and_how_it_ended(real):
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


def test_history_shows_the_actions(real, capsys):
    """A person reads who it was by name, a program by number."""
    real.client.post("/pause", {})
    assert main(["history", "--actions", "--json", "--socket", str(real.path)]) == 0
    (action,) = json.loads(capsys.readouterr().out)
    assert (action["action"], action["uid"]) == ("pause", os.getuid())
    assert main(["history", "--actions", "--socket", str(real.path)]) == 0
    shown = capsys.readouterr().out
    assert "pause  done" in shown
    assert action["who"] in shown
    assert f"(process {os.getpid()})" in shown


def test_a_pause_that_nobody_asked_for_is_the_daemons_own(real, capsys):
    """An entry without a peer says so instead of naming somebody."""
    real.face.ledger.actions.note("resident_lost", "the device is gone", "exit 70", None)
    assert main(["history", "--actions", "--socket", str(real.path)]) == 0
    assert "hotswapd itself" in capsys.readouterr().out


@needs_root
def test_who_may_not_open_the_socket_is_told_which_group_may(fake, tmp_path):
    """Another user's command ends with status 4 and says how to get in."""
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    done = as_nobody(f"Client(Path({str(fake.path)!r})).get('/status')")
    assert "NoDaemon: only its owner and the group root may open" in done.stderr
    assert "usermod -aG root" in done.stderr


@needs_root
def test_a_member_of_the_group_may_open_the_socket_and_is_named(fake, tmp_path):
    """Mode 0660: the socket's group is enough, and the ledger gets the member's own user."""
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    os.chown(fake.path, 0, NOBODY)
    done = as_nobody(f"Client(Path({str(fake.path)!r})).post('/pause', {{}})")
    assert done.returncode == 0, done.stderr
    (peer,) = fake.face.peers
    assert (peer.uid, peer.gid) == (NOBODY, NOBODY)


@pytest.mark.skipif(os.getuid() == 0, reason="root may open everything")
def test_a_socket_that_is_locked_away_is_no_missing_daemon(fake):
    """Permission is another trouble than absence."""
    fake.path.chmod(0)
    with pytest.raises(NoDaemon, match="only its owner and the group"):
        fake.client.get("/status")


def test_a_daemon_that_hangs_is_given_up_with_advice(tmp_path):
    """One that listens and never answers ends a command with a sentence within its limit."""
    with contextlib.closing(open_control(tmp_path / "c.sock")), pytest.raises(NoDaemon, match=r"within 0\.1 s.*log"):
        Client(tmp_path / "c.sock", timeout=0.1).get("/status")
