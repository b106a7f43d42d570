"""One channel among others: what happens in it happens in no other."""

import pytest
from kits.engines import BAD, SICK, FakeEngine
from kits.queues import Queue, sure

from hotswapd.daemon.channels.channel import Channel
from hotswapd.daemon.errors import Conflict
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.rollout.states import Canary


def put(queue: Queue, *names: str) -> None:
    for name in names:
        queue.place.put(name, name.encode())
        queue.settle()


def engine(queue: Queue) -> FakeEngine:
    assert isinstance(queue.engine, FakeEngine)
    return queue.engine


def world(queue: Queue, name: str) -> tuple[object, ...]:
    """Everything that says what a channel serves."""
    channel, ledger = queue.channels.of(name), queue.ledger
    rows = [(row.swap_id, row.state, row.reason) for row in ledger.rows.history(99, name)]
    flags = ledger.flags.pinned(name), ledger.flags.paused(name), ledger.flags.get("high_water", channel=name)
    return (
        channel.live.now,
        queue.store.pointer(name),
        rows,
        flags,
        engine(queue).routes[name],
        channel.traffic.number(),
    )


def test_each_channel_has_a_generation_of_its_own(queue: Queue) -> None:
    """Their numbers are one series; pointer, ledger and route of each name the same one."""
    put(queue, "support/1", "plain", "sales/1", "support/2")
    lives = {live.channel: (live.number, live.uri) for live in queue.channels.lives()}
    assert lives == {
        "support": (4, "file:///s/support/2"),
        "default": (2, "file:///s/plain"),
        "sales": (3, "file:///s/sales/1"),
    }
    assert engine(queue).routes == {"default": 2, "support": 4, "sales": 3}
    for name, (number, _) in lives.items():
        assert sure(queue.store.pointer(name))["generation"] == number
        assert sure(queue.ledger.rows.live(name)).generation == number


def _refuse(queue: Queue, _: Channel) -> None:
    for index, kind in enumerate((BAD, SICK)):
        queue.place.put(f"support/bad{index}", kind + bytes([index]))
        queue.settle()
    assert {"REJECTED rank_too_high", "ROLLED_BACK probe_not_finite"} <= set(queue.states().values())


def _roll_back(queue: Queue, channel: Channel) -> None:
    assert queue.ask(queue.acts.roll_back, channel, None, follow=False).number == 1


def _pin(queue: Queue, channel: Channel) -> None:
    queue.ask(queue.acts.pin, channel, None)
    put(queue, "support/3")
    assert queue.states()["file:///s/support/3"] == "HELD pinned"


def _pause(queue: Queue, channel: Channel) -> None:
    queue.ledger.flags.set("paused", value=True, channel=channel.name)
    put(queue, "support/3")
    assert queue.states()["file:///s/support/3"] == "HELD paused"


def _compare(queue: Queue, channel: Channel) -> None:
    queue.ask(queue.acts.start, channel, 1, 30.0)
    assert channel.traffic.number() == 1


def _remove(queue: Queue, channel: Channel) -> None:
    queue.ask(queue.acts.remove, channel, purge=True)
    assert queue.channels.find("support") is None


@pytest.mark.parametrize("act", [_refuse, _roll_back, _pin, _pause, _compare, _remove])
def test_what_happens_in_one_channel_changes_no_other(queue: Queue, act: object) -> None:
    put(queue, "support/1", "support/2", "sales/1", "plain")
    before = [world(queue, name) for name in ("sales", "default")]
    assert callable(act)
    act(queue, queue.channels.of("support"))
    assert [world(queue, name) for name in ("sales", "default")] == before
    put(queue, "sales/2", "plain2")
    assert engine(queue).routes["sales"] == queue.channels.of("sales").live.now.number > before[0][4]  # type: ignore[operator]


def test_bytes_refused_in_one_channel_are_tried_in_another(queue: Queue) -> None:
    """A verdict is known again where it was given, and nowhere else."""
    queue.place.put("support/a", SICK + b"1")
    queue.settle()
    touched = len(queue.model.touched)
    queue.place.put("sales/a", SICK + b"1")
    queue.settle()
    assert len(queue.model.touched) == touched + 1
    queue.place.put("support/again", BAD + b"1")
    queue.place.put("sales/again", BAD + b"1")
    queue.settle()
    refused = [queue.ledger.rows.verdict(row.digest, "policy", row.channel) for row in queue.ledger.rows.history(2)]
    assert {sure(row).channel for row in refused} == {"sales", "support"}


def test_a_generation_of_another_channel_is_none_of_this_one(queue: Queue) -> None:
    put(queue, "support/1", "support/2", "sales/1")
    with pytest.raises(Conflict, match="no generation 3 of support here; there are 0 \\(the base\\), 2, 1") as caught:
        queue.ask(queue.acts.roll_back, queue.channels.of("support"), 3, follow=True)
    assert caught.value.code == "no_such_generation"
    assert [queue.channels.of("support").has(number) for number in (0, 1, 2, 3)] == [True, True, True, False]


def test_each_channel_may_have_a_rollout(queue: Queue) -> None:
    """A canary in one does not keep another's candidate waiting, and each counts its own requests."""
    put(queue, "support/1", "sales/1")
    queue.mode = "canary"
    queue.assemble(*queue.channels.lives())
    put(queue, "support/2", "sales/2")
    support, sales = queue.channels.of("support"), queue.channels.of("sales")
    assert isinstance(support.rollouts.beside.now, Canary)
    assert isinstance(sales.rollouts.beside.now, Canary)
    assert (queue.channels.number("support"), queue.channels.number("sales"), queue.channels.number()) == (3, 4, None)
    assert queue.channels.route("x", "support") in ((None, "live@support"), (3, "canary@support"))
    assert queue.channels.route("x") == (None, "")
    queue.ask(queue.acts.promote, support)
    assert (support.live.now.number, sales.live.now.number, queue.channels.number("sales")) == (3, 2, 4)
    assert (support.rollouts.runs, sales.rollouts.runs) == (False, True)


def test_a_ledger_that_is_down_stops_no_judgement(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beside is polled although the guard of what is live cannot write."""
    polled: list[str] = []

    def down(_: object) -> None:
        raise LedgerDown("the disk is full")

    monkeypatch.setattr("hotswapd.daemon.live.guard.Guard.poll", down)
    monkeypatch.setattr("hotswapd.daemon.rollout.rollouts.Rollouts.poll", lambda _: polled.append("rollouts"))
    queue.channels.of("support").poll()
    assert polled == ["rollouts"]
