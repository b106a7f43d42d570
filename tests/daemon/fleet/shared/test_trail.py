"""The pointers of a fleet: two watchers never both write, and no reader ever goes back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.fleet import Lost, MemoryPlace, record

from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.daemon.fleet.shared.place import Place
from hotswapd.daemon.fleet.shared.pointer import Pointer
from hotswapd.daemon.fleet.shared.trail import Follower, Term, TermLost, Trail, require_exclusive
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.loaders.errors import Unavailable


@pytest.fixture(params=["memory", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    made: dict[str, Callable[[], Place]] = {"memory": MemoryPlace, "folder": lambda: FolderPlace(tmp_path / "shared")}
    return made[request.param]()


@pytest.fixture
def trail(place: Place) -> Trail:
    return Trail(place)


def write(term: Term, number: int, channel: str = "default") -> Pointer:
    term.write(term.now.next({**term.now.routes, channel: record(number, channel)}))
    return term.now


def test_nothing_is_live_before_the_first_term(trail: Trail) -> None:
    assert Follower(trail).look() == Pointer()
    assert Pointer().answers("default") == (0, BASE_DIGEST)


def test_a_reader_follows_every_change(trail: Trail) -> None:
    term, reader = Term.begin(trail, "one"), Follower(trail)
    for number in (1, 2, 3):
        assert reader.look() != write(term, number)
        assert reader.look() == term.now
        assert reader.now.answers("default")[0] == number


def test_channels_change_independently_of_each_other_and_together(trail: Trail) -> None:
    term = Term.begin(trail, "one")
    write(term, 1, "a")
    write(term, 2, "b")
    term.write(term.now.next({"a": record(3, "a"), "b": record(4, "b")}))
    now = Follower(trail).look()
    assert now.answering().keys() == {3, 4}
    assert now.highest == 4


def test_a_new_term_begins_with_what_was_live(trail: Trail) -> None:
    written = write(Term.begin(trail, "one"), 7)
    begun = Term.begin(trail, "two").now
    assert (begun.term, begun.serial, begun.routes) == (written.term + 1, written.serial + 1, written.routes)


def test_of_two_watchers_that_run_the_older_one_writes_nothing_more(trail: Trail) -> None:
    """On purpose: both are certain that they are the watcher, and both write the record after the same one."""
    older = Term.begin(trail, "one")
    write(older, 1)
    newer, reader = Term.begin(trail, "two"), Follower(trail)
    with pytest.raises(TermLost):
        older.require()
    with pytest.raises(TermLost):
        write(older, 2)
    assert reader.look().answers("default")[0] == 1
    assert write(newer, 3) == reader.look()


def test_of_two_watchers_that_begin_at_once_one_is_refused_or_ends_itself(trail: Trail) -> None:
    class Late(Trail):
        """Another watcher begins between its two looks."""

        def claim(self, term: int, holder: str) -> bool:
            if holder == "slow":
                Term.begin(trail, "quick")
            return trail.claim(term, holder)

    with pytest.raises(TermLost):
        Term.begin(Late(trail.place), "slow")
    assert Follower(trail).look().holder == "quick"


def test_what_the_older_one_wrote_before_the_newer_ones_first_record_is_kept(trail: Trail) -> None:
    """The newer one has its term, and the older one does not know yet: what it writes now, readers may follow."""
    older, reader = Term.begin(trail, "one"), Follower(trail)

    class Late(Trail):
        def append(self, pointer: Pointer) -> bool:
            if not older.now.routes:
                write(older, 5)
                assert reader.look().answers("default")[0] == 5
            return trail.append(pointer)

    newer = Term.begin(Late(trail.place), "two")
    assert newer.now.answers("default")[0] == 5
    assert reader.look() == newer.now


def test_a_term_whose_watcher_died_before_its_first_record_is_passed_over(trail: Trail) -> None:
    write(Term.begin(trail, "one"), 1)
    assert trail.claim(2, "dead")
    assert Term.begin(trail, "two").now.term == 3


def test_a_reader_that_was_away_for_long_finds_the_newest(trail: Trail) -> None:
    term, reader, fresh = Term.begin(trail, "one"), Follower(trail), Follower(trail)
    write(term, 1)
    reader.look()
    for number in range(2, 90):
        write(term, number)
    assert not trail.has(reader.now.serial)
    assert reader.look() == term.now == fresh.look()


def test_nobody_follows_a_watcher_that_wakes_up_after_its_records_have_gone(trail: Trail) -> None:
    """The name after its last record is free again: what it writes there is passed over, also by one that slept."""
    older, slept = Term.begin(trail, "one"), Follower(trail)
    write(older, 1)
    slept.look()
    newer = Term.begin(trail, "two")
    for number in range(2, 90):
        write(newer, number)
    with pytest.raises(TermLost):
        write(older, 666)
    assert trail.has(older.now.serial + 1)
    assert slept.look() == newer.now == Follower(trail).look()


def test_a_damaged_record_is_passed_over(trail: Trail) -> None:
    term, reader = Term.begin(trail, "one"), Follower(trail)
    write(term, 1)
    reader.look()
    assert trail.place.create("pointers/000000000003", b"{")
    assert reader.look() == term.now
    newer = Term.begin(trail, "two")
    assert (newer.now.serial, newer.now.answers("default")[0]) == (4, 1)
    assert reader.look() == newer.now == Follower(trail).look()


def test_an_answer_that_was_lost_on_its_way_counts(trail: Trail) -> None:
    """The record is there, and its writer was told that the place cannot be reached: it writes the same one again."""
    term = Term.begin(trail, "one")
    due = term.now.next({"default": record(1)})
    with pytest.raises(Unavailable):
        Term(Trail(Lost(trail.place)), term.now).write(due)
    assert Follower(trail).look() == due
    term.write(due)
    assert term.now == due
    assert Term.begin(trail, "one").now == due  # the same holder goes on


def test_a_place_where_a_name_is_written_twice_is_refused(place: Place) -> None:
    require_exclusive(place, "x")
    assert not place.names("probe")

    class Careless(MemoryPlace):
        def create(self, name: str, content: bytes) -> bool:
            self.contents[name] = content
            return True

    with pytest.raises(Unavailable) as refusal:
        require_exclusive(Careless(), "x")
    assert refusal.value.code == FleetCode.NOT_EXCLUSIVE


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"serial": 1}', b"\xff", b'{"serial":1,"term":1,"holder":"a","highest":1,"routes":{"a":1}}'],
)
def test_what_is_no_pointer_is_not_read_as_one(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own errors are among them
        Pointer.load(content)


def test_a_follower_that_is_in_no_hurry_looks_seldom() -> None:
    place, clock = MemoryPlace(), Clock()
    term = Term.begin(Trail(place), "w")
    follower = Follower(Trail(place), 1.0, clock)
    assert follower.look().serial == 1
    term.write(term.now.next({}))
    clock.advance(0.9)
    assert follower.look().serial == 1
    assert follower.look_now().serial == 2
    term.write(term.now.next({}))
    clock.advance(1.0)
    assert follower.look().serial == 3
