"""A canary in the real daemon: who sees it, when it goes live, and what ends it."""

import signal

import pytest
import torch
from kits.adapters import greedy, logits, oracle_model
from kits.faults import NO_ANSWER, PROMPT, TOKENS, goes_live
from kits.models import byte_tokenizer
from kits.room import Room, home
from kits.users import Users, configure, expected, rollout, runs

from hotswapd.daemon.terminal.rollout import side_by_side


def ask_until(room: Room, users: Users, done: object, limit: int = 400) -> None:
    """Ask as one user after the other until it is so."""
    for number in range(limit):
        if done():  # type: ignore[operator]
            return
        users.ask_as(f"user-{number}")
    raise AssertionError(f"it never comes:\n{room.tail()}")


def state(room: Room, uri: str) -> tuple[str, str]:
    """Return an adapter's state and its reason, both empty while nobody has seen it."""
    row = next((one for one in room.client.get("/history") if one["uri"] == uri), {"state": "", "reason": ""})
    return row["state"], row["reason"] or ""


def test_a_canary_climbs_its_steps_and_goes_live(room: Room) -> None:
    """Each user gets what the documented hash says, each answer is PEFT's, and the row has each step's numbers."""
    configure(room, 'mode = "canary"\nsteps = [30, 60, 100]\nmin_requests = 8\nmin_seconds = 0')
    room.ready()
    uri = room.drop("run-0")
    status = runs(room, 1)
    assert (status["kind"], status["share"], status["live"]["generation"]) == ("canary", 30, 0)
    users = Users(room)
    for number in range(7):  # fourteen requests: a step is not decided before there are eight in each arm
        got = {users.ask_as(f"user-{number}")[0] for _ in range(2)}
        assert got == {expected(status, f"user-{number}")}
    ask_until(room, users, lambda: room.live() == 1)
    assert set(users.heard) == {0, 1}
    row = room.outcome(uri)
    assert (row["state"], row["generation"]) == ("LIVE", 1)
    steps = [one for one in row["verify"] if one["gate"] == "canary"]
    assert [one["numbers"]["share"] for one in steps] == [30, 60]
    assert all(one["numbers"]["canary_requests"] >= 8 for one in steps)
    room.until(lambda: rollout(room) is None, "the rollout does not end")
    assert users.ask_as("anybody")[0] == 1


def test_the_header_wins_and_each_arm_has_a_name(room: Room) -> None:
    """Who asks for the canary gets it, and counts for nothing."""
    configure(room, 'mode = "canary"\nweight = 50')
    room.ready()
    room.drop("run-0")
    status = runs(room, 1)
    users = Users(room)
    ins = [name for name in map(str, range(40)) if expected(status, name) == 1][:3]
    outs = [name for name in map(str, range(40)) if expected(status, name) == 0][:3]
    for inside, outside in zip(ins, outs, strict=True):
        assert users.ask_as(outside, header=inside)[0] == 1
        assert users.ask_as(inside, header=outside)[0] == 0
    assert users.ask_as(outs[0], model="@canary")[0] == 1
    assert users.ask_as(ins[0], model="@g0")[0] == 0
    now = rollout(room)
    assert now is not None
    assert (now["canary"]["requests"], now["live"]["requests"]) == (3, 3)


def test_a_canary_that_nobody_asks_says_what_it_waits_for(room: Room) -> None:
    """In the status, on the pages made of it, and once in the log after its seconds."""
    configure(room, 'mode = "canary"\nweight = 50\nmin_requests = 7\nmin_seconds = 0.2')
    room.ready()
    room.drop("run-0")
    runs(room, 1)
    said = "0 of 7 requests in the live arm, 0 of 7 requests in the canary arm"
    line = room.until_logged("rollout_waits")
    assert (line["canary"], line["share"], line["waits_for"]) == (1, 50, said)
    now = rollout(room)
    assert now is not None
    assert now["waits_for"] == said
    assert side_by_side(now).endswith(f"waits for {said}")


def test_killed_in_the_middle_the_canary_begins_again(room: Room) -> None:
    """At the first step, with nothing counted, under a number of its own, with the same users."""
    configure(room, 'mode = "canary"\nweight = 50\nmin_requests = 1000')
    room.ready()
    room.drop("run-0")
    before = runs(room, 1)
    users = Users(room)
    for number in range(4):
        users.ask_as(f"user-{number}")
    room.process.kill()
    room.ready()
    assert room.live() == 0
    again = runs(room, 2)
    assert again["salt"] == before["salt"]
    assert again["canary"]["requests"] == again["live"]["requests"] == 0
    assert users.ask_as("anybody", model="@canary")[0] == 2


def test_a_pin_ends_the_canary_and_unpinned_it_begins_again(room: Room) -> None:
    """The live generation stays for everybody; nobody's answer is broken off."""
    configure(room, 'mode = "canary"\nweight = 50')
    room.ready()
    uri = room.drop("run-0")
    runs(room, 1)
    room.client.post("/pin", {})
    room.until(lambda: state(room, uri) == ("HELD", "pinned"), "the pin does not end it")
    room.until(lambda: rollout(room) is None, "its share is not taken away")
    assert {Users(room).ask_as(str(number))[0] for number in range(6)} == {0}
    room.client.post("/unpin", {})
    runs(room, 2)


