"""The operator: what is answered while the daemon starts, what each act wakes, and the record of who asked."""

from collections.abc import Callable
from typing import Any

import pytest
from kits.operators import make_operator
from kits.queues import Queue

from hotswapd.daemon.control.face import Peer
from hotswapd.daemon.control.operator import Operator
from hotswapd.daemon.errors import BadRequest, NoSuchChannel, NotReady
from hotswapd.daemon.ledger.ledger import LedgerDown

WHO = Peer(11, 22, 33)


class Scene:
    """The operator of a daemon that is starting, over a queue's ledger."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.operator = make_operator(self.queue.ledger)

    def last(self) -> tuple[Any, ...]:
        (one,) = self.queue.ledger.actions.newest(1)
        return one["action"], one["argument"], one["result"], one["pid"], one["uid"], one["gid"]


@pytest.fixture
def scene() -> Scene:
    return Scene()


ACTS: list[tuple[str, str, Callable[[Operator], object]]] = [
    ("rollback", "3 follow", lambda one: one.rollback(3, True, WHO)),
    ("rollback", "", lambda one: one.rollback(None, False, WHO)),
    ("pin", "2", lambda one: one.pin(2, WHO)),
    ("pin", "", lambda one: one.pin(None, WHO)),
    ("ab start", "2 weight 30", lambda one: one.ab_start(2, 30.0, WHO)),
    ("ab promote", "", lambda one: one.ab_promote(WHO)),
    ("ab stop", "", lambda one: one.ab_stop(WHO)),
]


@pytest.mark.parametrize(("action", "argument", "act"), ACTS)
def test_an_act_on_what_is_live_waits_for_the_start(
    scene: Scene, action: str, argument: str, act: Callable[[Operator], object]
) -> None:
    """It is refused with what the start is doing, and recorded all the same."""
    scene.operator.standing.phase = "loading the weights"
    with pytest.raises(NotReady, match="loading the weights") as caught:
        act(scene.operator)
    assert caught.value.code == "not_ready"
    assert scene.last() == (action, argument, "not_ready", 11, 22, 33)


def test_nothing_answers_while_it_starts(scene: Scene) -> None:
    """But whoever asks how it is gets an answer."""
    with pytest.raises(NotReady):
        scene.operator.answerer()
    assert not scene.operator.ready().ready
    assert scene.operator.status()["ready"] is False
    assert scene.operator.overview()["status"]["live"]["generation"] == 0
    assert b"hotswapd" in scene.operator.exposition()


@pytest.mark.parametrize(
    ("act", "answer", "flags"),
    [
        (lambda one: one.pause(WHO), {"paused": True}, (False, True)),
        (lambda one: one.resume(WHO), {"paused": False}, (False, False)),
        (lambda one: one.unpin(WHO), {"pinned": False}, (False, False)),
    ],
)
def test_holds_change_at_once_and_wake_the_worker(
    scene: Scene, act: Callable[[Operator], object], answer: dict[str, bool], flags: tuple[bool, bool]
) -> None:
    """Also while it starts; nobody waits for the worker's next tick."""
    before = scene.operator.inbox.changes()
    assert act(scene.operator) == answer
    assert (scene.queue.ledger.flags.pinned(), scene.queue.ledger.flags.paused()) == flags
    assert scene.operator.inbox.changes() != before
    assert scene.last()[2:] == ("done", 11, 22, 33)


def test_a_resume_frees_what_the_pause_held(scene: Scene) -> None:
    """And nothing that is held for another reason."""
    queue = scene.queue
    queue.ledger.flags.set("pinned", value=True)
    pinned = queue.place.put("pinned", b"1")
    queue.settle()
    queue.ledger.flags.set("paused", value=True)
    paused = queue.place.put("paused", b"2")
    queue.scan()
    row = queue.fetch()
    assert row is not None
    queue.ledger.move(row, row.state.HELD, "paused")
    scene.operator.resume(WHO)
    assert queue.states() == {pinned: "HELD pinned", paused: "FETCHED resumed"}


def test_a_refusal_is_recorded_with_its_code(scene: Scene) -> None:
    """And nobody is named if nobody knows who asked."""
    with pytest.raises(BadRequest):
        scene.operator.submit("file:///nowhere/a", True, None)
    assert scene.last() == ("submit", "file:///nowhere/a again", "outside_sources", None, None, None)


def test_without_a_ledger_an_act_is_not_ready(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An act that cannot be recorded has no answer."""

    def down(*_: object, **__: object) -> None:
        raise LedgerDown("the disk is full")

    monkeypatch.setattr(scene.queue.ledger.flags, "set", down)
    with pytest.raises(NotReady, match="the disk is full") as caught:
        scene.operator.pause(WHO)
    assert caught.value.code == "ledger_down"


def test_a_channel_that_there_is_not_is_refused_and_recorded(scene: Scene) -> None:
    """While the daemon starts, those are known that the ledger knows."""
    with pytest.raises(NoSuchChannel, match="there is no channel 'nobody'"):
        scene.operator.pause(WHO, "nobody")
    assert scene.last() == ("pause", "channel nobody", "no_such_channel", 11, 22, 33)
    with pytest.raises(NoSuchChannel):
        scene.operator.status("nobody")
    scene.queue.ledger.channels.make(["support"])
    scene.operator.pause(WHO, "support")
    assert (scene.queue.ledger.flags.paused("support"), scene.queue.ledger.flags.paused()) == (True, False)
    assert scene.operator.status("support")["paused"]
    scene.operator.resume(WHO, "support")
    assert not scene.operator.status("support")["paused"]
