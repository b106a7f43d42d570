"""The store holds whole copies or nothing."""

import errno
import hashlib
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotswapd.loaders.errors import Refused, Unavailable
from hotswapd.loaders.files import CONFIG, MANIFEST, WEIGHTS
from hotswapd.loaders.store.artifact import Artifact
from hotswapd.loaders.store.store import Store

CAP = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", reserve_bytes=0)


def put(store: Store, config: bytes = b"{}", weights: bytes = b"w" * 100) -> Artifact:
    with store.stage() as stage:
        stage.write(CONFIG, [config], CAP)
        stage.write(WEIGHTS, [weights[:30], weights[30:]], CAP)
        return stage.commit()


def stages(store: Store) -> list[str]:
    return os.listdir(store.root / "stages")


def test_an_artifact_is_named_by_its_digest(store: Store) -> None:
    artifact = put(store, b'{"r": 8}', b"weights")
    assert artifact.digest == hashlib.sha256(b'{"r": 8}' + b"weights").hexdigest()
    assert artifact.path == store.root / "artifacts" / artifact.digest
    assert artifact.size == 15
    assert (artifact.path / CONFIG).read_bytes() == b'{"r": 8}'
    assert (artifact.path / WEIGHTS).read_bytes() == b"weights"
    assert store.find(artifact.digest) == artifact
    assert stages(store) == []


def test_nobody_else_can_read_a_copy(store: Store) -> None:
    old = os.umask(0)
    try:
        artifact = put(store)
    finally:
        os.umask(old)
    assert stat.S_IMODE(artifact.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE((artifact.path / n).stat().st_mode) for n in (CONFIG, WEIGHTS)} == {0o600}
    assert stat.S_IMODE((store.root / "artifacts").stat().st_mode) == 0o700


def test_the_files_are_written_once_and_config_first(store: Store) -> None:
    with store.stage() as stage:
        with pytest.raises(ValueError, match=r"not adapter_model\.safetensors now"):
            stage.write(WEIGHTS, [b"w"], CAP)
        stage.write(CONFIG, [b"{}"], CAP)
        with pytest.raises(ValueError, match="both"):
            stage.commit()
        with pytest.raises(ValueError, match=r"not adapter_config\.json now"):
            stage.write(CONFIG, [b"{}"], CAP)


def test_a_file_above_the_cap_is_refused(store: Store) -> None:
    with store.stage() as stage, pytest.raises(Refused) as refused:
        stage.write(CONFIG, [b"x" * 60, b"x" * 60], 100)
    assert refused.value.code == "too_large"
    assert stages(store) == []


def test_an_error_of_the_source_passes_through(store: Store) -> None:
    def broken() -> Iterator[bytes]:
        yield b"{"
        raise OSError(errno.EIO, "the source broke")

    with pytest.raises(OSError, match="the source broke"), store.stage() as stage:
        stage.write(CONFIG, broken(), CAP)
    assert stages(store) == []
    assert store.collect([]) == []


def test_the_order_of_syncs_survives_a_power_cut(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []
    sync, rename = os.fsync, os.rename

    def record_sync(fd: int) -> None:
        calls.append(("fsync", Path(os.readlink(f"/proc/self/fd/{fd}")).name))
        sync(fd)

    def record_rename(src: Path, dst: Path) -> None:
        calls.append(("rename", Path(dst).name))
        rename(src, dst)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "rename", record_rename)
    with store.stage() as stage:
        stage.write(CONFIG, [b"{}"], CAP)
        stage.write(WEIGHTS, [b"w"], CAP)
        artifact = stage.commit()
    store.point({"digest": artifact.digest})
    assert calls == [
        ("fsync", CONFIG),
        ("fsync", WEIGHTS),
        ("fsync", stage.path.name),
        ("rename", artifact.digest),
        ("fsync", "artifacts"),
        ("fsync", "current.json.new"),
        ("rename", "current.json"),
        ("fsync", "store"),
    ]


def test_the_same_content_is_the_same_artifact(store: Store) -> None:
    first = put(store)
    inode = (first.path / WEIGHTS).stat().st_ino
    assert put(store) == first
    assert (first.path / WEIGHTS).stat().st_ino == inode
    assert stages(store) == []


def test_what_lies_beside_the_same_content_is_that_of_the_last_copy(store: Store) -> None:
    """It is no part of the digest: a manifest may be written again, and then be taken away."""
    for beside in (b"first", b"second", None):
        with store.stage() as stage:
            stage.write(CONFIG, [b"{}"], 100)
            stage.write(WEIGHTS, [b"w"], 100)
            if beside is not None:
                stage.beside(MANIFEST, beside)
            path = stage.commit().path
        assert ((path / MANIFEST).read_bytes() if (path / MANIFEST).exists() else None) == beside


