"""Publishing sends what was checked, in an order that shows nobody half an adapter, and can be repeated."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from kits.folders import CONFIG, WEIGHTS, weights, write_folder

from hotswapd.loaders.codes import FileCode, PublishCode
from hotswapd.loaders.digests import Listed, load_digests
from hotswapd.loaders.errors import LoadError, Refused, Unavailable
from hotswapd.loaders.files import MANIFEST
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.publish import publish, snapshot
from hotswapd.loaders.publish import sending as publishing
from hotswapd.loaders.publish.to_folder import LocalPlace

OLD, NEW = (b"old!", b'{"r": 8}'), (b"new!", b'{"r": 4}')


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "trained")


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "watched" / "run-7"


def there(dest: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in dest.iterdir()} if dest.exists() else {}


def test_both_files_and_their_manifest_arrive(trained: Path, dest: Path) -> None:
    done = publish(trained, str(dest))
    assert (str(done.uri), done.sent) == (f"file://{dest}", (WEIGHTS, MANIFEST, CONFIG))
    assert done.size == len(weights()) + 8
    found = there(dest)
    assert set(found) == {WEIGHTS, MANIFEST, CONFIG}
    assert (found[WEIGHTS], found[CONFIG]) == (weights(), b'{"r": 8}')
    assert json.loads(found[MANIFEST]) == {
        "version": 1,
        "files": {
            name: {"sha256": hashlib.sha256(found[name]).hexdigest(), "size": len(found[name])}
            for name in (CONFIG, WEIGHTS)
        },
    }


def test_a_watched_folder_sights_what_was_published(trained: Path, dest: Path) -> None:
    publish(trained, str(dest))
    source = LocalSource("", dest.parent, settle=0.0)
    (sighting,) = source.scan().sightings
    source.close()
    assert (str(sighting.uri), sighting.waiting) == (f"file://{dest}", None)


def test_a_second_call_sends_nothing(trained: Path, dest: Path) -> None:
    publish(trained, str(dest))
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(dest.iterdir())]
    assert publish(trained, str(dest)).sent == ()
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(dest.iterdir())] == before


def test_only_what_differs_is_sent(trained: Path, dest: Path) -> None:
    publish(trained, str(dest))
    write_folder(trained, b"new!")
    assert publish(trained, str(dest)).sent == (WEIGHTS, MANIFEST)
    write_folder(trained, b"new!", b'{"r": 4}')
    assert publish(trained, str(dest)).sent == (MANIFEST, CONFIG)
    (dest / CONFIG).unlink()
    assert publish(trained, str(dest)).sent == (CONFIG,)


class Interrupted(LocalPlace):
    """A place that fails before its n-th change, and notes what a watcher would see after each one."""

    def __init__(self, dest: Path, changes: int) -> None:
        super().__init__(dest)
        self.dest = dest
        self.left = changes
        self.seen: list[tuple[bytes | None, bytes | None]] = []

    def _spend(self) -> None:
        if self.left == 0:
            raise Unavailable(PublishCode.PUBLISH_FAILED, "the disk is gone")
        self.left -= 1

    def _note(self) -> None:
        found = there(self.dest)
        self.seen.append((found.get(WEIGHTS), found.get(CONFIG)))

    def remove(self, name: str) -> None:
        self._spend()
        super().remove(name)
        self._note()

    def put(self, source: Path, listed: Listed, sent: Callable[[int], None]) -> None:
        self._spend()
        super().put(source, listed, sent)
        self._note()


@pytest.mark.parametrize("before", [None, OLD, (b"old!", NEW[1]), (NEW[0], OLD[1])])
@pytest.mark.parametrize("changes", range(5))
def test_no_interruption_mixes_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[bytes, bytes] | None, changes: int
) -> None:
    trained, dest = write_folder(tmp_path / "trained", *NEW), tmp_path / "dest"
    whole = [(weights(NEW[0]), NEW[1])]
    if before:
        publish(write_folder(tmp_path / "before", *before), str(dest))
        whole.append((weights(before[0]), before[1]))
    place = Interrupted(dest, changes)
    monkeypatch.setattr(publishing, "_place", lambda *_: place)
    with suppress(Unavailable):
        publish(trained, str(dest))
    assert len(place.seen) == changes - place.left
    for pair in place.seen:
        assert None in pair or pair in whole
    assert not list(dest.glob(".hotswapd-*"))
    place.left = 100
    publish(trained, str(dest))
    assert (there(dest)[WEIGHTS], there(dest)[CONFIG]) == whole[0]
    assert load_digests(there(dest)[MANIFEST])[WEIGHTS].sha256 == hashlib.sha256(whole[0][0]).hexdigest()


def test_what_the_check_refuses_is_not_sent(trained: Path, dest: Path) -> None:
    def refuse(copy: Path) -> None:
        assert there(copy)[WEIGHTS] == weights()
        raise Refused(FileCode.TOO_LARGE, "the weights are too large")

    with pytest.raises(Refused, match="the weights are too large"):
        publish(trained, str(dest), check=refuse)
    assert not dest.exists()


def test_what_was_checked_is_what_is_sent(trained: Path, dest: Path) -> None:
    """Training may go on writing: the check gets a private copy, and that copy is sent."""
    publish(trained, str(dest), check=lambda _: write_folder(trained, b"later"))
    assert there(dest)[WEIGHTS] == weights()


def test_the_progress_adds_up(tmp_path: Path, dest: Path) -> None:
    trained, calls = write_folder(tmp_path / "large", b"\7" * (3 << 20)), []
    publish(trained, str(dest), progress=lambda size, total: calls.append((size, total)))
    assert len(calls) > 3
    assert {total for _, total in calls} == {sum(size for size, _ in calls)}
    assert sum(size for size, _ in calls) == sum(len(content) for content in there(dest).values())


def no_config(trained: Path) -> None:
    (trained / CONFIG).unlink()


def half_weights(trained: Path) -> None:
    os.truncate(trained / WEIGHTS, len(weights()) - 1)


def half_config(trained: Path) -> None:
    (trained / CONFIG).write_bytes(b'{"r":')


def only_a_pickle(trained: Path) -> None:
    (trained / WEIGHTS).rename(trained / "adapter_model.bin")


def a_pipe(trained: Path) -> None:
    (trained / WEIGHTS).unlink()
    os.mkfifo(trained / WEIGHTS)


def a_directory(trained: Path) -> None:
    (trained / CONFIG).unlink()
    (trained / CONFIG).mkdir()


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (no_config, "incomplete", "must hold adapter_config.json"),
        (half_weights, "incomplete", "its header announces"),
        (half_config, "incomplete", "does not parse as JSON"),
        (only_a_pickle, "incomplete", "save it as safetensors"),
        (a_pipe, "not_regular", "not a regular file"),
        (a_directory, "not_regular", "not a regular file"),
    ],
)
def test_half_an_adapter_is_not_sent(
    trained: Path, dest: Path, spoil: Callable[[Path], None], code: str, words: str
) -> None:
    spoil(trained)
    with pytest.raises(LoadError) as raised:
        publish(trained, str(dest))
    assert raised.value.code == code
    assert words in raised.value.sentence
    assert not dest.exists()


@pytest.mark.parametrize(
    "dest", ["hf://org/repo", "ftp://x/y", "relative/path", "s3://", "s3://bucket//x", "s3://b/../x"]
)
def test_a_malformed_destination_is_refused(trained: Path, dest: str) -> None:
    with pytest.raises(ValueError, match=r"publish takes|must start with|without empty parts|must be s3"):
        publish(trained, dest)


def test_a_destination_that_cannot_be_written_is_named(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable) as raised:
        publish(trained, str(tmp_path / "file"))
    assert raised.value.code == "publish_failed"
    assert str(tmp_path / "file") in raised.value.sentence


@pytest.mark.parametrize("where", ["TemporaryDirectory", "dump_digests"])
def test_a_full_temporary_directory_is_left_empty(
    trained: Path, dest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile if where == "TemporaryDirectory" else snapshot, where, full)
    with pytest.raises(Unavailable, match="set TMPDIR") as raised:
        publish(trained, str(dest))
    assert raised.value.code == "disk_full"
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
@pytest.mark.parametrize("change", ["write", "replace"])
def test_a_pair_that_changes_while_it_is_read_is_not_sent(
    trained: Path, dest: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: str
) -> None:
    """Also when the config was read before the change and the weights after it."""
    copy = snapshot._copy

    def during(source: Path, target: Path) -> Listed:
        fresh = trained / (f"{name}.new" if change == "replace" else name)
        fresh.write_bytes(weights(b"other"))
        fresh.rename(trained / name)
        return copy(source, target)

    monkeypatch.setattr(snapshot, "_copy", during)
    with pytest.raises(Refused) as raised:
        publish(trained, str(dest))
    assert raised.value.code == "changed"
    assert not dest.exists()


def test_others_may_read_published_files_but_not_write(trained: Path, dest: Path) -> None:
    publish(trained, str(dest))
    assert {path.stat().st_mode & 0o777 for path in dest.iterdir()} == {0o644}


def test_publishing_to_a_folder_imports_nothing_heavy(trained: Path, dest: Path) -> None:
    program = (
        "import sys; from hotswapd.loaders.publish import PublishCallback, publish; publish(*sys.argv[1:]);"
        "print({'torch', 'peft', 'transformers', 'boto3', 'huggingface_hub'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program, str(trained), str(dest)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert set(there(dest)) == {WEIGHTS, MANIFEST, CONFIG}
