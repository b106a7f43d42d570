"""The control socket: its endpoints, its file, and the client that the commands use."""

import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import closing

import pytest
from kits.daemon_fakes import ACTIONS, HISTORY, STATUS, FakeFace

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.control.client import Client, NoDaemon, Refused, socket_path
from hotswapd.daemon.host.sockets import open_control, open_tcp
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.service.servers import CannotListen, Servers


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    face, path = FakeFace(), tmp_path_factory.mktemp("control") / "c.sock"
    servers = Servers(face, Settings(model={"base": "m"}, serve={"port": 0}, control={"socket": str(path)}), Metrics())
    servers.start()
    yield face, path
    servers.stop()


@pytest.fixture
def face(served):
    served[0].__init__()
    return served[0]


@pytest.fixture
def client(served, face):
    return Client(served[1])


def test_status_and_history_are_what_the_daemon_says(client):
    assert client.get("/status") == STATUS
    assert client.get("/history") == HISTORY
    assert client.get("/history?limit=1") == HISTORY[:1]
    assert client.get("/actions?limit=1") == ACTIONS[:1]


@pytest.mark.parametrize("limit", ["0", "-1", "many", "9999999999", "%C2%B2", ""])
def test_a_senseless_limit_is_refused(client, limit):
    with pytest.raises(Refused) as caught:
        client.get(f"/history?limit={limit}")
    assert (caught.value.status, caught.value.code) == (400, "bad_limit")


@pytest.mark.parametrize(
    ("path", "fields", "asked"),
    [
        ("/submit", {"uri": "file:///a"}, ("submit", "file:///a", False)),
        ("/submit", {"uri": "file:///a", "again": True}, ("submit", "file:///a", True)),
        ("/rollback", {}, ("rollback", None, False)),
        ("/rollback", {"generation": 2, "follow": True}, ("rollback", 2, True)),
        ("/pin", {}, ("pin", None)),
        ("/pin", {"generation": 0}, ("pin", 0)),
        ("/unpin", {}, ("unpin",)),
        ("/pause", {}, ("pause",)),
        ("/resume", {}, ("resume",)),
    ],
)
def test_each_change_reaches_the_daemon(client, face, path, fields, asked):
    assert client.post(path, fields) == {"ok": True}
    assert face.asked == [asked]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/submit", {}),
        ("/submit", {"uri": 3}),
        ("/submit", {"uri": "file:///a", "again": "yes"}),
        ("/submit", {"uri": "file:///a", "agian": True}),
        ("/submit", []),
        ("/submit", {"uri": "file:///" + "a" * (64 << 10)}),
        ("/rollback", {"generation": True}),
        ("/rollback", {"generation": -1}),
        ("/rollback", {"generation": "2"}),
        ("/pin", {"follow": True}),
        ("/pause", {"for": 3}),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(client, face, path, fields):
    with pytest.raises(Refused) as caught:
        client.post(path, fields)
    assert caught.value.status == 400
    assert face.asked == []


def test_the_daemons_own_refusal_keeps_its_code_and_sentence(client):
    with pytest.raises(Refused, match="generation 99 is not kept") as caught:
        client.post("/rollback", {"generation": 99})
    assert (caught.value.status, caught.value.code) == (409, "no_such_generation")


@pytest.mark.parametrize("path", ["/submit", "/rollback", "/pause"])
def test_reading_never_changes(client, face, path):
    with pytest.raises(Refused) as caught:
        client.get(path)
    assert caught.value.status == 405
    assert face.asked == []


def test_completions_are_not_served_here(client):
    with pytest.raises(Refused) as caught:
        client.post("/v1/completions", {})
    assert caught.value.status == 404


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_socket_is_for_owner_and_group_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with closing(open_control(tmp_path / "c.sock")):
            assert stat.S_IMODE((tmp_path / "c.sock").stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_the_socket_of_a_daemon_that_was_killed_is_taken_over(tmp_path):
    path = tmp_path / "c.sock"
    code = (
        f"import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen(); "
        "print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(CannotListen, match="another hotswapd"):
            open_control(path)
        process.send_signal(signal.SIGKILL)
    with closing(open_control(path)), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))


