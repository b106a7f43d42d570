"""A/B and feedback in the real daemon: two generations until somebody decides, and scores that decide a canary."""

import signal
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError

import pytest
from kits.faults import goes_live
from kits.room import Room
from kits.users import Users, configure, expected, rollout, runs

from hotswapd.daemon.answers import ArmStatus
from hotswapd.daemon.control.client import Refused


def arms(room: Room) -> list[ArmStatus]:
    status = rollout(room)
    return [status["live"], status["canary"]] if status else []


def is_gone(place: Path) -> bool:
    return not place.exists()


def refusal(room: Room, path: str, **fields: object) -> str:
    with pytest.raises(Refused) as caught:
        room.client.post(path, fields)
    return caught.value.code


def two(room: Room) -> None:
    """Make two generations, the second of them live."""
    room.ready()
    for index in range(2):
        goes_live(room, room.drop(f"run-{index}"))


def test_two_generations_answer_until_one_is_promoted(room: Room) -> None:
    """Started, counted, shown, promoted; each action is in the ledger with who asked for it."""
    room.configure()
    two(room)
    assert refusal(room, "/ab/stop") == refusal(room, "/ab/promote") == "no_rollout"
    assert refusal(room, "/ab/start", generation=99) == "no_such_generation"
    assert refusal(room, "/ab/start", generation=2) == "already_live"
    assert refusal(room, "/ab/start", generation=1, weight=100) == "bad_weight"
    room.client.post("/ab/start", {"generation": 1, "weight": 40})
    status = runs(room, 1)
    assert (status["kind"], status["share"], status["live"]["generation"]) == ("ab", 40, 2)
    assert refusal(room, "/ab/start", generation=0) == "rollout_runs"
    users = Users(room)
    for number in range(20):
        assert users.ask_as(f"user-{number}")[0] == expected(status, f"user-{number}")
    assert set(users.heard) == {1, 2}
    now = rollout(room)
    assert now is not None
    assert now["live"]["requests"] + now["canary"]["requests"] == 20
    room.client.post("/ab/promote", {})
    assert (room.live(), rollout(room)) == (1, None)
    assert {users.ask_as(str(number))[0] for number in range(5)} == {1}
    done = [(one["action"], one["argument"], one["result"]) for one in room.client.get("/actions")]
    assert ("ab promote", "", "done") in done
    assert ("ab start", "1 weight 40", "done") in done


def test_stopped_or_restarted_the_live_one_answers_alone(room: Room) -> None:
    """The base can be compared with as well."""
    two(room)
    room.client.post("/ab/start", {"generation": 0})
    runs(room, 0)
    room.client.post("/ab/stop", {})
    assert (room.live(), rollout(room)) == (2, None)
    room.client.post("/ab/start", {"generation": 1})
    runs(room, 1)
    room.process.kill()
    room.ready()
    assert (room.live(), rollout(room)) == (2, None)


def test_an_ab_generation_outlasts_a_lower_keep(room: Room) -> None:
    """So that it can be promoted, and comes back after a restart."""
    room.configure()
    two(room)
    room.client.post("/ab/start", {"generation": 1})
    runs(room, 1)
    room.configure(state="keep = 1")
    room.process.signal(signal.SIGHUP)
    room.until_logged("reloaded")
    for name in ("one", "two"):  # what was held is spared once in any case
        tidied = room.nobodys()
        room.drop("run-2", name)
        room.until(partial(is_gone, tidied), "it is never tidied up")
    room.client.post("/ab/promote", {})
    room.process.kill()
    room.ready()
    assert (room.live(), room.events("artifact_lost")) == (1, [])


def test_in_ab_mode_each_candidate_waits_for_a_decision(room: Room) -> None:
    """Nothing is decided by what was counted; stopped by hand it is rolled back from."""
    configure(room, 'mode = "ab"\nweight = 50\nmin_requests = 1\nmin_seconds = 0')
    room.ready()
    first = room.drop("run-0")
    runs(room, 1)
    users = Users(room)
    for number in range(10):
        users.ask_as(f"user-{number}")
    assert room.live() == 0
    room.client.post("/ab/promote", {})
    assert room.outcome(first)["state"] == "LIVE"
    second = room.drop("run-1")
    runs(room, 2)
    room.client.post("/ab/stop", {})
    row = room.outcome(second)
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "operator")


def test_a_canary_with_lower_scores_is_dropped_for_good(room: Room) -> None:
    """After good ones; nobody outside its share has seen it, and its row has the numbers."""
    configure(room, 'mode = "canary"\nweight = 50\nmin_requests = 24\nmin_seconds = 0\nfeedback = true')
    room.ready()
    uri = room.drop("run-0")
    status = runs(room, 1)
    users, asked = Users(room), 0
    while rollout(room) is not None and asked < 400:
        name = f"user-{asked}"
        generation, number = users.ask_as(name)
        assert generation in (0, expected(status, name))
        if (now := rollout(room)) is not None:
            good = generation == 0 or now["canary"]["requests"] <= 4
            users.rate(number, 1.0 if good else 0.0)
        asked += 1
    row = room.outcome(uri)
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "canary_worse")
    assert "the mean score is" in row["detail"]
    numbers = row["verify"][-1]["numbers"]
    assert numbers["canary_requests"] >= 24
    assert numbers["canary_mean_score"] < numbers["live_mean_score"] == 1.0
    again = room.drop("run-0", name="the-same")
    assert room.outcome(again)["state"] == "ROLLED_BACK"
    assert {users.ask_as(str(name))[0] for name in range(4)} == {0}


def test_feedback_is_off_unless_configured(room: Room) -> None:
    """And where it is on, an id counts once, and what makes no sense is refused with a code."""
    room.ready()
    users = Users(room)
    with pytest.raises(HTTPError, match="404"):
        users.rate(users.ask_as("a")[1], 1)


def test_the_metrics_show_both_arms(room: Room) -> None:
    """While there are two, and not after."""
    two(room)
    room.client.post("/ab/start", {"generation": 1, "weight": 25})
    runs(room, 1)
    users = Users(room)
    users.ask_as("somebody")
    share = 'hotswapd_rollout{{arm="{}",channel="default",generation="{}",what="share"}}'
    assert users.metric(share.format("canary", 1)) == 25
    assert users.metric(share.format("live", 2)) == 75
    room.until(lambda: any("mean_logprob" in arm for arm in arms(room)), "it never counts")
    status = rollout(room)
    assert status is not None
    generation = expected(status, "somebody")
    arm: Literal["canary", "live"] = "canary" if generation == 1 else "live"
    likely = f'hotswapd_rollout{{arm="{arm}",channel="default",generation="{generation}",what="mean_logprob"}}'
    assert users.metric(likely) == status[arm]["mean_logprob"] < 0
    room.client.post("/ab/stop", {})
    with pytest.raises(StopIteration):
        users.metric(share.format("canary", 1))
