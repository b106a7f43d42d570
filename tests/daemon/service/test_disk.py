"""The real daemon and a disk that fails it: what is live goes on being served, and is served again after a restart."""

import json
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kits.faults import fill, mounted
from kits.room import Room, home, make_room

PROMPT = {"model": str(home() / "base"), "prompt": "hello", "max_tokens": 8, "temperature": 0}


@pytest.fixture
def small_disk(room: Room) -> Iterator[Path]:
    """Give the daemon a state directory on a file system of its own that is easily filled."""
    room.state.mkdir()
    with mounted(room.state, "-t", "tmpfs", "-o", "size=600m", "hotswapd-test"):
        yield room.state


def answer(room: Room) -> tuple[str, str]:
    """Ask the daemon something, and return the text and the generation that wrote it."""
    port = int(room.events("listening")[-1]["http"].rpartition(":")[2])
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", json.dumps(PROMPT).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as got:
        return json.load(got)["choices"][0]["text"], got.headers["X-Hotswapd-Generation"]


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fill the file system to its last byte for a while."""
    filler = disk / "filler"
    fill(filler)
    try:
        yield
    finally:
        filler.unlink()


def serve_one(room: Room) -> tuple[str, str]:
    """Make an adapter live, and return what it answers."""
    room.ready()
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
    said = answer(room)
    assert said[1] == "1"
    return said


def test_a_full_disk_stops_neither_answers_nor_restarts(room: Room, small_disk: Path) -> None:
    """What is live answers, also after a kill and a start on the full disk; what came meanwhile goes live later."""
    said = serve_one(room)
    with full(small_disk):
        uri = room.drop("run-1")
        room.until(lambda: room.events("ledger_down") or room.events("WAITING"), "nobody notices")
        assert answer(room) == said
        assert room.process is not None
        room.process.kill()
        room.ready()
        assert answer(room) == said
    assert room.outcome(uri)["state"] == "LIVE"
    assert answer(room)[1] == "2"


def test_a_read_only_state_directory_serves_what_was_live(room: Room, small_disk: Path) -> None:
    """It starts, answers and says what is wrong; once the disk can be written again what came meanwhile goes live."""
    said = serve_one(room)
    assert room.process is not None
    room.process.kill()  # the kernel lets nobody do this to files that are being written
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    try:
        room.ready()
        assert answer(room) == said
        room.drop("run-1")
        room.until(lambda: room.status()["trouble"], "status says nothing of it")
        assert room.live() == 1
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    room.until(lambda: room.live() == 2, "what came meanwhile never goes live")


@pytest.mark.parametrize("damage", [b"this is no database", b"", b"SQLite format 3\0" + bytes(4096)])
def test_an_unreadable_ledger_is_moved_aside(room: Room, damage: bytes) -> None:
    """The pointer in the store says what was live, and it stays pinned; the old file is kept for whoever wants it."""
    said = serve_one(room)
    room.client.post("/pin", {})
    assert room.process is not None
    room.process.kill()
    (room.state / "ledger.sqlite").write_bytes(damage)
    room.ready()
    assert answer(room) == said
    assert room.live() == 1
    if damage:
        aside = json.dumps(room.until_logged("ledger_unreadable"))
        assert any(
            str(path) in aside and path.read_bytes() == damage for path in room.state.iterdir() if path.is_file()
        )
    assert room.status()["pinned"]
    room.client.post("/unpin", {})
    assert room.outcome(room.drop("run-1"))["state"] == "LIVE"


def test_a_second_daemon_on_the_same_state_is_refused(room: Room, tmp_path: Path) -> None:
    """It says which directory is taken and ends with 75; the first one answers on."""
    said = serve_one(room)
    with make_room(tmp_path / "other") as other:
        assert other.start(HOTSWAPD_STATE__DIR=str(room.state)).wait() == 75
        assert str(room.state) in other.until_logged("occupied")["detail"]
        assert any(str(room.state) in note.get("STATUS", "") for note in other.hear())
    assert answer(room) == said


def test_only_a_dead_daemons_socket_is_taken_over(room: Room, tmp_path: Path) -> None:
    """A kill leaves the socket's file, which the next start replaces; another daemon on a living one ends with 75."""
    room.ready().kill()
    assert (room.root / "control.sock").is_socket()
    room.ready()
    assert room.status()["ready"]
    with make_room(tmp_path / "other") as other:
        assert other.start(HOTSWAPD_CONTROL__SOCKET=str(room.root / "control.sock")).wait() == 75
        assert "control.sock" in other.log.read_text()
    assert room.status()["ready"]


def test_a_lost_store_serves_the_base_and_says_so(room: Room) -> None:
    """Somebody has removed the artifact: the base answers, and the adapter is fetched again from its folder."""
    serve_one(room)
    assert room.process is not None
    room.process.signal(signal.SIGTERM)
    assert room.process.wait() == 0
    for artifact in (room.state / "store/artifacts").iterdir():
        shutil.rmtree(artifact)
    room.ready()
    room.until_logged("artifact_lost")
    room.until(lambda: room.status()["live"]["uri"], "it is not fetched again")
