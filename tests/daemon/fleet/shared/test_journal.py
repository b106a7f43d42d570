"""The ledger's journal: from whatever is left of it a ledger is made that says the same."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from kits.fleet import Lost, MemoryPlace

from hotswapd.daemon.config.settings import ConfigError
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.rebuilding import rebuild
from hotswapd.daemon.fleet.shared import journal
from hotswapd.daemon.fleet.shared.journal import SharedJournal
from hotswapd.daemon.fleet.shared.trail import Term, Trail
from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.changed import everything, take, watch
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown, Left
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.schema import connect
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.errors import Unavailable

S = State
Content = list[list[Any]]


class Moments(MemoryPlace):
    """A place that keeps what was in it after each single change: what a process that dies then leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.after: list[tuple[dict[str, bytes], int]] = []
        self.heard = 1
        """Of how many transactions somebody has heard by now."""

    def create(self, name: str, content: bytes) -> bool:
        found = super().create(name, content)
        self.after.append((dict(self.contents), self.heard))
        return found

    def remove(self, name: str) -> None:
        super().remove(name)
        self.after.append((dict(self.contents), self.heard))


def content_of(path: Path) -> Content:
    """Return all that a ledger says to others."""
    database = connect(path)
    try:
        return [one.record() for one in everything(database)]
    finally:
        database.close()


def digest_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


class Life:
    """One watcher with a disk of its own: it begins a term, and makes its ledger from the journal."""

    def __init__(self, place: MemoryPlace, disk: Path) -> None:
        disk.mkdir(exist_ok=True)
        self.path = disk / "ledger.sqlite"
        self.trail = Trail(place)
        self.term = Term.begin(self.trail, f"{disk.name}-{len(place.names('terms'))}")
        self.rebuilt = rebuild(place, self.path)
        self.journal = SharedJournal(self.trail, self.term.now.term, lambda: 0.0)
        self.ledger = Ledger(self.path, journal=self.journal)
        self.ledger.attempts.count_deaths()

    def sees(self, name: str, channel: str = "default") -> Any:
        (row,) = self.ledger.add([Find("s", f"file:///s/{name}", "r", 1.0, channel=channel)])
        return self.ledger.fetched(row, digest_of(name), 0.1)

    def refuses(self, name: str) -> None:
        self.ledger.move(self.sees(name), S.REJECTED, "non_finite", "NaN", fingerprint="f")

    def makes_live(self, name: str, channel: str = "default") -> int:
        row = self.sees(name, channel)
        for stage in ("staging", "verification"):
            self.ledger.attempts.begin(row.digest, SWAP, stage, channel)
        for state in (S.ADMITTED, S.STAGED, S.VERIFIED):
            row = self.ledger.move(row, state)
        number = self.ledger.generations.next_number()
        live = Generation(number, row.uri, "r", row.digest, float(number), row.swap_id, channel=channel)
        with self.ledger.going_live(row, live, Left(S.RETIRED, supersedes=True)):
            pass
        self.ledger.attempts.end(row.digest, SWAP, channel, forget=True)
        return number

    def lives(self) -> Iterator[str]:
        """Do a bit of everything, one thing at a time, and say what."""
        flags = self.ledger.flags
        acts: dict[str, Callable[[], object]] = {
            "refuse": lambda: self.refuses("bad"),
            "go live": lambda: self.makes_live("one"),
            "pin": lambda: flags.set("pinned", True),
            "go live in another channel": lambda: self.makes_live("two", "sales"),
            "pause": lambda: flags.set("paused", True, channel="sales"),
            "unpin": lambda: flags.set("pinned", False),
            "forget flags": lambda: flags.forget("sales"),
            "forget a channel": lambda: self.ledger.channels.forget("sales", purge=True),
            "note an action": lambda: self.ledger.actions.note("pin", "", "done", None),
            "note a base": lambda: self.ledger.bases.note(1),
            "go live again": lambda: self.makes_live("three"),
        }
        for name, act in acts.items():
            act()
            yield name


