"""Two writers race on the same keys; what reaches the store is always one upload, or one moment of the bucket."""

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kits.folders import CONFIG, WEIGHTS, weights
from kits.s3 import GO, SOON, Place, client_of, left_over, opened

from hotswapd.loaders.digests import Listed, dump_digests
from hotswapd.loaders.errors import LoadError
from hotswapd.loaders.files import MANIFEST
from hotswapd.loaders.s3.source import S3Source
from hotswapd.loaders.store.store import Store

UPLOADS = 200


def marked(mark: int) -> dict[str, bytes]:
    """Make an upload of which every file says which one it is of; all have the same sizes."""
    files = {CONFIG: b'{"mark": %6d}' % mark, WEIGHTS: weights(b"%06d" % mark * 300)}
    listed = {name: Listed(hashlib.sha256(body).hexdigest(), len(body)) for name, body in files.items()}
    return {**files, MANIFEST: dump_digests(listed)}


def marks_in(store: Store) -> list[tuple[int, int]]:
    """Read the marks of config and weights of everything that reached the store."""
    found = []
    for path in (store.root / "artifacts").iterdir():
        config = json.loads((path / CONFIG).read_bytes())["mark"]
        body = (path / WEIGHTS).read_bytes()
        mark = int(body[-6:])
        assert body == weights(b"%06d" % mark * 300)
        found.append((config, mark))
    return found


class Writer(threading.Thread):
    """Uploads every second mark, its files in any order, as fast as it can."""

    def __init__(self, place: Place, url: str, number: int, names: tuple[str, ...], before: Any, pause: float) -> None:
        super().__init__()
        self._client = client_of("s3", url)
        self._place, self._number, self._names, self._before, self._pause = place, number, names, before, pause
        self._chance = random.Random(number)

    def run(self) -> None:
        for mark in range(self._number, UPLOADS, 2):
            self.upload(mark)
            GO.wait(self._chance.uniform(0.0, self._pause))

    def upload(self, mark: int) -> None:
        files = marked(mark)
        for name in self._chance.sample(self._names, len(self._names)):
            with self._before(name, mark):
                self._client.put_object(Bucket=self._place.bucket, Key=f"runs/a/{name}", Body=files[name])


@contextmanager
def nothing(name: str, mark: int) -> Iterator[None]:
    yield


def race(
    place: Place, source: S3Source, store: Store, names: tuple[str, ...], before: Callable[..., Any], pause: float
) -> None:
    """Let two writers upload while the source scans and fetches, then one alone until its adapter has been fetched."""
    writers = [Writer(place, place.url, number, names, before, pause) for number in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        take(source, store)
    writers[0].upload(UPLOADS)
    until = threading.Event()
    threading.Timer(SOON, until.set).start()
    while (UPLOADS, UPLOADS) not in marks_in(store):
        assert not until.is_set(), source.scan()
        take(source, store)


def take(source: S3Source, store: Store) -> None:
    """Scan once, and fetch what has settled; what changes meanwhile is left for the next scan."""
    for sighting in source.scan().sightings:
        if sighting.waiting is None:
            try:
                source.fetch(sighting, store, GO)
            except LoadError:
                assert stages_of(store) == []


def stages_of(store: Store) -> list[str]:
    return [path.name for path in (store.root / "stages").iterdir()]


def test_manifests_keep_racing_uploads_apart(place: Place, store: Store) -> None:
    with opened(place) as source:
        race(place, source, store, (CONFIG, WEIGHTS, MANIFEST), nothing, 0.05)
    found = marks_in(store)
    assert found
    assert all(config == body for config, body in found)
    assert stages_of(store) == []


def test_a_race_without_manifests_never_settles(place: Place, store: Store) -> None:
    with opened(place, gap=2.0) as source:
        race(place, source, store, (CONFIG, WEIGHTS), nothing, 0.02)
    assert marks_in(store) == [(UPLOADS, UPLOADS)]
    assert len(left_over(store)) == 1


def test_a_pair_read_in_a_race_is_of_one_moment(place: Place, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any waiting, so that reads and writes meet: then only the conditions on each read keep it true."""
    monkeypatch.setattr("hotswapd.loaders.s3.settle.PATIENCE", dict.fromkeys((CONFIG, WEIGHTS), 0.0))
    lock, now, moments = threading.Lock(), {CONFIG: -1, WEIGHTS: -1}, set()

    @contextmanager
    def one_at_a_time(name: str, mark: int) -> Iterator[None]:
        with lock:
            yield
            now[name] = mark
            moments.add((now[CONFIG], now[WEIGHTS]))

    with opened(place) as source:
        race(place, source, store, (CONFIG, WEIGHTS), one_at_a_time, 0.1)
    assert set(marks_in(store)) <= moments
