"""The store never exceeds its limit: what can be spared goes first, and what is needed never does."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.store.artifact import Artifact
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.store.tally import size_of

SIZE = 102
"""Bytes of each adapter here."""


@dataclass
class Order:
    """A limit whose order a test says."""

    most: int = 0
    first: list[str] = field(default_factory=list)
    asked: int = 0

    def bytes(self) -> int:
        return self.most

    def spare(self, digests: Collection[str]) -> Sequence[str]:
        self.asked += 1
        return [digest for digest in self.first if digest in digests]


@pytest.fixture
def order() -> Order:
    return Order()


@pytest.fixture
def store(tmp_path: Path, order: Order) -> Store:
    return Store(tmp_path / "store", reserve_bytes=0, limit=order)


def put(store: Store, letter: bytes) -> Artifact:
    with store.stage() as stage:
        stage.write(CONFIG, [b"{}"], 1 << 20)
        stage.write(WEIGHTS, [letter * 50, letter * 50], 1 << 20)
        return stage.commit()


def settled(store: Store, *letters: bytes) -> list[str]:
    """Put these, as if the collector had looked at all of them since."""
    digests = [put(store, letter).digest for letter in letters]
    store.collect(digests)
    return digests


def there(store: Store) -> set[str]:
    return {path.name for path in (store.root / "artifacts").iterdir()}


def test_what_can_be_spared_goes_in_its_order(store: Store, order: Order) -> None:
    one, two, three = settled(store, b"1", b"2", b"3")
    order.most, order.first = 3 * SIZE, [two, one, three]
    four = put(store, b"4").digest
    assert there(store) == {one, three, four}
    assert sum(size_of(path) for path in (store.root / "artifacts").iterdir()) <= order.most


def test_room_is_made_only_where_it_is_needed(store: Store, order: Order) -> None:
    one, two = settled(store, b"1", b"2")
    order.most, order.first = 3 * SIZE, [one, two]
    put(store, b"3")
    assert (len(there(store)), order.asked) == (3, 0)


def test_without_a_limit_nothing_goes(store: Store, order: Order) -> None:
    order.first = settled(store, b"1", b"2")
    assert store.make_room(1 << 40) == []
    assert order.asked == 0


def test_what_does_not_fit_even_so_waits_and_costs_nothing(store: Store, order: Order) -> None:
    """Its code and its sentence say why; what could be spared is not thrown away for it."""
    one, two = settled(store, b"1", b"2")
    order.most, order.first = 2 * SIZE, [one]
    with pytest.raises(Unavailable, match=r"state\.max_bytes: 102 bytes .* needed, 150 more come, and 204") as full:
        store.require_free(150)
    assert (full.value.code, there(store)) == ("store_full", {one, two})


def test_a_copy_that_grows_beyond_the_limit_leaves_nothing(store: Store, order: Order) -> None:
    (one,) = settled(store, b"1")
    order.most = SIZE + 60
    with pytest.raises(Unavailable) as full:
        put(store, b"2")
    assert (full.value.code, there(store), list((store.root / "stages").iterdir())) == ("store_full", {one}, [])
    order.most = 2 * SIZE
    put(store, b"2")


def test_what_is_pointed_at_held_or_new_never_goes(store: Store, order: Order) -> None:
    """Whatever the order says: it may have been read a moment too early."""
    one, two, three = settled(store, b"1", b"2", b"3")
    store.point({"generation": 1, "digest": one})
    store.point({"generation": 2, "digest": two}, channel="support")
    new = put(store, b"4").digest
    order.most, order.first = 1, [one, two, three, new]
    with store.hold(three), pytest.raises(Unavailable):
        store.make_room()
    assert there(store) == {one, two, three, new}


def test_the_next_process_counts_what_it_finds(store: Store, order: Order) -> None:
    """A pointer that was moved on or removed protects nothing any more."""
    one, two, three = settled(store, b"1", b"2", b"3")
    store.point({"generation": 1, "digest": one})
    store.point({"generation": 2, "digest": two}, channel="support")
    order.most, order.first = SIZE, [one, two, three]
    again = Store(store.root, reserve_bytes=0, limit=order)
    again.unpoint("support")
    assert again.make_room() == [two, three]
    again.point({"generation": 3, "digest": two})
    assert Store(store.root, reserve_bytes=0, limit=Order(SIZE - 1, [one])).make_room() == [one]


def test_a_lower_limit_takes_what_it_can(store: Store, order: Order) -> None:
    """The collector asks for it: what is needed stays, and it hears that this is still too much."""
    one, two = settled(store, b"1", b"2")
    order.most, order.first = 1, [one]
    with pytest.raises(Unavailable, match="102 bytes of what it holds are needed, 0 more come"):
        store.make_room()
    assert there(store) == {two}
