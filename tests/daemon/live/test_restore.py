"""After a start: what the pointer names is live again, or the next best, and the reason is known."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from kits.queues import Queue, sure

from hotswapd.daemon.ledger.attempts import BOOT, SWAP
from hotswapd.daemon.ledger.generation import Generation, base_generation
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.rows import OPERATOR
from hotswapd.daemon.live.restore import Restorer, pointed_at
from hotswapd.loaders.store.store import digest_of
from hotswapd.swap.adapter.fingerprints import make_fingerprint
from hotswapd.swap.codes import TensorCode
from hotswapd.swap.errors import Misfit, Rejected, ResidentLost, RolledBack

pytestmark = pytest.mark.usefixtures("engine_kind")

BASE = base_generation("main", 0.0)
HERE, ELSEWHERE = (make_fingerprint("llama", "t", weights) for weights in ("here", "elsewhere"))


@pytest.fixture
def queue() -> Queue:
    made = Queue()
    for name in ("one", "two", "three"):
        made.place.put(name, name.encode())
        made.settle()
    made.restart()
    return made


def weights(queue: Queue, number: int) -> Path:
    digest = queue.generation(number).digest
    return queue.artifact(digest).path / "adapter_model.safetensors"


def spoil(queue: Queue, number: int, content: bytes) -> None:
    """Change a kept copy, as a bad disk does."""
    weights(queue, number).chmod(0o600)
    weights(queue, number).write_bytes(content)


def restore(queue: Queue, *, verify_again: bool = True) -> Generation:
    """Do what a start does, from the base on, and return what is live then."""
    queue.assemble(BASE)
    restorer = Restorer(queue.going, queue.engine, queue.ledger, queue.store, lambda sentence: None, verify_again)
    restorer.restore(pointed_at(queue.store))
    return queue.going.now


def test_the_pointers_generation_is_live_again(queue: Queue) -> None:
    """With its number and its digest; no other row is live."""
    assert restore(queue).number == 3
    assert queue.model.live == queue.generation(3).digest
    assert [row.generation for row in queue.live_rows()] == [3]


@pytest.mark.parametrize("pointer", [None, {"generation": 0, "uri": "", "revision": "", "digest": "", "since": 0}])
def test_where_nothing_was_live_the_base_is(queue: Queue, pointer: dict[str, Any] | None) -> None:
    """Neither a missing pointer nor one to the base asks for anything."""
    if pointer is None:
        (queue.store.root / "current.json").unlink()
    else:
        queue.store.point(pointer)
    assert restore(queue) is BASE


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"generation": "x"}', b"\xff"])
def test_a_damaged_pointer_is_not_believed(queue: Queue, content: bytes) -> None:
    """It is logged and taken as none."""
    (queue.store.root / "current.json").write_bytes(content)
    assert pointed_at(queue.store) is None


def test_a_damaged_copy_is_not_served_and_fetched_again(queue: Queue) -> None:
    """Its bytes are read again at each start: one flipped bit is another adapter. An older one answers."""
    spoil(queue, 3, b"thref")
    assert restore(queue).number == 2
    assert queue.pointer()["generation"] == 2
    assert queue.states()["file:///s/three"] == "WAITING artifact_lost"
    queue.restart()
    queue.settle()
    assert queue.live.uri == "file:///s/three"
    assert weights(queue, 3).read_bytes() == b"three"


def test_a_damaged_rollback_is_fetched_from_its_source(queue: Queue) -> None:
    """A rollback is a row of the operator's, who has nothing to fetch from; the folder it came from has."""
    queue.restart()
    queue.ask(queue.acts.roll_back, queue.default, 2, follow=True)
    spoil(queue, 2, b"twp")
    queue.restart()
    assert restore(queue).number == 1
    assert queue.states()["file:///s/two"] == "WAITING artifact_lost"
    assert [row.generation for row in queue.live_rows()] == [1]
    queue.restart()
    queue.settle()
    assert queue.live.uri == "file:///s/two"
    assert weights(queue, 2).read_bytes() == b"two"


