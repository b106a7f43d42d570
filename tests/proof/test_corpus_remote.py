"""The classes that need a server, or that happen while a file is copied: each through the same real daemon."""

from collections.abc import Iterator

import pytest
from kits.corpus import only_in_full
from kits.room import make_room

from .corpus_bench import GROWTH, SOURCE, Bench, open_bench
from .corpus_racing import RACES, Race
from .corpus_remote import REMOTE, Remote, clouds

CLASSES: list[Race | Remote] = [*REMOTE, *RACES]
pytestmark = [pytest.mark.timeout(900), only_in_full]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("remote")
    with clouds(root) as cloud, make_room(root / "room") as room:
        sources = [SOURCE, *(cloud.source(remote) for remote in REMOTE)]
        room.configure(source="\n[[source]]\n".join(sources), model='dtype = "bfloat16"')
        bench = open_bench(room)
        for remote in REMOTE:
            bench.meet_remote(cloud, remote)
        for race in RACES:
            bench.meet_race(race)
        yield bench


@pytest.mark.parametrize("bad", CLASSES, ids=[one.name for one in CLASSES])
def test_each_class_ends_as_it_must(bench: Bench, bad: Race | Remote) -> None:
    seen = bench.seen[bad.name]
    assert (seen.state, seen.code) == (bad.state, bad.code)
    assert seen.same_answer
    assert seen.same_berth
    assert seen.growth < GROWTH