def test_a_socket_in_use_is_refused_and_left_alone(served, tmp_path):
    with pytest.raises(CannotListen, match="another hotswapd") as caught:
        open_control(served[1])
    assert caught.value.code == "already_running"
    assert Client(served[1]).get("/status") == STATUS


def test_a_file_in_the_way_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "c.sock"
    file.write_text("precious")
    with pytest.raises(CannotListen, match="no socket"):
        open_control(file)
    assert file.read_text() == "precious"


def test_a_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotListen, match="cannot be made"):
        open_control(tmp_path / "file" / "c.sock")


def test_a_port_in_use_is_refused_and_the_control_socket_is_not_left_behind(tmp_path):
    path = tmp_path / "c.sock"
    with closing(open_tcp("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(model={"base": "m"}, serve={"port": port}, control={"socket": str(path)})
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}"):
            Servers(FakeFace(), settings, Metrics()).start()
    assert not path.exists()


def test_stopping_closes_both_lets_a_request_end_and_leaves_no_thread_or_socket(tmp_path):
    path = tmp_path / "c.sock"
    face = FakeFace(gate=threading.Event())
    servers = Servers(face, Settings(model={"base": "m"}, serve={"port": 0}, control={"socket": str(path)}), Metrics())
    servers.start()
    answers: list[int] = []
    port = servers.address[1]

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/v1/completions", b'{"model": "m", "prompt": "hi"}')
        answers.append(connection.getresponse().status)

    asking = threading.Thread(target=ask)
    asking.start()
    assert face.waiting.acquire(timeout=10)
    stopping = threading.Thread(target=servers.stop, args=(20,))
    stopping.start()
    face.gate.set()
    stopping.join(30)
    asking.join(30)
    assert answers == [200]
    assert not servers.alive
    assert not path.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_request_that_does_not_end_is_given_up_after_the_drain(tmp_path):
    face = FakeFace(gate=threading.Event())
    path = tmp_path / "c.sock"
    servers = Servers(face, Settings(model={"base": "m"}, serve={"port": 0}, control={"socket": str(path)}), Metrics())
    servers.start()
    connection = http.client.HTTPConnection("127.0.0.1", servers.address[1], timeout=30)
    connection.request("POST", "/v1/completions", b'{"model": "m", "prompt": "hi"}')
    assert face.waiting.acquire(timeout=10)
    servers.stop(1)
    assert not path.exists()
    face.gate.set()
    connection.close()


def test_the_client_says_that_nobody_is_there(tmp_path):
    with pytest.raises(NoDaemon, match="is it running"):
        Client(tmp_path / "none.sock").get("/status")
    with pytest.raises(NoDaemon):
        Client(tmp_path / ("long" * 40)).get("/status")


def test_the_client_gives_up_on_one_that_never_answers(tmp_path):
    with closing(open_control(tmp_path / "c.sock")), pytest.raises(NoDaemon, match=r"within 0\.1 s"):
        Client(tmp_path / "c.sock", timeout=0.1).get("/status")


def test_the_client_does_not_take_something_else_for_the_daemon(tmp_path):
    with closing(open_control(tmp_path / "c.sock")) as sock:

        def answer() -> None:
            with closing(sock.accept()[0]) as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n[]")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NoDaemon, match="not hotswapd"):
            Client(tmp_path / "c.sock", timeout=10).get("/status")
        thread.join(10)


def test_the_socket_is_the_one_given_else_the_environments_else_the_configurations(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[control]\nsocket = "/from/config"\n')
    environ = {"HOTSWAPD_CONTROL__SOCKET": "/from/environ"}
    assert str(socket_path(tmp_path, config, environ)) == str(tmp_path)
    assert str(socket_path(None, config, environ)) == "/from/environ"
    assert str(socket_path(None, config, {})) == "/from/config"
    assert str(socket_path(None, None, {})) == "/run/hotswapd/control.sock"
    config.write_text("[control\n")
    with pytest.raises(NoDaemon, match=r"c\.toml"):
        socket_path(None, config, {})
