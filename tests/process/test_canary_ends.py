"""A canary in the real daemon that ends badly, or meets trouble on its way: nobody outside its share notices."""

import json
import math
import sys
from concurrent.futures import ThreadPoolExecutor

from kits.faults import fill, mounted
from kits.room import Room
from kits.users import Users, configure, expected, rollout, runs

GOOD, WINDOW, WAVE = 200, 230, 8


def test_a_canary_that_degrades_late_is_dropped_in_its_window(room: Room) -> None:
    """Only its share has seen it, each user gets what the documented hash says, and the split is within its bounds."""
    table = f'mode = "canary"\nweight = 50\nmin_requests = {WINDOW}\nmin_seconds = 0\nfeedback = true'
    configure(room, table)
    room.ready()
    uri = room.drop("run-0")
    status, users = runs(room, 1), Users(room)
    seen = {0: 0, 1: 0}
    with ThreadPoolExecutor(WAVE) as pool:
        for first in range(0, 4 * WINDOW, WAVE):
            names = [f"user-{number}" for number in range(first, first + WAVE)]
            answers = list(pool.map(users.ask_as, names))
            gone = rollout(room) is None
            for name, (generation, number) in zip(names, answers, strict=True):
                assert generation == expected(status, name) or (gone and generation == 0)
                seen[generation] += 1
                if not gone:
                    users.rate(number, 0.0 if generation == 1 and seen[1] > GOOD else 1.0)
            if gone:
                break
    total = sum(seen.values())
    assert abs(seen[1] - total / 2) <= 5 * math.sqrt(total / 4)
    row = room.outcome(uri)
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "canary_worse")
    assert "the mean score is" in row["detail"]
    assert rollout(room) is None
    assert {users.ask_as(f"user-{number}")[0] for number in range(20)} == {0}


def test_a_canary_that_kills_twice_is_in_quarantine(room: Room) -> None:
    """Each start serves what was live; after the second death it is not tried again."""
    configure(room, 'mode = "canary"\nweight = 50')
    room.ready()
    uri = room.drop("run-0")
    for number in (1, 2):
        runs(room, number)
        room.process.kill()
        room.ready()
        assert room.live() == 0
    assert room.outcome(uri)["state"] == "QUARANTINED"
    assert rollout(room) is None
    assert Users(room).ask_as("anybody")[0] == 0


def test_a_full_disk_postpones_the_promotion(room: Room) -> None:
    """Both go on answering; when there is room again the canary goes live, with its numbers."""
    room.state.mkdir()
    with mounted(room.state, "-t", "tmpfs", "-o", "size=300m", "hotswapd-test"):
        configure(room, 'mode = "canary"\nweight = 50\nmin_requests = 6\nmin_seconds = 0')
        room.ready()
        uri = room.drop("run-0")
        status, users = runs(room, 1), Users(room)
        fill(room.state / "filler")
        for number in range(60):
            assert users.ask_as(f"user-{number}")[0] == expected(status, f"user-{number}")
        room.until(lambda: bool(room.status()["trouble"]), "nobody is told")
        assert room.live() == 0
        assert runs(room, 1)
        (room.state / "filler").unlink()
        room.until(lambda: room.live() == 1, "it never goes live")
        row = room.outcome(uri)
        assert (row["state"], row["generation"]) == ("LIVE", 1)
        assert [one["gate"] for one in row["verify"]].count("canary") == 1
        assert users.ask_as("anybody")[0] == 1
        room.process.kill()


def test_a_newer_one_is_judged_beside_a_canary(room: Room) -> None:
    """The judge asks the candidate, users get live or canary, and judged well the newer one supersedes."""
    go = room.root / "go"
    judge = room.root / "judge.py"
    judge.write_text(f"import os, time\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.01)\n")
    command = f"argv = {json.dumps([sys.executable, str(judge)])}"
    configure(room, 'mode = "canary"\nweight = 50', 0, **{"serve": "berths = 3", "verify.command": command})
    room.ready()
    go.touch()
    first = room.drop("run-0")
    status = runs(room, 1)
    go.unlink()
    room.drop("run-1")
    room.until(lambda: (room.status()["verify"] or {}).get("gate") == "command", "it is not judged")
    users = Users(room)
    for number in range(10):
        assert users.ask_as(f"user-{number}")[0] == expected(status, f"user-{number}")
    assert set(users.heard) == {0, 1}
    go.touch()
    assert runs(room, 2)["live"]["generation"] == 0
    row = next(one for one in room.client.get("/history") if one["uri"] == first)
    assert (row["state"], row["reason"]) == ("SUPERSEDED", "newer_canary")
