"""Channels of the real daemon: more of them than berths, over HTTP, through a death, and removed."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kits.faults import question, truth
from kits.room import LIMIT, Room, folder, home, make_room

NAMES = ("alpha", "beta", "gamma", "delta")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with make_room(tmp_path / "room") as made:
        made.configure(source=f'{folder()}\nchannel = "{{{{1}}}}"', serve="berths = 2")
        yield made


def drop(room: Room, channel: str, adapter: int, run: str = "run") -> str:
    """Put an adapter where it names its channel, by a rename."""
    place = room.root / "adapters" / channel / run
    place.parent.mkdir(exist_ok=True)
    part = place.with_name(f".{run}.part")
    shutil.copytree(home() / f"run-{adapter}", part)
    part.rename(place)
    return place.as_uri()


def ask(room: Room, model: str) -> tuple[str, dict[str, str]]:
    """Ask, and return the text of the answer and the headers."""
    url = f"http://{room.events('listening')[-1]['http']}/v1/completions"
    body = json.dumps(json.loads(question()) | {"model": model}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=LIMIT) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return str(json.loads(response.read())["choices"][0]["text"]), headers


def told(adapter: int | None) -> str:
    """Return what a fresh PEFT load answers."""
    return truth(None if adapter is None else home() / f"run-{adapter}")


def lives(room: Room) -> dict[str, Any]:
    return {one["name"]: one["live"]["generation"] for one in room.status()["channels"]}


def test_every_channel_answers_with_its_own_and_comes_back_after_a_kill(room: Room) -> None:
    """Four on two berths; a bad one in the one is a refusal there, and a new one in another changes nothing else."""
    room.ready()
    for index, name in enumerate(NAMES):
        assert room.outcome(drop(room, name, index % 3))["channel"] == name
    numbers = {name: number for name, number in lives(room).items() if number}
    assert set(numbers) == set(NAMES)
    assert sorted(numbers.values()) == [1, 2, 3, 4]
    base = room.status()["resident"]["base"]
    for _ in range(2):
        for index, name in enumerate(NAMES):
            text, headers = ask(room, name)
            assert text == told(index % 3)
            said = headers["x-hotswapd-channel"], headers["x-hotswapd-generation"]
            assert said == (name, str(numbers[name]))
    assert ask(room, base)[0] == told(None)
    room.process.kill()
    room.ready()
    assert {name: number for name, number in lives(room).items() if number} == numbers
    for index, name in enumerate(NAMES):
        assert ask(room, name)[0] == told(index % 3)
    assert room.outcome(drop(room, "beta", 2, "next"))["generation"] == 5
    assert ask(room, "beta")[0] == told(2)
    assert ask(room, "alpha")[0] == told(0)


def test_what_is_done_to_one_channel_is_done_to_it_alone(room: Room) -> None:
    """Pinned, rolled back, removed: over the control socket, by name."""
    room.ready()
    for name in NAMES[:2]:
        room.outcome(drop(room, name, 0))
        room.outcome(drop(room, name, 1, "next"))
    before = lives(room)
    assert room.client.post("/rollback", {"channel": "alpha"})["generation"] == before["alpha"] - 1
    assert lives(room) == before | {"alpha": before["alpha"] - 1}
    status = room.client.get("/status?channel=alpha")
    assert (status["pinned"], status["live"]["generation"]) == (True, before["alpha"] - 1)
    assert not room.status()["pinned"]
    assert {row["channel"] for row in room.client.get("/history?channel=beta")} == {"beta"}
    assert room.client.post("/channel/remove", {"channel": "alpha"}) == {"removed": "alpha", "purged": False}
    assert "alpha" not in lives(room)
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(room, "alpha")
    assert caught.value.code == 404
    assert ask(room, "beta")[0] == told(1)
    shutil.rmtree(room.root / "adapters" / "alpha")
    uri = drop(room, "alpha", 2, "anew")
    room.until(lambda: lives(room).get("alpha"), "the channel is not made anew")
    assert room.outcome(uri)["channel"] == "alpha"
    assert ask(room, "alpha")[0] == told(2)
