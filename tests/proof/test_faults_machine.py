"""One real daemon through everything that a machine does to a process: it answers throughout, and recovers."""

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator

import pytest
from kits.faults import (
    GENERATION,
    Clients,
    asked_all_the_while,
    goes_live,
    offer,
    question,
    serve_first,
    spare,
    until_up,
)
from kits.room import Room, make_room


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with make_room(tmp_path_factory.mktemp("machine") / "room") as room:
        serve_first(room)
        yield room


@contextlib.contextmanager
def kept_connection(clients: Clients) -> Iterator[Callable[[], int]]:
    """Give a client whose connection stays open, as the libraries' do."""
    host, _, port = clients.url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def ask() -> int:
        connection.request("POST", "/v1/completions", question(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return clients.check(json.loads(answer.read()), int(answer.headers[GENERATION]))

    ask()
    try:
        yield ask
    finally:
        connection.close()


def pid_of(room: Room) -> int:
    assert room.process.ended() is None
    return room.process.pid


def test_without_descriptors_it_says_so_and_recovers(room: Room) -> None:
    """Nothing can be opened: who is connected is answered, the log has the reason, then all goes on."""
    pid, clients = pid_of(room), Clients(room)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    downs = len(room.events("source_down"))
    with kept_connection(clients) as ask:
        try:

            def down() -> bool:
                """Leave no descriptor, whatever was closed meanwhile: connections of before may end late."""
                there = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(max(there), len(there)), before[1]))
                ask()
                return len(room.events("source_down")) > downs

            room.until(down, "nobody notices")
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert "Too many open files" in room.events("source_down")[-1]["detail"]
    until_up(room)
    with asked_all_the_while(room):
        goes_live(room, offer(room))


def test_a_storm_of_sighups_changes_nothing(room: Room) -> None:
    """Two hundred of them while adapters go live: each is one reload or part of one, and every answer is right."""
    times = len(room.events("reloaded"))
    with asked_all_the_while(room):
        for number in range(200):
            os.kill(pid_of(room), signal.SIGHUP)
            if number % 100 == 0:
                goes_live(room, offer(room))
        room.until(lambda: len(room.events("reloaded")) > times, "it never reloads")
        goes_live(room, offer(room))
    assert room.status()["ready"]


def test_a_process_that_was_stopped_for_a_while_goes_on(room: Room) -> None:
    """As on a machine that was asleep: what is asked meanwhile is answered afterwards, what was dropped goes live."""
    adapter = spare(room)
    with asked_all_the_while(room):
        os.kill(pid_of(room), signal.SIGSTOP)
        room.until(lambda: _state(room) == "T", "it is not stopped")
        uri = room.drop(adapter, "while-asleep")
        os.kill(pid_of(room), signal.SIGCONT)
        goes_live(room, uri)


def _state(room: Room) -> str:
    with open(f"/proc/{pid_of(room)}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_half_requests_keep_nobody_waiting(room: Room) -> None:
    """A hundred connections that say nothing more: the others are answered, and an adapter goes live."""
    host, _, port = Clients(room).url.removeprefix("http://").rpartition(":")
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            silent = stack.enter_context(socket.create_connection((host, int(port))))
            silent.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        with asked_all_the_while(room):
            goes_live(room, offer(room))


def test_a_deaf_service_manager_changes_nothing(room: Room) -> None:
    """Its socket is gone: nothing waits for it, reloads and swaps go on."""
    (room.root / "notify").rename(room.root / "notify.away")
    times = len(room.events("reloaded"))
    try:
        with asked_all_the_while(room):
            os.kill(pid_of(room), signal.SIGHUP)
            room.until(lambda: len(room.events("reloaded")) > times, "it hangs")
            goes_live(room, offer(room))
    finally:
        (room.root / "notify.away").rename(room.root / "notify")


def test_a_vanished_configuration_is_refused_at_a_reload(room: Room) -> None:
    """The status line says why; what runs stays as it is."""
    away = room.config.rename(room.root / "away.toml")
    with asked_all_the_while(room):
        times = len(room.events("reload_refused"))
        os.kill(pid_of(room), signal.SIGHUP)
        room.until(lambda: len(room.events("reload_refused")) > times, "nobody says so")
        goes_live(room, offer(room))
        away.rename(room.config)
        reloads = len(room.events("reloaded"))
        os.kill(pid_of(room), signal.SIGHUP)
        room.until(lambda: len(room.events("reloaded")) > reloads, "it is not taken")
