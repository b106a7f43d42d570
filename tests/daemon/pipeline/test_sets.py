"""A set goes live at one moment or not at all, and whoever is in its way is named."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kits.queues import BAD, SICK, sure
from kits.sets import MEMBERS, Sets, contents, digest_of, digests

from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.live import together
from hotswapd.loaders.codes import WaitingCode
from hotswapd.loaders.errors import Unavailable

pytestmark = pytest.mark.usefixtures("engine_kind")


@pytest.fixture
def sets() -> Sets:
    made = Sets()
    assert made.served() == digests(1)
    return made


def test_all_members_go_live_together(sets: Sets) -> None:
    """Each has its number, and their rows became LIVE in one transaction."""
    sets.bring(contents(2))
    sets.queue.changes.clear()
    sets.queue.settle()
    assert sets.served() == digests(2)
    assert sorted(sets.channel(name).live.now.number for name in MEMBERS) == [4, 5, 6]
    (change,) = [rows for rows in sets.queue.changes if any(row.state == "LIVE" for row in rows)]
    assert [row.channel for row in change if row.state == "LIVE"] == list(MEMBERS)


def test_nothing_is_held_on_the_engine_afterwards(sets: Sets) -> None:
    sets.bring(contents(2))
    sets.queue.settle()
    sets.bring(contents(3, b=SICK), at="next")
    sets.queue.settle()
    holds = getattr(sets.queue.engine, "holds", {})
    assert not any(holds.values())


def test_members_that_have_arrived_wait_for_the_last(sets: Sets) -> None:
    sets.bring(contents(2), only="ac")
    sets.queue.settle()
    assert sets.states() == dict.fromkeys("ac", "HELD set_incomplete")
    row = sure(sets.queue.ledger.rows.latest("file:///s/a/set", "a"))
    assert row.detail.startswith("b, a member of its set, has not arrived")
    assert sets.served() == digests(1)
    sets.bring(contents(2), only="b")
    sets.queue.settle()
    assert sets.served() == digests(2)


def test_waiting_members_cost_nothing(sets: Sets) -> None:
    """Nothing is written while nothing changes."""
    sets.bring(contents(2), only="a")
    sets.queue.settle()
    told = len(sets.queue.told)
    for _ in range(5):
        sets.queue.turn()
    assert len(sets.queue.told) == told


@pytest.mark.parametrize(
    ("content", "state"), [(BAD, "REJECTED rank_too_high"), (SICK, "ROLLED_BACK probe_not_finite")]
)
@pytest.mark.parametrize("bad", MEMBERS)
def test_a_refused_member_is_named_and_none_goes(sets: Sets, bad: str, content: bytes, state: str) -> None:
    sets.bring(contents(2, **{bad: content}))
    sets.queue.settle()
    others = [name for name in MEMBERS if name != bad]
    assert sets.states() == {bad: state} | dict.fromkeys(others, "REJECTED set_refused")
    for name in others:
        detail = sure(sets.queue.ledger.rows.latest(f"file:///s/{name}/set", name)).detail
        assert detail.startswith(f"{bad}, a member of its set, does not go live any more ({state.replace(' ', ', ')})")
    assert sets.served() == digests(1)


def test_what_was_refused_for_another_is_taken_by_itself(sets: Sets) -> None:
    """These bytes were never found bad."""
    sets.bring(contents(2, b=BAD))
    sets.queue.settle()
    sets.queue.place.put("a/alone", b"a2")
    sets.queue.settle()
    assert sets.channel("a").live.now.digest == digest_of(b"a2")


def test_a_set_that_was_mended_goes_live(sets: Sets) -> None:
    """What of it was refused with the first one is tried again as a member of the second."""
    sets.bring(contents(2, b=BAD))
    sets.queue.settle()
    sets.bring(contents(2), at="mended")
    sets.queue.settle()
    assert sets.served() == digests(2)


Hold = Callable[[Sets], None]


def _pin(sets: Sets) -> None:
    sets.queue.ledger.flags.set("pinned", value=True, channel="b")


def _pause(sets: Sets) -> None:
    sets.queue.ledger.flags.set("paused", value=True, channel="b")


def _unpin(sets: Sets) -> None:
    sets.queue.ledger.flags.set("pinned", value=False, channel="b")


def _resume(sets: Sets) -> None:
    sets.queue.ledger.flags.set("paused", value=False, channel="b")


def _compare(sets: Sets) -> None:
    """Put an older generation of b beside its live one."""
    sets.queue.place.put("b/other", b"b other")
    sets.queue.settle()
    channel = sets.channel("b")
    target = channel.rollback.target(None)
    with channel.rollback.staged(target) as staged:
        channel.rollouts.compare(staged, target.number, 0.5)


def _stop(sets: Sets) -> None:
    sets.channel("b").rollouts.beside.give_way(-1)


@pytest.mark.parametrize(
    ("hold", "release", "why"),
    [(_pin, _unpin, "is pinned"), (_pause, _resume, "is paused"), (_compare, _stop, "has a rollout under way")],
)
def test_a_member_that_is_held_holds_all(sets: Sets, hold: Hold, release: Hold, why: str) -> None:
    """It is named; once it is free all go."""
    hold(sets)
    before = sets.served()
    sets.bring(contents(2))
    sets.queue.settle()
    assert {sets.states()[name] for name in "ac"} == {"HELD set_blocked"}
    assert sets.states()["b"] in ("HELD set_blocked", "HELD paused", "FETCHED")
    detail = sure(sets.queue.ledger.rows.latest("file:///s/a/set", "a")).detail
    assert detail.startswith(f"b, a member of its set, {why}")
    assert sets.served() == before
    release(sets)
    sets.queue.settle()
    assert sets.served() == digests(2)


def test_a_pin_that_comes_during_verification_holds_all(sets: Sets) -> None:
    sets.queue.model.before_verify = lambda: _pin(sets)
    sets.bring(contents(2))
    sets.queue.settle()
    assert set(sets.states().values()) == {"HELD set_blocked"}
    assert sets.served() == digests(1)


def test_a_newer_adapter_of_one_member_ends_the_set(sets: Sets) -> None:
    sets.bring(contents(2), only="ab")
    sets.queue.settle()
    sets.queue.place.put("a/newer", b"a newer")
    sets.queue.settle()
    sets.bring(contents(2), only="c")
    sets.queue.settle()
    assert sets.states() == {"a": "SUPERSEDED newer_live", "b": "REJECTED set_refused", "c": "REJECTED set_refused"}
    assert sets.channel("a").live.now.digest == digest_of(b"a newer")


def test_a_member_that_is_live_already_counts(sets: Sets) -> None:
    sets.bring(contents(2, a=b"a1"))
    sets.queue.settle()
    assert sets.states()["a"] == "SUPERSEDED already_live"
    assert sets.served() == digests(2) | {"a": digest_of(b"a1")}


def test_without_berths_the_set_waits_as_a_whole(sets: Sets) -> None:
    sets.queue.model.full = True
    sets.bring(contents(2))
    sets.queue.settle()
    assert "HELD set_blocked" in sets.states().values()
    assert sets.served() == digests(1)


def test_the_set_of_another_channel_makes_no_member(sets: Sets) -> None:
    """A source with a channel of its own takes it as an adapter like any other."""
    row = sets.queue.ledger.rows
    content = b"for default"
    sets.queue.place.put("d/set", content, together='{"a":"' + "0" * 64 + '"}')
    sets.queue.settle()
    assert sure(row.live("d")).digest == digest_of(content)


def _fails(*_: Any, **__: Any) -> None:
    raise Unavailable(WaitingCode.DISK_FULL, "no space")


def test_pointers_that_cannot_be_written_change_nothing(sets: Sets, monkeypatch: pytest.MonkeyPatch) -> None:
    sets.bring(contents(2))
    with monkeypatch.context() as patched:
        patched.setattr(sets.queue.store, "point_together", _fails)
        sets.queue.settle()
        assert set(sets.states().values()) == {"HELD disk_full"}
        assert sets.served() == digests(1)


def test_a_ledger_that_fails_takes_the_pointers_back(sets: Sets, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails when the pointers name the new generations already."""
    sets.bring(contents(2))

    def down(name: str) -> None:
        if name == "pointed":
            assert sure(sets.queue.store.pointer("a"))["digest"] == digests(2)["a"]
            raise LedgerDown(str(sqlite3.OperationalError("disk I/O error")))

    with monkeypatch.context() as patched:
        patched.setattr(together, "failpoint", down)
        patched.setattr(sets.queue.stop, "wait", lambda seconds: True)
        for _ in range(3):
            sets.queue.scan()
            while sets.queue.fetch():
                pass
            sets.queue.turn()
        assert sets.served() == digests(1)
        assert sets.queue.store.highest() == 3
    sets.queue.settle()
    assert sets.served() == digests(2)


