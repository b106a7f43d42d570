"""Sets in the real daemon: published by the command, live at one moment under load, and whole after a death."""

import json
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import BAD
from kits.crowd import crowd
from kits.faults import question, truth
from kits.folders import CONFIG
from kits.room import LIMIT, Room, folder, home, make_room

from hotswapd.daemon.cli import main
from hotswapd.loaders.store.store import Store

NAMES = ("alpha", "beta", "gamma")
BEFORE, AFTER = (("seat", 0), ("pointing", 0)), (("pointing", 2), ("pointed", 0), ("committed", 0))
"""Points of the change, and how often each is passed first: before the file that names all pointers, and after."""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with make_room(tmp_path / "room") as made:
        made.configure(source=f'{folder()}\nchannel = "{{{{1}}}}"', serve="berths = 7")
        yield made


def publish(room: Room, number: int, spoilt: str = "") -> None:
    """Publish a set: each channel gets another of the three adapters, with bytes that no other set has."""
    members = []
    for index, name in enumerate(NAMES):
        directory = room.root / f"trained-{number}-{name}"
        shutil.copytree(home() / f"run-{(number + index) % 3}", directory)
        config = json.loads((directory / CONFIG).read_text()) | {"lora_dropout": (number + 1) * 1e-7}
        (directory / CONFIG).write_text(json.dumps(config))
        if spoilt and index == 1:
            BAD[spoilt][0](directory)
        members.append(f"{name}={directory}")
    assert main(["publish", "--together", *members, str(room.root / "adapters")]) == 0


def lives(room: Room) -> list[int]:
    found = {one["name"]: one["live"]["generation"] for one in room.status()["channels"]}
    return [found.get(name, 0) for name in NAMES]


def go_live(room: Room, number: int) -> None:
    """Publish a set, the first one being number 0, and wait until it is live."""
    publish(room, number)
    wanted = [3 * number + 1, 3 * number + 2, 3 * number + 3]
    room.until(lambda: lives(room) == wanted, f"set {number} does not go live")


def ask(room: Room, index: int, url: str = "") -> int:
    """Ask a channel, compare the answer with that of a fresh PEFT load, and return the number of its set."""
    url = url or f"http://{room.events('listening')[-1]['http']}"
    body = json.dumps(json.loads(question()) | {"model": NAMES[index]}).encode()
    request = urllib.request.Request(f"{url}/v1/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=LIMIT) as response:
        generation, answer = int(response.headers["X-Hotswapd-Generation"]), json.loads(response.read())
    number = (generation - 1) // 3
    right = truth(home() / f"run-{(number + index) % 3}" if generation else None)
    assert answer["choices"][0]["text"] == right, f"generation {generation} answers as another"
    return number


class Watchers:
    """Clients of all channels. Whoever asks after a set was named in any answer must be answered by it, or a later."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.url = f"http://{room.events('listening')[-1]['http']}"
        self.newest = -1
        self.answers: list[int] = []
        self._lock = threading.Lock()

    def ask(self, client: int) -> None:
        with self._lock:
            named = self.newest
        number = ask(self.room, (client + len(self.answers)) % len(NAMES), self.url)
        assert number >= named, f"an answer of set {number} came although set {named} had been named before"
        with self._lock:
            self.newest = max(self.newest, number)
            self.answers.append(number)


def test_a_set_changes_at_one_moment_under_load(room: Room) -> None:
    """From the first one on, before which every channel is the bare base."""
    room.ready()
    watchers = Watchers(room)
    for index in range(len(NAMES)):
        truth(home() / f"run-{index}")  # not while clients wait
    truth(None)
    publish(room, 0)
    room.until(lambda: room.status()["channels"] and any(lives(room)), "nothing goes live")
    with crowd(4, watchers.ask):
        for number in range(1, 4):
            go_live(room, number)
            room.until(lambda wanted=number: watchers.newest == wanted, "nobody is answered by it")  # type: ignore[misc]
    assert set(watchers.answers) >= {1, 2, 3}


def test_a_set_with_a_bad_member_changes_nothing(room: Room) -> None:
    """The others say whose fault it is, and the next set goes live."""
    room.ready()
    go_live(room, 0)
    publish(room, 1, spoilt="other_base")
    rows: list[dict[str, Any]] = []

    def ended() -> bool:
        rows[:] = room.client.get("/history")
        return len([one for one in rows if one["state"] == "REJECTED"]) == len(NAMES)

    room.until(ended, "the set does not end")
    found = {one["channel"]: one["reason"] for one in rows if one["state"] == "REJECTED"}
    assert found["alpha"] == found["gamma"] == "set_refused"
    assert found["beta"] != "set_refused"
    said = {one["detail"].partition(",")[0] for one in rows if one["reason"] == "set_refused"}
    assert said == {"beta"}
    assert lives(room) == [1, 2, 3]
    assert [ask(room, index) for index in range(len(NAMES))] == [0, 0, 0]


@pytest.mark.parametrize(("place", "passes"), BEFORE + AFTER)
def test_a_kill_in_the_middle_leaves_all_or_none(room: Room, place: str, passes: int) -> None:
    """What a restart has is one set, in every channel; a set that had not gone live goes then."""
    file = room.arm(place, "kill")
    room.ready()
    go_live(room, 0)
    file.write_text(str(passes))
    publish(room, 1)
    room.process.wait()
    del room.environ["HOTSWAPD_FAILPOINT"]
    store = Store(shutil.copytree(room.state / "store", room.root / "left"), reserve_bytes=0)
    pointed = [(store.pointer(name) or {})["generation"] for name in NAMES]
    assert pointed == ([4, 5, 6] if (place, passes) in AFTER else [1, 2, 3])
    room.ready()
    room.until(lambda: lives(room) in ([4, 5, 6], [7, 8, 9]), "the set does not go live")
    assert len({ask(room, index) for index in range(len(NAMES))}) == 1
