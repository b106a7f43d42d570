"""A pair of which one file was replaced in place waits for the other, and is never taken torn."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.folders import CONFIG, WEIGHTS, weights, write_folder

from hotswapd.loaders.digests import Listed, dump_digests
from hotswapd.loaders.files import MANIFEST
from hotswapd.loaders.half import PATIENCE
from hotswapd.loaders.local import settle
from hotswapd.loaders.local.settle import Settling
from hotswapd.loaders.local.source import LocalSource

SETTLE = 2.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["", "_SUCCESS"], ids=["no marker", "marker"])
def source(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[LocalSource]:
    """A source in which one adapter has settled; with a marker, that of the run that wrote it lies there."""
    run = write_folder(tmp_path / "root" / "run")
    if request.param:
        (run / request.param).touch()
    source = LocalSource("", tmp_path / "root", SETTLE, 15.0, request.param, clock=clock)
    source.scan()
    assert after(source, clock, SETTLE) is None
    yield source
    source.close()


@pytest.fixture
def run(source: LocalSource) -> Path:
    return Path(source.path) / "run"


def after(source: LocalSource, clock: Clock, seconds: float) -> str | None:
    """Return why it waits after so many seconds more."""
    clock.now += seconds
    (sighting,) = source.scan().sightings
    return sighting.waiting.code if sighting.waiting else None


def replace(path: Path, content: bytes) -> None:
    """Write a file over in place, at a time that the file system can tell from the previous one."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        path.write_bytes(content)


def test_what_is_wrong_with_one_new_file_is_said_once_it_has_settled(
    source: LocalSource, run: Path, clock: Clock
) -> None:
    """Not after the half minute for which it would wait for the other: the next look comes when it has settled."""
    replace(run / WEIGHTS, weights()[:-2])
    scan = source.scan()
    assert scan.again_in == SETTLE
    assert after(source, clock, scan.again_in) == "incomplete"


def test_new_weights_wait_for_the_config_that_comes_later(source: LocalSource, run: Path, clock: Clock) -> None:
    replace(run / WEIGHTS, weights(b"new!"))
    assert after(source, clock, 0.0) == "settling"
    assert after(source, clock, 3 * SETTLE) == "half_replaced"
    replace(run / CONFIG, b'{"r": 4}')
    assert after(source, clock, 0.0) == "settling"
    assert after(source, clock, SETTLE) is None


@pytest.mark.parametrize(("name", "content"), [(WEIGHTS, weights(b"new!")), (CONFIG, b'{"r": 4}')])
def test_one_file_alone_is_taken_at_its_limit(
    source: LocalSource, run: Path, clock: Clock, name: str, content: bytes
) -> None:
    """The scan that takes it is planned, so that it does not wait longer."""
    replace(run / name, content)
    after(source, clock, 0.0)
    patience = next(seconds for one, seconds in PATIENCE.items() if one == name)
    assert after(source, clock, patience - 1.0) == "half_replaced"
    assert source.scan().again_in == pytest.approx(1.0)
    assert after(source, clock, 1.0) is None
    assert after(source, clock, 1.0) is None


def test_weights_that_grow_wait_from_their_last_change(source: LocalSource, run: Path, clock: Clock) -> None:
    replace(run / WEIGHTS, weights(b"12"))
    after(source, clock, 20.0)
    replace(run / WEIGHTS, weights(b"1234"))
    after(source, clock, 0.0)
    assert after(source, clock, 29.0) == "half_replaced"
    assert after(source, clock, 1.0) is None


def test_the_other_file_may_come_first_and_more_than_once(source: LocalSource, run: Path, clock: Clock) -> None:
    for content in (b'{"r": 4}', b'{"r": 16}'):
        replace(run / CONFIG, content)
        assert after(source, clock, 3 * SETTLE) == "settling"
        assert after(source, clock, 3 * SETTLE) == "half_replaced"
    replace(run / WEIGHTS, weights(b"new!"))
    after(source, clock, 0.0)
    assert after(source, clock, SETTLE) is None