def test_a_damaged_artifact_is_replaced_by_a_fresh_copy(store: Store) -> None:
    first = put(store)
    (first.path / WEIGHTS).write_bytes(b"v" * 100)
    assert put(store) == first
    assert (first.path / WEIGHTS).read_bytes() == b"w" * 100
    assert stages(store) == []


def test_two_threads_with_one_content_get_one_artifact(store: Store) -> None:
    ready, got = threading.Barrier(2), []

    def commit() -> None:
        with store.stage() as stage:
            stage.write(CONFIG, [b"{}"], CAP)
            stage.write(WEIGHTS, [b"w"], CAP)
            ready.wait(30)
            got.append(stage.commit())

    threads = [threading.Thread(target=commit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 2
    assert got[0] == got[1]
    assert os.listdir(store.root / "artifacts") == [got[0].digest]


def test_the_reserve_stays_free(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", reserve_bytes=1 << 60)
    with pytest.raises(Unavailable) as full, store.stage() as stage:
        stage.write(CONFIG, [b"{}"], CAP)
    assert full.value.code == "disk_full"
    assert stages(store) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root and CAP_SYS_ADMIN")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_waits_and_leaves_nothing(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(small_disk / "store", reserve_bytes=0)
    kept = put(store)
    monkeypatch.setattr(Store, "require_free", lambda self, size: None)  # somebody else fills it meanwhile
    with store.stage() as stage:
        stage.write(CONFIG, [b"{}"], CAP)
        with pytest.raises(Unavailable) as full:
            stage.write(WEIGHTS, (b"w" * 4096 for _ in range(200)), CAP)
    assert full.value.code == "disk_full"
    assert stages(store) == []
    assert store.find(kept.digest) == kept
    assert put(store, weights=b"more") != kept


def test_a_failing_store_is_not_the_sources_failure(store: Store) -> None:
    with store.stage() as stage:
        stage.path.rmdir()
        with pytest.raises(Unavailable) as failed:
            stage.write(CONFIG, [b"{}"], CAP)
    assert failed.value.code == "store_failed"


def test_collect_spares_a_new_artifact_once(store: Store) -> None:
    old, kept = put(store, weights=b"old"), put(store, weights=b"kept")
    assert store.collect([kept.digest]) == []
    fresh = put(store, weights=b"fresh")
    assert store.collect([kept.digest]) == [old.digest]
    assert store.find(old.digest) is None
    assert store.find(kept.digest) == kept
    assert store.find(fresh.digest) == fresh
    assert store.collect([kept.digest]) == [fresh.digest]
    assert stages(store) == []


def test_collect_spares_a_held_artifact(store: Store) -> None:
    """That it is needed again may reach the ledger after what is to be kept was read there."""
    old = put(store, weights=b"old")
    store.collect([])
    with store.hold(old.digest) as held, store.hold(old.digest), store.hold("0" * 64) as missing:
        assert (held, missing) == (old, None)
        assert store.collect([]) == []
    assert store.collect([]) == []
    assert store.collect([]) == [old.digest]


def test_collect_and_wipe_spare_copies_under_way(store: Store) -> None:
    (store.root / "stages" / "left-behind").mkdir()
    (store.root / "stages" / "left-behind" / CONFIG).write_bytes(b"{}")
    with store.stage() as stage:
        stage.write(CONFIG, [b"{}"], CAP)
        store.collect([])
        store.wipe_stages()
        assert stages(store) == [stage.path.name]
        stage.write(WEIGHTS, [b"w"], CAP)
        artifact = stage.commit()
    assert store.find(artifact.digest) == artifact


def test_find_takes_digests_only(store: Store) -> None:
    assert store.find("0" * 64) is None
    assert store.find("../" + "0" * 61) is None
    assert store.find("") is None


def test_find_does_not_take_half_an_artifact(store: Store) -> None:
    artifact = put(store)
    (artifact.path / WEIGHTS).unlink()
    assert store.find(artifact.digest) is None
    assert put(store) == artifact


def test_an_existing_store_becomes_private(tmp_path: Path) -> None:
    """The directories of a store that others could read become private when it is opened."""
    for name in ("artifacts", "stages"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name).chmod(0o755)
    Store(tmp_path)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("artifacts", "stages")} == {0o700}