class Died(BaseException):
    """The process ends here."""


def _deaths(sets: Sets, monkeypatch: pytest.MonkeyPatch, into: Path) -> list[str]:
    """Copy all that is on disk at each point of the change, as a death there would leave it; return their names."""
    places: list[str] = []

    def note(place: str) -> None:
        places.append(f"{len(places):02} {place}")
        shutil.copytree(sets.queue.directory, into / places[-1])

    pointers = sets.queue.store._pointers
    monkeypatch.setattr(together, "failpoint", note)
    for each in (pointers, pointers._several):
        monkeypatch.setattr(each, "_on_written", lambda: note("pointing"))
    return places


def test_a_death_at_any_point_leaves_all_or_none(sets: Sets, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before the file that names all pointers nothing has changed; from then on all has, and the set goes live."""
    places = _deaths(sets, monkeypatch, tmp_path)
    sets.bring(contents(2))
    sets.queue.settle()
    monkeypatch.undo()
    assert [place[3:] for place in places] == ["seat", *["pointing"] * 4, "pointed", "committed", "live"]
    for index, place in enumerate(places):
        again = Sets(first=False, directory=tmp_path / place)
        pointed = {name: sure(again.queue.store.pointer(name))["digest"] for name in MEMBERS}
        assert pointed == digests(1 if index < 2 else 2), place
        assert {name: again.channel(name).live.now.digest for name in MEMBERS} == pointed
        again.queue.places = sets.queue.places
        again.queue.settle()
        assert again.served() == digests(2)
        assert not (again.queue.store.root / "together.json").exists()


def test_deaths_count_for_the_member_that_was_tried(sets: Sets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that had passed before it are not put into quarantine with it."""
    sets.bring(contents(2))

    def die() -> None:
        if len(sets.queue.model.touched) % 3 == 2:  # the second member
            raise Died

    sets.queue.model.touched.clear()
    sets.queue.model.before_verify = die
    with pytest.raises(Died):
        sets.queue.settle()
    sets.queue.restart()
    deaths = [sets.queue.ledger.attempts.deaths(digests(2)[name], SWAP, name)[0] for name in MEMBERS]
    assert deaths == [0, 1, 0]
