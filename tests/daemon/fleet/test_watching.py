"""The daemon's own service over the replicas of a fleet: what one daemon does, and each replica by name."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.rows import adapter
from kits.waiting import until
from kits.watched_fleet import REPLICAS, WatchedFleet, drop, watched_fleet
from safetensors.torch import load_file, save_file

from hotswapd.daemon.config.tables import Serve
from hotswapd.daemon.config.verify import Verify
from hotswapd.daemon.fleet.rules import Reloaded, Rules
from hotswapd.daemon.fleet.shared import sweep
from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.pointer import Pointer
from hotswapd.daemon.fleet.shared.trail import Term
from hotswapd.daemon.gates.candidacy import Candidacy
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.loaders.files import WEIGHTS
from hotswapd.loaders.store.store import digest_of
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.gates.spec import OnVerdict

pytestmark = pytest.mark.slow


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[WatchedFleet]:
    with watched_fleet(tmp_path) as made:
        made.start()
        yield made


def spoil(fleet: WatchedFleet, index: int, name: str) -> None:
    """Rename an adapter into the watched folder that has a weight that is no number."""
    made = fleet.room / f".{name}"
    shutil.copytree(adapter(index), made)
    weights = load_file(made / WEIGHTS)
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, made / WEIGHTS)
    made.rename(fleet.folder / name)


def test_what_is_dropped_into_the_folder_is_live_on_every_replica(fleet: WatchedFleet) -> None:
    drop(fleet, 0, "one")
    row = fleet.outcome("one")
    assert (row["state"], row["generation"]) == ("LIVE", 1)
    assert fleet.answers(0)
    status = fleet.ask("/status")
    assert status["live"]["generation"] == 1
    assert sorted(one["name"] for one in status["replicas"]) == [f"r{at}" for at in range(REPLICAS)]
    assert all(one["serving"] and one["answering"] == [1] for one in status["replicas"])
    assert all(one["trial"]["answer"] == "fit" for one in status["replicas"])


def test_a_bad_one_is_refused_by_name_and_what_is_live_stays(fleet: WatchedFleet) -> None:
    drop(fleet, 0, "good")
    assert fleet.outcome("good")["state"] == "LIVE"
    spoil(fleet, 1, "bad")
    row = fleet.outcome("bad")
    assert (row["state"], row["reason"]) == ("REJECTED", "non_finite")
    assert row["detail"].startswith(("r0: ", "r1: "))
    assert "wanted finite values" in row["detail"]
    assert any(one["trial"]["code"] == "non_finite" for one in fleet.ask("/status")["replicas"])
    assert fleet.answers(0)


class Seeing:
    """Gates that note with what they were to compare a candidate, and whether to run all of them, and pass it."""

    def __init__(self, seen: list[tuple[str, bool]]) -> None:
        self.seen = seen

    def prepare(self) -> bool:
        return False

    def run(self, candidacy: Candidacy, on_verdict: OnVerdict) -> None:
        assert candidacy.live is not None
        self.seen.append((candidacy.live.digest, candidacy.thorough))


def test_each_replicas_gates_compare_with_what_is_live_and_one_runs_all(fleet: WatchedFleet) -> None:
    """Not with the bare base, although a replica knows generations by number only."""
    seen: list[tuple[str, bool]] = []
    until(lambda: len(fleet.ask("/status")["replicas"]) == REPLICAS, "a replica never reports")
    for one in fleet.replicas:
        one.engine.configure(lambda engine, around: Seeing(seen))
    for index, name in enumerate(("one", "two")):
        drop(fleet, index, name)
        assert fleet.outcome(name)["state"] == "LIVE"
    for digest, said in ((BASE_DIGEST, seen[:REPLICAS]), (digest_of(adapter(0)), seen[REPLICAS:])):
        assert sorted(said) == [(digest, False)] * (REPLICAS - 1) + [(digest, True)]


def test_operators_go_back_and_hold(fleet: WatchedFleet) -> None:
    for index, name in enumerate(("one", "two")):
        drop(fleet, index, name)
        assert fleet.outcome(name)["state"] == "LIVE"
    said = fleet.ask("/rollback", follow=False)
    assert (said["generation"], said["pinned"]) == (1, True)
    assert fleet.answers(0)
    drop(fleet, 2, "three")
    assert fleet.outcome("three")["state"] == "HELD"
    assert fleet.ask("/unpin", channel="default") == {"pinned": False}
    until(lambda: fleet.ask("/status")["live"]["generation"] == 3, "what was held never goes live")
    assert fleet.answers(2)
    assert fleet.call("/rollback", generation=77)[0] == 409
    assert fleet.call("/pin", nonsense=1)[0] == 400
    assert [one["action"] for one in fleet.ask("/actions")] == ["rollback", "unpin", "rollback"]


def test_a_restarted_watcher_goes_on_with_what_it_knew(fleet: WatchedFleet) -> None:
    """On the same disk: what is live is not touched, what was refused is not tried again, numbers go on."""
    drop(fleet, 0, "one")
    assert fleet.outcome("one")["state"] == "LIVE"
    spoil(fleet, 1, "bad")
    refused = fleet.outcome("bad")
    fleet.stop()
    serial = fleet.reader.look().serial
    fleet.start()
    assert fleet.reader.look().serial == serial + 1, "its term, and no change of route"
    assert fleet.answers(0)
    drop(fleet, 2, "two")
    assert fleet.outcome("two")["generation"] == 2
    assert fleet.outcome("bad") == refused


def test_a_watcher_on_another_disk_knows_what_the_first_one_knew(fleet: WatchedFleet) -> None:
    """The first disk is lost: what is live is not touched, what was refused stays so, numbers go on, a pin holds."""
    for index, name in enumerate(("one", "two")):
        drop(fleet, index, name)
        assert fleet.outcome(name)["state"] == "LIVE"
    spoil(fleet, 1, "bad")
    refused = fleet.outcome("bad")
    fleet.ask("/pin", channel="default")
    history = fleet.ask("/history")
    fleet.stop()
    fleet.state = fleet.room / "another"
    serial = fleet.reader.look().serial
    fleet.start()
    assert fleet.reader.look().serial == serial + 1
    assert fleet.answers(1)
    assert fleet.ask("/history") == history
    assert fleet.outcome("bad") == refused
    drop(fleet, 2, "three")
    assert fleet.outcome("three")["reason"] == "pinned"
    assert fleet.ask("/rollback", generation=1, follow=True)["generation"] == 1, "its bytes came from the shared place"
    assert fleet.answers(0)
    fleet.ask("/unpin", channel="default")
    until(lambda: fleet.ask("/status")["live"]["generation"] == 3, "what was held never goes live")


def test_a_change_that_was_not_finished_is_finished_by_the_next_watcher(
    fleet: WatchedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has it and the journal too; the watcher dies before the pointer moves, and its disk is lost."""
    drop(fleet, 0, "one")
    assert fleet.outcome("one")["state"] == "LIVE"
    assert fleet.watching is not None
    term, died = fleet.watching.engine._changes.term, threading.Event()

    def dies(pointer: Pointer) -> None:
        died.set()
        raise ResidentLost("it dies here")

    with monkeypatch.context() as patch:
        patch.setattr(term, "write", dies)
        patch.setattr(term, "require", lambda: None)
        drop(fleet, 1, "two")
        assert died.wait(60.0)
        until(lambda: fleet.left == [70], "it goes on")
    assert fleet.reader.look().answers("default")[0] == 1
    fleet.stop()
    fleet.left.clear()
    fleet.state = fleet.room / "another"
    fleet.start()
    until(lambda: fleet.reader.look().answers("default")[0] >= 2, "the change is lost")
    assert fleet.answers(1)