@pytest.fixture
def place() -> Moments:
    return Moments()


def rebuilt(place: MemoryPlace, disk: Path) -> Content:
    """Return what a watcher on an empty disk makes of the journal."""
    disk.mkdir()
    assert rebuild(place, disk / "ledger.sqlite")
    return content_of(disk / "ledger.sqlite")


def test_an_empty_disk_gets_all_of_it(place: Moments, tmp_path: Path) -> None:
    life = Life(place, tmp_path / "a")
    for did in life.lives():
        assert rebuilt(place, tmp_path / did) == content_of(life.path), did


def lived(place: Moments, disk: Path) -> list[Content]:
    """Live, and return what the ledger said after each transaction."""
    life = Life(place, disk)
    states = [content_of(life.path)]
    publish = life.journal.publish

    def noting() -> None:
        states.append(content_of(life.path))
        publish()
        life.journal.tidy()
        place.heard = len(states)

    life.journal.publish = noting  # type: ignore[method-assign]
    place.after.clear()
    for _ in life.lives():
        pass
    return states


def test_killed_at_every_write_it_is_the_ledger_before_or_after(
    place: Moments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody was told of is there, and no half of a transaction; another disk goes on with it."""
    monkeypatch.setattr(journal, "_MOST", 6)  # so that whole ledgers and removals are among the writes
    states = lived(place, tmp_path / "first")
    assert len(place.after) > len(states), "nothing was removed"
    for number, (contents, heard) in enumerate(place.after):
        left = MemoryPlace()
        left.contents = dict(contents)
        found = rebuilt(left, tmp_path / f"{number}")
        assert found in states[heard - 1 :]
        if number % 8 == 0:
            _go_on(left, tmp_path / f"{number}", found)


def _go_on(place: MemoryPlace, disk: Path, found: Content) -> None:
    """Live on: numbers go on, and what was refused is so."""
    life = Life(place, disk)
    numbers = [one["number"] for table, _, one in found if table == "generations"]
    assert life.makes_live("four") == max(numbers, default=0) + 1
    refused = any(one["state"] == "REJECTED" for table, _, one in found if table == "swaps")
    known = life.ledger.rows.verdict(digest_of("bad"), "f", "default") is not None
    assert known == refused
    life.ledger.close()


def test_a_stale_watchers_entries_do_not_count(place: Moments, tmp_path: Path) -> None:
    """It is told so, and what it writes is in nobody's ledger: neither before the next one has written nor after."""
    old = Life(place, tmp_path / "old")
    old.refuses("bad")
    new = Life(place, tmp_path / "new")
    assert new.rebuilt
    before = content_of(new.path)
    with pytest.raises(LedgerDown, match="another watcher"):
        old.ledger.flags.set("pinned", True)
    assert rebuilt(place, tmp_path / "third") == before
    new.refuses("worse")
    assert rebuilt(place, tmp_path / "fourth") == content_of(new.path)


def test_the_disk_of_a_watcher_that_was_overtaken_is_brought_up_to_date(place: Moments, tmp_path: Path) -> None:
    """Its own last changes do not count, and what it had is set aside."""
    old = Life(place, tmp_path / "old")
    old.refuses("bad")
    old.ledger.close()
    new = Life(place, tmp_path / "new")
    new.ledger.flags.set("pinned", True)
    new.makes_live("one")
    again = Life(place, tmp_path / "old")
    assert again.rebuilt
    assert content_of(again.path) == content_of(new.path)
    assert again.ledger.flags.pinned()
    assert list((tmp_path / "old").glob("ledger.sqlite.unreadable-*"))


def test_a_restart_on_its_own_disk_rebuilds_nothing(place: Moments, tmp_path: Path) -> None:
    life = Life(place, tmp_path / "a")
    for _ in life.lives():
        pass
    life.ledger.close()
    assert not Life(place, tmp_path / "a").rebuilt


def test_what_was_written_while_the_place_was_away_is_not_lost(place: Moments, tmp_path: Path) -> None:
    """It is on the disk, it is said, and it is written in order as soon as it can be."""
    life = Life(place, tmp_path / "a")
    whole = life.trail.place
    away: Any = Lost(place)
    object.__setattr__(life.trail, "place", away)
    away.create = _unavailable
    life.refuses("bad")
    assert "on the watcher's disk alone" in life.ledger.trouble
    object.__setattr__(life.trail, "place", whole)
    life.journal._clock = lambda: 9.0
    life.ledger.flags.set("pinned", True)
    assert life.ledger.trouble == ""
    assert rebuilt(place, tmp_path / "b") == content_of(life.path)


def _unavailable(name: str, content: bytes) -> bool:
    raise Unavailable(FleetCode.SHARED_DOWN, "the disk is away")


def test_it_is_bounded(place: Moments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never has many more entries than a whole ledger allows, whatever happens, and says the same throughout."""
    monkeypatch.setattr(journal, "_MOST", 8)
    life = Life(place, tmp_path / "a")
    for number in range(100):
        life.ledger.flags.set("paused", number % 2 == 0)
        life.journal.tidy()
        assert len(place.names("journal")) <= 10
    assert rebuilt(place, tmp_path / "b") == content_of(life.path)


def test_what_is_older_goes_a_few_at_a_time_and_what_counts_stays(
    place: Moments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what an earlier term has left, and with a place that is away meanwhile."""
    first = Life(place, tmp_path / "a")
    for number in range(50):
        first.ledger.flags.set("paused", number % 2 == 0)
    life = Life(place, tmp_path / "b")
    life.ledger.flags.set("pinned", True)
    counts = [len(place.names("journal"))]
    with monkeypatch.context() as away:
        away.setattr(place, "remove", lambda name: _unavailable(name, b""))
        with pytest.raises(Unavailable):
            life.journal.tidy()
    for _ in range(5):
        life.journal.tidy()
        counts.append(len(place.names("journal")))
    assert [before - after for before, after in pairwise(counts[:3])] == [20, 20]
    assert counts[-1] < 5
    assert rebuilt(place, tmp_path / "c") == content_of(life.path)


def test_a_damaged_journal_is_refused_and_the_ledger_stays(place: Moments, tmp_path: Path) -> None:
    life = Life(place, tmp_path / "a")
    life.refuses("bad")
    name = sorted(place.names("journal"))[-1]
    place.contents[f"journal/{name}"] = b"{"
    (tmp_path / "b").mkdir()
    with pytest.raises(ConfigError, match=r"fleet.shared: .*cannot be read"):
        rebuild(place, tmp_path / "b" / "ledger.sqlite")
    assert not (tmp_path / "b" / "ledger.sqlite").exists()


def test_a_row_that_is_written_twice_in_a_transaction_is_one_change(tmp_path: Path) -> None:
    """Also by an UPSERT, whose way with conflicts a trigger has, too."""
    database = connect(tmp_path / "ledger.sqlite")
    watch(database)
    insert = "INSERT INTO bases VALUES (1, ?) ON CONFLICT (number) DO UPDATE SET fingerprint = excluded.fingerprint"
    for fingerprint in ("a", "b", "c"):
        database.execute(insert, (fingerprint,))
    assert [one.values for one in take(database)] == [{"number": 1, "fingerprint": "c"}]


def test_what_replaces_a_row_is_noted_with_what_it_replaced(tmp_path: Path) -> None:
    """SQLite tells no trigger of the row that REPLACE removes, unless it is asked to."""
    database = connect(tmp_path / "ledger.sqlite")
    watch(database)
    insert = "INSERT OR REPLACE INTO flags VALUES ('a', 'pinned', ?)"
    database.execute(insert, ("true",))
    database.execute("INSERT INTO flags VALUES ('b', 'pinned', 'true')")
    take(database)
    database.execute(insert, ("false",))
    assert [one.values is None for one in take(database)] == [True, False]
