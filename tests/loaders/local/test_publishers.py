"""Two that publish to one watched folder: what is taken is one of the adapters, whole."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.folders import CONFIG, WEIGHTS, write_folder

from hotswapd.loaders.digests import Listed
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.publish import publish
from hotswapd.loaders.publish import sending as publishing
from hotswapd.loaders.publish.to_folder import LocalPlace
from hotswapd.loaders.store.store import Store

GO = threading.Event()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(tmp_path: Path, clock: Clock) -> Iterator[LocalSource]:
    (tmp_path / "watched").mkdir()
    source = LocalSource("", tmp_path / "watched", settle=2.0, clock=clock)
    yield source
    source.close()


@pytest.fixture
def run(source: LocalSource) -> Path:
    return Path(source.path) / "run"


def marked(directory: Path, mark: int) -> Path:
    """Write an adapter of which both files say which one it is; all have the same sizes."""
    return write_folder(directory, b"%06d" % mark * 300, b'{"mark": %6d}' % mark)


def marks_in(store: Store) -> set[tuple[int, int]]:
    """Read the marks of config and weights of everything that reached the store."""
    artifacts = list((store.root / "artifacts").iterdir())
    return {
        (json.loads((one / CONFIG).read_bytes())["mark"], int((one / WEIGHTS).read_bytes()[-6:])) for one in artifacts
    }


class Stepwise(LocalPlace):
    """A place that lets others act after each change."""

    def __init__(self, dest: Path, after: Callable[[], None]) -> None:
        super().__init__(dest)
        self._after = after

    def remove(self, name: str) -> None:
        super().remove(name)
        self._after()

    def put(self, source: Path, listed: Listed, sent: Callable[[int], None]) -> None:
        super().put(source, listed, sent)
        self._after()


@pytest.mark.parametrize("interrupted_after", range(1, 5))
def test_two_publishers_never_mix_a_pair(
    source: LocalSource,
    run: Path,
    clock: Clock,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupted_after: int,
) -> None:
    """The second one does all that it does between two steps of the first; whatever lies there has long settled."""
    publish(marked(tmp_path / "before", 0), str(run))
    steps = 0

    def look() -> None:
        source.scan()
        clock.now += 2.0
        for sighting in source.scan().sightings:
            if sighting.waiting is None:
                with suppress(Unavailable):
                    source.fetch(sighting, store, GO)

    def act() -> None:
        nonlocal steps
        steps += 1
        look()
        if steps == interrupted_after:
            publish(marked(tmp_path / "second", 2), str(run))

    look()
    monkeypatch.setattr(publishing, "_place", lambda *_: Stepwise(run, act))
    publish(marked(tmp_path / "first", 1), str(run))
    assert steps >= 7
    assert {len(set(pair)) for pair in marks_in(store)} == {1}
    publish(marked(tmp_path / "last", 3), str(run))
    look()
    assert marks_in(store) >= {(0, 0), (3, 3)}