def test_bytes_that_nobody_needs_leave_the_shared_place_and_others_stay(
    fleet: WatchedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused goes; what is live, and what it followed, stays: a watcher on another disk goes back to it."""
    monkeypatch.setattr(sweep, "_UNNEEDED", 0.5)
    monkeypatch.setattr(sweep, "_LOOK", 0.1)
    copies = SharedCopies(fleet.trail.place)
    spoil(fleet, 2, "bad")
    assert fleet.outcome("bad")["state"] == "REJECTED"
    for index, name in enumerate(("one", "two")):
        drop(fleet, index, name)
        assert fleet.outcome(name)["state"] == "LIVE"
    needed = {digest_of(adapter(0)), digest_of(adapter(1))}
    until(lambda: copies.digests().keys() == needed, "what was refused stays", 60.0)
    fleet.stop()
    fleet.state = fleet.room / "another"
    fleet.start()
    assert fleet.ask("/rollback", generation=1, follow=True)["generation"] == 1
    assert fleet.answers(0)
    assert copies.digests().keys() == needed


def test_a_reload_reaches_the_watcher_and_every_replica_and_outlives_both(fleet: WatchedFleet) -> None:
    """A limit refuses every adapter, also after a restart with the old configuration, until it is taken back."""
    assert fleet.watching is not None
    strict = fleet.settings().model_copy(update={"verify": Verify(max_update_ratio=1e-9)})
    assert fleet.watching.reload(Rules.of(0, strict).text) == Reloaded(["verify"])
    until(lambda: all(one.judged == [strict.verify] for one in fleet.replicas), "a replica goes by the old one")
    drop(fleet, 0, "one")
    assert fleet.outcome("one")["reason"] == "update_too_large"
    said = fleet.watching.reload(Rules.of(0, strict.model_copy(update={"serve": Serve(berths=9)})).text)
    assert [problem.key for problem in said.problems] == ["serve.berths"]
    fleet.stop()
    fleet.start()
    drop(fleet, 1, "two")
    assert fleet.outcome("two")["reason"] == "update_too_large"
    assert fleet.watching.reload(Rules.of(0, fleet.settings()).text) == Reloaded(["verify"])
    drop(fleet, 2, "three")
    assert fleet.outcome("three")["state"] == "LIVE"
    assert fleet.answers(2)


def test_a_channel_whose_removal_was_not_finished_is_removed_by_the_next_watcher(fleet: WatchedFleet) -> None:
    """The ledger had forgotten it, and the pointer still named it."""
    drop(fleet, 0, "one")
    assert fleet.outcome("one")["state"] == "LIVE"
    fleet.stop()
    term = Term.begin(fleet.trail, "another")
    term.write(term.now.next({**term.now.routes, "ghost": {**term.now.routes["default"], "channel": "ghost"}}))
    fleet.start()
    assert fleet.reader.look().routes.keys() == {"default"}
    assert fleet.answers(0)


def test_a_watcher_that_finds_a_higher_term_ends_itself(fleet: WatchedFleet) -> None:
    Term.begin(fleet.trail, "another")
    until(lambda: fleet.left == [70], "it goes on")
