"""What `hotswapd publish` leaves in a watched folder is taken when it is what its manifest lists, and not before."""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.folders import CONFIG, WEIGHTS, weights, write_folder

from hotswapd.loaders.digests import MAX_MANIFEST_BYTES, Listed, dump_digests
from hotswapd.loaders.errors import LoadError, Refused, Unavailable
from hotswapd.loaders.files import MANIFEST
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.publish import publish
from hotswapd.loaders.source import Sighting, Waiting
from hotswapd.loaders.store.store import Store

GO = threading.Event()
FILES = (CONFIG, WEIGHTS, MANIFEST)


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


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A finished adapter, as `publish` writes it to a folder."""
    publish(write_folder(tmp_path / "trained", b"good"), str(tmp_path / "published"))
    return tmp_path / "published"


def settled(source: LocalSource, clock: Clock) -> Sighting:
    source.scan()
    clock.now += 2.0
    (sighting,) = source.scan().sightings
    return sighting


def waits(source: LocalSource, clock: Clock) -> Waiting:
    """Return why an adapter that settled long ago still waits."""
    waiting = settled(source, clock).waiting
    assert waiting is not None
    return waiting


def fails(source: LocalSource, sighting: Sighting, store: Store) -> LoadError:
    """Fetch in vain; nothing may be left in the store."""
    with pytest.raises(LoadError) as raised:
        source.fetch(sighting, store, GO)
    assert os.listdir(store.root / "stages") == os.listdir(store.root / "artifacts") == []
    return raised.value


def serves(source: LocalSource, clock: Clock, store: Store, payload: bytes) -> None:
    sighting = settled(source, clock)
    assert sighting.waiting is None
    assert (source.fetch(sighting, store, GO).path / WEIGHTS).read_bytes() == weights(payload)


def listing(config: bytes, body: bytes) -> bytes:
    return dump_digests(
        {n: Listed(hashlib.sha256(b).hexdigest(), len(b)) for n, b in ((CONFIG, config), (WEIGHTS, body))}
    )


def test_what_was_published_is_taken(
    source: LocalSource, run: Path, clock: Clock, published: Path, store: Store
) -> None:
    shutil.copytree(published, run)
    serves(source, clock, store, b"good")
    assert sorted(path.name for path in next((store.root / "artifacts").iterdir()).iterdir()) == [
        CONFIG,
        WEIGHTS,
        MANIFEST,
    ]


@pytest.mark.parametrize(
    "order", [(MANIFEST, WEIGHTS, CONFIG), (WEIGHTS, MANIFEST, CONFIG), (MANIFEST, CONFIG, WEIGHTS)]
)
def test_a_slow_copy_waits_for_the_listed_files(
    source: LocalSource, run: Path, clock: Clock, published: Path, store: Store, order: tuple[str, ...]
) -> None:
    """Each file grows in two steps, and each step stays for longer than the settle time."""
    run.mkdir()
    for name in order:
        whole = (published / name).read_bytes()
        for part in (whole[: len(whole) // 2], whole):
            if part is whole and name == order[-1]:
                break
            (run / name).write_bytes(part)
            source.scan()
            clock.now += 2.0
            assert all(sighting.waiting for sighting in source.scan().sightings)
    shutil.copy(published / order[-1], run)
    serves(source, clock, store, b"good")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_file_of_another_size_than_listed_waits(
    source: LocalSource, run: Path, clock: Clock, published: Path, store: Store, name: str
) -> None:
    """A preallocated or a finished file of another run looks whole; only the manifest shows that it is not."""
    shutil.copytree(published, run)
    (run / name).write_bytes({CONFIG: b'{"r": 16}', WEIGHTS: weights(b"another")}[name])
    waiting = waits(source, clock)
    assert (waiting.code, waiting.sentence.split(":")[0]) == ("digest_mismatch", f"{name} is not what {MANIFEST} lists")
    shutil.copy(published / name, run / name)
    serves(source, clock, store, b"good")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_other_bytes_of_the_listed_size_are_not_taken(
    source: LocalSource, run: Path, clock: Clock, published: Path, store: Store, name: str
) -> None:
    shutil.copytree(published, run)
    (run / name).write_bytes({CONFIG: b'{"r": 4}', WEIGHTS: weights(b"evil")}[name])
    error = fails(source, settled(source, clock), store)
    assert isinstance(error, Unavailable)
    assert error.code == "digest_mismatch"
    assert f"{name} is not what {MANIFEST} lists" in error.sentence
    shutil.copy(published / name, run / name)
    serves(source, clock, store, b"good")


def test_without_a_manifest_nothing_is_compared(
    source: LocalSource, run: Path, clock: Clock, published: Path, store: Store
) -> None:
    shutil.copytree(published, run)
    (run / WEIGHTS).write_bytes(weights(b"evil"))
    (run / MANIFEST).unlink()
    serves(source, clock, store, b"evil")


def test_listed_new_weights_under_an_old_config_are_fetched(
    source: LocalSource, run: Path, clock: Clock, published: Path, store: Store
) -> None:
    """That is what a second `publish` to the same folder does, seen at each of its steps."""
    shutil.copytree(published, run)
    before = settled(source, clock)
    (run / WEIGHTS).write_bytes(weights(b"new!"))
    assert fails(source, settled(source, clock), store).code == "digest_mismatch"
    (run / MANIFEST).write_bytes(listing(b'{"r": 8}', weights(b"new!")))
    assert settled(source, clock).revision != before.revision
    serves(source, clock, store, b"new!")


def test_a_manifest_that_comes_or_goes_is_a_change(source: LocalSource, run: Path, clock: Clock, store: Store) -> None:
    write_folder(run)
    sighting = settled(source, clock)
    (run / MANIFEST).write_bytes(listing(b'{"r": 8}', weights()))
    assert fails(source, sighting, store).code == "changed"
    sighting = settled(source, clock)
    assert sighting.waiting is None
    (run / MANIFEST).unlink()
    assert fails(source, sighting, store).code == "changed"


def test_the_manifest_does_not_date_the_adapter(source: LocalSource, run: Path, clock: Clock) -> None:
    """Otherwise an old adapter would overtake a newer one because its manifest was written again."""
    write_folder(run)
    before = settled(source, clock)
    while (run / CONFIG).stat().st_ctime_ns >= _touched(run / MANIFEST):
        pass
    after = settled(source, clock)
    assert (after.stamp, after.revision != before.revision) == (before.stamp, True)


def _touched(file: Path) -> int:
    file.write_bytes(listing(b'{"r": 8}', weights()))
    return file.stat().st_ctime_ns


def empty(manifest: Path) -> None:
    manifest.write_bytes(b"")


def half(manifest: Path) -> None:
    os.truncate(manifest, 40)


def endless(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes() + b" " * MAX_MANIFEST_BYTES)


def of_tomorrow(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes().replace(b'"version": 1', b'"version": "' + b"2" * 5000 + b'"'))


@pytest.mark.parametrize("spoil", [empty, half, endless, of_tomorrow])
def test_an_unreadable_manifest_waits(
    source: LocalSource, run: Path, clock: Clock, published: Path, store: Store, spoil: Callable[[Path], None]
) -> None:
    shutil.copytree(published, run)
    spoil(run / MANIFEST)
    sighting = settled(source, clock)
    assert sighting.waiting is not None
    assert sighting.waiting.code == "manifest_unreadable"
    assert sighting.waiting.sentence.startswith(MANIFEST)
    assert len(sighting.waiting.sentence) < 200
    assert fails(source, sighting, store).code == "digest_mismatch"
    (run / MANIFEST).unlink()
    serves(source, clock, store, b"good")


def pipe(manifest: Path) -> None:
    manifest.unlink()
    os.mkfifo(manifest)


def link(manifest: Path) -> None:
    manifest.rename(manifest.parent.parent / ".elsewhere")
    manifest.symlink_to(manifest.parent.parent / ".elsewhere")


def dangling(manifest: Path) -> None:
    manifest.unlink()
    manifest.symlink_to("nowhere")


def folder(manifest: Path) -> None:
    manifest.unlink()
    manifest.mkdir()


def open_to_all(manifest: Path) -> None:
    manifest.chmod(0o666)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (pipe, "not_regular"),
        (folder, "not_regular"),
        (link, "symlink"),
        (dangling, "symlink"),
        (open_to_all, "world_writable"),
    ],
)
def test_a_manifest_that_others_can_change_is_refused(
    source: LocalSource,
    run: Path,
    clock: Clock,
    published: Path,
    store: Store,
    spoil: Callable[[Path], None],
    code: str,
) -> None:
    shutil.copytree(published, run)
    spoil(run / MANIFEST)
    sighting = settled(source, clock)
    assert sighting.waiting is None
    error = fails(source, sighting, store)
    assert isinstance(error, Refused)
    assert (error.code, error.sentence.split()[0]) == (code, MANIFEST)


def test_a_manifest_alone_is_no_adapter(source: LocalSource, run: Path, published: Path) -> None:
    run.mkdir()
    shutil.copy(published / MANIFEST, run)
    assert source.scan().sightings == ()