def test_paused_the_canary_ends_and_resumed_it_begins_again(room: Room) -> None:
    """Nothing of the queue is tried meanwhile."""
    configure(room, 'mode = "canary"\nweight = 50')
    room.ready()
    uri = room.drop("run-0")
    runs(room, 1)
    room.client.post("/pause", {})
    room.until(lambda: state(room, uri) == ("HELD", "paused"), "the pause does not end it")
    room.until(lambda: rollout(room) is None, "its share is not taken away")
    room.client.post("/resume", {})
    runs(room, 2)


def test_a_rollback_ends_the_canary(room: Room) -> None:
    """What was gone back to is live and pinned, whatever ran beside the generation before."""
    configure(room, 'mode = "canary"\nweight = 50\nmin_requests = 2\nmin_seconds = 0', serve="berths = 3")
    room.ready()
    first, users = room.drop("run-0"), Users(room)
    runs(room, 1)
    ask_until(room, users, lambda: room.live() == 1)
    assert state(room, first)[0] == "LIVE"
    second = room.drop("run-1")
    runs(room, 2)
    room.client.post("/rollback", {"generation": 0})
    assert room.live() == 0
    room.until(lambda: state(room, second)[0] == "HELD", "the rollback does not end it")
    room.until(lambda: rollout(room) is None, "its share is not taken away")
    assert users.ask_as("anybody")[0] == 0


def test_a_verified_newer_one_supersedes_the_canary(room: Room) -> None:
    """The default; a bad newer one does not."""
    configure(room, 'mode = "canary"\nweight = 50')
    room.ready()
    first = room.drop("run-0")
    runs(room, 1)
    bad = room.drop("run-1", name="bad", spoilt="nan")
    assert room.outcome(bad)["state"] == "REJECTED"
    assert runs(room, 1)
    room.drop("run-1")
    runs(room, 2)
    assert state(room, first) == ("SUPERSEDED", "newer_canary")


def test_a_newer_one_can_wait_for_the_canary(room: Room) -> None:
    """`on_newer = "wait"`: then it has its turn against what is live by then."""
    configure(room, 'mode = "canary"\nweight = 50\nmin_requests = 5\nmin_seconds = 0\non_newer = "wait"')
    room.ready()
    room.drop("run-0")
    runs(room, 1)
    second = room.drop("run-1")
    room.until(lambda: state(room, second)[0] == "FETCHED", "it is never fetched")
    assert runs(room, 1)
    ask_until(room, Users(room), lambda: room.live() == 1)
    assert runs(room, 2)["live"]["generation"] == 1


def test_a_clean_end_does_not_count_against_the_canary(room: Room) -> None:
    """Three restarts by the service manager, and it is tried a fourth time: only a death counts against it."""
    configure(room, 'mode = "canary"\nweight = 50')
    room.ready()
    room.drop("run-0")
    for number in range(1, 4):
        runs(room, number)
        room.process.signal(signal.SIGTERM)
        assert room.process.wait() == 0
        room.ready()
    runs(room, 4)


@pytest.mark.parametrize(
    "place",
    [
        "canary",
        "canary_step",
        "canary_promote",
        "promoted",
    ],
)
def test_killed_at_each_step_it_serves_what_the_pointer_names(room: Room, place: str) -> None:
    """Before and after each decision; in the end the candidate is live."""
    configure(room, 'mode = "canary"\nsteps = [40, 70, 100]\nmin_requests = 3\nmin_seconds = 0')
    file = room.arm(place, "kill")
    room.ready()
    file.write_text("")
    room.drop("run-0")
    users = Users(room)

    def died() -> bool:
        return room.process.ended() is not None

    if place != "canary":
        runs(room, 1)
        for number in range(400):
            if died():
                break
            try:
                users.ask_as(f"user-{number}")
            except NO_ANSWER:
                room.until(died, "it neither answers nor dies")
    room.until(died, f"it does not die at {place}")
    room.ready()
    assert room.live() == (1 if place == "promoted" else 0)
    ask_until(room, Users(room), lambda: room.live() > 0)
    row = room.client.get("/history")[0]
    assert (row["state"], row["generation"]) == ("LIVE", room.live())


def test_a_canary_whose_answers_are_less_likely_is_dropped(room: Room) -> None:
    """By what a fresh PEFT load says of both models' answers."""
    prompt, sure = byte_tokenizer().encode(PROMPT), {}
    for arm, adapter in (("live", None), ("canary", home() / "run-0")):
        model = oracle_model(home() / "base", adapter)
        answer = greedy(model, prompt, TOKENS)
        rows = torch.log_softmax(logits(model, [*prompt, *answer[:-1]])[len(prompt) - 1 :], -1)
        sure[arm] = float(rows[range(len(answer)), answer].mean())
    limit = (sure["live"] - sure["canary"]) / 2
    assert limit > 0.01
    configure(room, 'mode = "canary"\nweight = 50\nmin_requests = 12\nmin_seconds = 0', limit)
    room.ready()
    uri = room.drop("run-0")
    runs(room, 1)
    ask_until(room, Users(room), lambda: state(room, uri)[0] == "ROLLED_BACK")
    row = room.outcome(uri)
    assert row["reason"] == "canary_worse"
    assert "the mean log-probability of a token is -" in row["detail"]
    numbers = row["verify"][-1]["numbers"]
    for arm, value in sure.items():
        assert numbers[f"{arm}_mean_logprob"] == pytest.approx(value, abs=1e-3)


def test_by_default_nothing_runs_beside(room: Room) -> None:
    """A verified adapter is live at once."""
    room.ready()
    goes_live(room, room.drop("run-0"))
    assert rollout(room) is None
    assert room.live() == 1