def test_an_unreadable_copy_stops_no_start(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails on one file costs that generation only."""
    lost = queue.generation(3).digest
    find = queue.store.find
    monkeypatch.setattr(queue.store, "find", lambda digest: None if digest == lost else find(digest))
    assert restore(queue).number == 2


def test_what_is_brought_back_is_not_collected_meanwhile(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older one than are kept answers for a damaged one: until the ledger says so, nothing else keeps its copy."""
    queue.store.collect([one.digest for one in queue.ledger.generations.newest(9)])
    spoil(queue, 3, b"thref")
    spoil(queue, 2, b"twp")
    monkeypatch.setattr("hotswapd.daemon.live.restore.failpoint", lambda name: queue.store.collect([]))
    assert restore(queue).number == 1
    assert queue.store.find(queue.generation(1).digest) is not None


def test_without_any_copy_the_base_answers(queue: Queue) -> None:
    """Serving the base is better than not serving; the next adapter goes live as always."""
    for _ in range(2):
        queue.store.collect([])
    queue.place.there.clear()
    assert restore(queue) is BASE
    queue.restart()
    queue.place.put("four", b"four")
    queue.settle()
    assert queue.live.uri == "file:///s/four"


def test_one_that_fails_now_gives_way_to_the_previous_one(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is no death: it is not counted as one."""
    digest = queue.generation(3).digest
    verify = queue.model.verify

    def sick(staged: str, content: bytes) -> None:
        if staged == digest:
            raise RolledBack("probe_not_finite", "NaN")
        verify(staged, content)

    monkeypatch.setattr(queue.model, "verify", sick)
    for _ in range(4):
        queue.store.point(queue.generation(3).record())
        queue.restart()
        assert restore(queue).number == 2
    assert queue.ledger.attempts.deaths(digest, BOOT)[0] == 0


def test_one_that_no_longer_fits_starts_the_base(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration was changed: no older generation is dug out, and the reasons are in the history."""
    digest = queue.generation(3).digest

    def misfits(path: Path) -> None:
        raise Rejected([Misfit(TensorCode.RANK_TOO_HIGH, "r", "at most 2", "4", "raise model.max_rank")])

    for _ in range(4):  # as often as the operator starts it so
        monkeypatch.setattr(queue.model, "admit", misfits)
        queue.restart(fingerprint="smaller")
        assert restore(queue) is BASE
        assert queue.states()["file:///s/three"] == "FETCHED no_longer_fits"
        queue.turn()
        assert queue.states()["file:///s/three"] == "REJECTED rank_too_high"
    monkeypatch.undo()
    queue.restart(fingerprint="policy")
    assert restore(queue).number == 3
    assert queue.ledger.attempts.deaths(digest, BOOT)[0] == 0


def test_after_three_deaths_in_this_step_an_older_one_is_tried(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generation that kills the process at each start must not keep it down for ever."""

    def dies(*_: object) -> None:
        raise ResidentLost("the device does not answer any more")

    for _ in range(3):
        monkeypatch.setattr(queue.model, "verify", dies)
        with pytest.raises(ResidentLost):
            restore(queue)
        monkeypatch.undo()
        queue.restart()
    assert restore(queue).number == 2


def test_a_ledger_that_is_down_keeps_nobody_from_being_served(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pointer and the store are enough."""

    def down(*_: object, **__: object) -> None:
        raise LedgerDown("the ledger cannot be used")

    ledger = queue.ledger
    parts: dict[object, tuple[str, ...]] = {
        ledger: ("adopt", "move"),
        ledger.attempts: ("deaths", "begin", "end"),
        ledger.generations: ("newest",),
        ledger.rows: ("live",),
    }
    for part, methods in parts.items():
        for method in methods:
            monkeypatch.setattr(part, method, down)
    assert restore(queue).number == 3
    spoil(queue, 3, b"thref")
    assert restore(queue) is BASE


def test_a_lost_rollback_without_a_source_is_gone(queue: Queue) -> None:
    """What is lost and cannot be fetched ends as GONE at the first look: nothing is left in the queue."""
    queue.store.point({**queue.pointer(), "swap_id": "unknown"})
    queue.restart()
    assert sure(queue.ledger.rows.live()).source == OPERATOR
    spoil(queue, 3, b"thref")
    queue.place.there.clear()
    assert restore(queue).number == 2
    queue.restart()
    queue.settle()
    assert queue.states()["file:///s/three"] == "GONE gone"
    assert queue.ledger.rows.open_count() == 0


def test_a_death_after_the_pointer_does_not_count(queue: Queue) -> None:
    """Its commit was under way when the process died, and it is served all the same: it is no deadly adapter."""
    digest = queue.generation(3).digest
    queue.ledger.attempts.begin(digest, SWAP, "commit")
    queue.ledger.attempts.count_deaths()
    assert queue.ledger.attempts.deaths(digest, SWAP) == (1, "commit")
    assert restore(queue).number == 3
    assert queue.ledger.attempts.deaths(digest, SWAP)[0] == 0


def test_the_digest_runs_over_config_then_weights(tmp_path: Path) -> None:
    """It is the identity that the store gave the copy."""
    queue = Queue()
    artifact = queue.keep(b"content")
    assert digest_of(artifact.path) == artifact.digest


def backed_up(queue: Queue) -> Path:
    """Copy the ledger's file, as a backup does."""
    backup = queue.directory / "backup.sqlite"
    shutil.copy(queue.ledger.path, backup)
    return backup


def from_backup(queue: Queue, backup: Path) -> None:
    """Put the backup in the ledger's place, and start again."""
    queue.ledger.close()
    shutil.copy(backup, queue.ledger.path)
    queue.restart()


def test_a_ledger_from_a_backup_gives_no_number_twice(queue: Queue) -> None:
    """Two generations went live after the backup, and then somebody went back to one that the backup knows."""
    backup = backed_up(queue)
    for name in ("four", "five"):
        queue.place.put(name, name.encode())
        queue.settle()
    queue.ask(queue.acts.roll_back, queue.default, 1, follow=True)
    assert (queue.live.number, queue.going.next_number()) == (1, 6)
    for _ in range(2):  # the second start has nothing but what the first one kept
        from_backup(queue, backup)
        assert queue.going.next_number() == 6
    queue.place.put("six", b"six")
    queue.settle()
    assert queue.live.number == 6


def test_a_ledger_from_a_backup_gives_no_number_of_a_canary_again() -> None:
    """It answered requests under its number, and never went live."""
    queue = Queue(mode="canary")
    backup = backed_up(queue)
    queue.place.put("one", b"one")
    queue.scan()
    queue.fetch()
    queue.turn()
    assert (queue.live.number, queue.store.highest()) == (0, 1)
    from_backup(queue, backup)
    assert queue.going.next_number() == 2


def test_a_number_that_was_not_used_is_given_again(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger refuses after the pointer was written: nobody has seen the number."""
    queue.place.put("four", b"four")
    queue.scan()
    queue.fetch()
    pointed = []

    def full(step: str) -> None:
        if step == "pointed":
            pointed.append(queue.store.highest())
            raise LedgerDown("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("hotswapd.daemon.live.going_live.failpoint", full)
        with contextlib.suppress(LedgerDown):
            queue.turn()
    assert pointed == [4]
    assert (queue.store.highest(), queue.going.next_number()) == (3, 4)


def verified_on(queue: Queue, *numbers: int) -> None:
    """Have these generations been verified on another base than the one that is served now."""
    queue.ledger.bases.serve(ELSEWHERE)
    for number in numbers:
        queue.ledger.bases.note(number)
    queue.ledger.bases.serve(HERE)


def test_what_was_verified_on_another_base_passes_the_gates_again(queue: Queue) -> None:
    """The base answers until it has; then the same generation's bytes are live, verified here."""
    verified_on(queue, 3)
    assert restore(queue) is BASE
    assert queue.states()["file:///s/three"] == "FETCHED base_changed"
    queue.settle()
    assert queue.live.uri == "file:///s/three"
    assert queue.ledger.bases.elsewhere(queue.live.number) == ""


def test_on_refusal_the_bare_base_answers_and_a_restart_changes_nothing(queue: Queue) -> None:
    verified_on(queue, 3)
    for _ in range(2):
        assert restore(queue, verify_again=False) is BASE
        assert queue.states()["file:///s/three"] == "RETIRED base_changed"
        queue.settle()
        assert queue.live.number == 0


def test_where_any_base_is_taken_it_is_live_at_once(queue: Queue) -> None:
    """And is known to be verified here from then on."""
    verified_on(queue, 3)
    queue.ledger.bases.serve(HERE, take_any=True)
    assert restore(queue).number == 3
    assert queue.ledger.bases.other(3) == ""


def test_no_older_one_from_another_base_answers_for_a_damaged_one(queue: Queue) -> None:
    verified_on(queue, 2)
    spoil(queue, 3, b"thref")
    assert restore(queue).number == 1


def test_what_goes_live_is_noted_with_its_base(queue: Queue) -> None:
    queue.ledger.bases.serve(HERE)
    queue.place.put("four", b"four")
    queue.settle()
    queue.ledger.bases.serve(ELSEWHERE)
    assert queue.ledger.bases.elsewhere(queue.live.number) == "its weights"
    assert queue.ledger.bases.elsewhere(3) == ""
