"""Every class of bad adapter through one real daemon: what it ends in, what it leaves unchanged, and what it costs."""

from collections.abc import Iterator

import pytest
from kits.corpus import in_full
from kits.room import make_room

from .corpus import Bad, everything, some
from .corpus_bench import GROWTH, SOURCE, Bench, goes_on, open_bench

ALL = [bad for group in everything().values() for bad in group]
CORPUS = {bad.name: bad for bad in (ALL if in_full else some())}
pytestmark = pytest.mark.timeout(900)  # the first of them waits for all


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with make_room(tmp_path_factory.mktemp("corpus") / "room") as room:
        room.configure(source=SOURCE, model='dtype = "bfloat16"')
        bench = open_bench(room)
        for bad in CORPUS.values():
            bench.meet(bad)
        yield bench


@pytest.mark.parametrize("bad", CORPUS.values(), ids=list(CORPUS))
def test_each_class_ends_as_it_must(bench: Bench, bad: Bad) -> None:
    seen = bench.seen[bad.name]
    assert (seen.state, seen.code) == (bad.state, bad.code)
    assert seen.same_answer
    assert seen.same_berth
    assert seen.growth < GROWTH


def test_there_are_as_many_classes_as_promised() -> None:
    """At least so many of structure, configuration, tensors and files, and no name twice."""
    counts = {group: len(classes) for group, classes in everything().items()}
    assert counts["structure"] >= 45
    assert counts["config"] >= 22
    assert counts["tensors"] >= 13
    assert counts["files"] >= 14
    assert len({bad.name for bad in ALL}) == len(ALL)


def test_the_daemon_goes_on_after_all_of_them(bench: Bench) -> None:
    """It is the same process, and takes the next good adapter."""
    assert goes_on(bench)