def test_a_config_that_is_deleted_first_is_missing_not_old(source: LocalSource, run: Path, clock: Clock) -> None:
    (run / CONFIG).unlink()
    replace(run / WEIGHTS, weights(b"new!"))
    assert after(source, clock, 3 * SETTLE) == "incomplete"
    (run / CONFIG).write_bytes(b'{"r": 4}')
    after(source, clock, 0.0)
    assert after(source, clock, SETTLE) is None


def test_a_marker_newer_than_both_ends_the_wait(source: LocalSource, run: Path, clock: Clock) -> None:
    if not source._marker:
        pytest.skip("this source has no marker")
    replace(run / WEIGHTS, weights(b"new!"))
    after(source, clock, 0.0)
    assert after(source, clock, SETTLE) == "half_replaced"
    os.utime(run / "_SUCCESS")
    assert after(source, clock, 0.0) is None


def test_a_manifest_is_believed_at_once(source: LocalSource, run: Path, clock: Clock) -> None:
    """What does not match it waits for other reasons; what matches belongs together."""
    listed: dict[str, Listed] = {name: Listed("0" * 64, (run / name).stat().st_size) for name in (CONFIG, WEIGHTS)}
    (run / MANIFEST).write_bytes(dump_digests(listed))
    after(source, clock, 0.0)
    after(source, clock, SETTLE)
    replace(run / WEIGHTS, weights(b"new!"))
    after(source, clock, 0.0)
    assert after(source, clock, SETTLE) is None


def test_a_slow_first_copy_waits_for_nothing(source: LocalSource, run: Path, clock: Clock) -> None:
    """Its weights grow beside a config that stays: it never was a pair."""
    fresh = write_folder(run.parent / "fresh", b"")
    if source._marker:
        (fresh / source._marker).touch()
    run.rename(run.parent.parent / "away")
    assert after(source, clock, 0.0) == "settling"
    replace(fresh / WEIGHTS, weights(b"12"))
    assert after(source, clock, 3 * SETTLE) == "settling"
    assert after(source, clock, SETTLE) is None


def test_a_pair_torn_just_before_the_start_waits_too(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files' times are all that shows it."""
    monkeypatch.setattr(settle, "_TOGETHER", 0.0)
    settled, half = _since_the_start(tmp_path, clock, apart=0.02)
    assert settled == "half_replaced"
    assert half is None


def test_a_pair_written_together_before_the_start_waits_for_nothing(tmp_path: Path, clock: Clock) -> None:
    settled, _ = _since_the_start(tmp_path, clock, apart=60.0)
    assert settled is None


def _since_the_start(tmp_path: Path, clock: Clock, apart: float) -> tuple[str | None, str | None]:
    """Return why a pair waits once it has settled, and 30 s later; `apart` is what its files may differ by."""
    run = write_folder(tmp_path / "root" / "run")
    begun = time.monotonic()
    while time.monotonic() < begun + 0.05:  # the file system's clock is coarse
        replace(run / WEIGHTS, weights(b"new!"))
    source = LocalSource("", tmp_path / "root", apart, 15.0, clock=clock)
    source.scan()
    found = after(source, clock, 1.01 * apart), after(source, clock, 30.0)
    source.close()
    return found


def test_an_old_torn_pair_before_the_start_is_taken(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has waited before: nobody knows for how long."""
    monkeypatch.setattr(settle, "_TOGETHER", 0.0)
    run = write_folder(tmp_path / "root" / "run")
    time.sleep(0.05)
    replace(run / WEIGHTS, weights(b"new!"))
    source = LocalSource("", tmp_path / "root", 0.01, 15.0, clock=clock)
    source._settling = Settling(0.01, "", 1 << 30, wall=lambda: time.time() + 40.0)
    source.scan()
    assert after(source, clock, 1.0) is None
    source.close()
