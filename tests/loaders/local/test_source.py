"""A local folder says all that is there, and when each adapter may be taken."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.clock import Clock
from kits.costs import calls
from kits.folders import CONFIG, WEIGHTS, weights, write_folder

from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.local.source import LocalSource
from hotswapd.loaders.source import Sighting
from hotswapd.loaders.uri import AdapterURI


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(tmp_path: Path, clock: Clock) -> Iterator[LocalSource]:
    (tmp_path / "root").mkdir()
    source = LocalSource("", tmp_path / "root", settle=2.0, rescan=15.0, clock=clock)
    yield source
    source.close()


@pytest.fixture
def root(source: LocalSource) -> Path:
    return Path(source.path)


def codes(source: LocalSource) -> dict[str, str | None]:
    return {Path(s.uri.location).name: s.waiting.code if s.waiting else None for s in source.scan().sightings}


def settled(source: LocalSource, clock: Clock) -> dict[str, Sighting]:
    source.scan()
    clock.now += 2.0
    return {Path(s.uri.location).name: s for s in source.scan().sightings}


def test_an_empty_folder_is_up(source: LocalSource) -> None:
    scan = source.scan()
    assert scan.sightings == ()
    assert scan.again_in == 15.0


def test_an_adapter_from_before_the_start_settles_too(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "run-7")
    first = source.scan()
    assert first.sightings[0].waiting is not None
    assert first.sightings[0].waiting.code == "settling"
    assert first.again_in == 2.0
    clock.now += 2.0
    second = source.scan()
    assert second.sightings[0].waiting is None
    assert second.again_in == 15.0
    assert str(second.sightings[0].uri) == f"file://{root}/run-7"


def test_settling_during_a_scan_causes_another(
    root: Path, source: LocalSource, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(root / "run")
    source.scan()
    clock.now += 1.9
    look = source._walk

    def slow(fd: int) -> tuple[Sighting, ...]:
        sightings = look(fd)
        clock.now += 1.0
        return sightings

    monkeypatch.setattr(source, "_walk", slow)
    scan = source.scan()
    assert scan.sightings[0].waiting is not None
    assert scan.again_in < 0.1


def test_old_file_times_do_not_shorten_the_settle(source: LocalSource, root: Path) -> None:
    write_folder(root / "run")
    for name in (CONFIG, WEIGHTS):
        os.utime(root / "run" / name, (1, 1))
    assert codes(source) == {"run": "settling"}


def test_every_change_starts_the_settle_anew(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "run")
    source.scan()
    clock.now += 1.5
    revision = source.scan().sightings[0].revision
    (root / "run" / WEIGHTS).write_bytes(weights(b"longer payload"))
    clock.now += 1.0
    changed = source.scan()
    assert changed.sightings[0].revision != revision
    assert changed.sightings[0].waiting is not None
    assert changed.again_in == 2.0
    clock.now += 2.0
    assert codes(source) == {"run": None}


def test_an_unchanged_adapter_keeps_its_revision_and_stamp(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "run")
    first = settled(source, clock)["run"]
    clock.now += 100.0
    assert source.scan().sightings == (first,)
    files = [(root / "run" / name).stat() for name in (CONFIG, WEIGHTS)]
    assert first.stamp == max(f.st_ctime_ns for f in files) / 1e9


def test_the_stamp_is_the_later_of_both_files(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "run")
    before = settled(source, clock)["run"].stamp
    while (root / "run" / WEIGHTS).stat().st_ctime_ns / 1e9 <= before:
        (root / "run" / WEIGHTS).write_bytes(weights())
    assert source.scan().sightings[0].stamp == (root / "run" / WEIGHTS).stat().st_ctime_ns / 1e9


@pytest.mark.parametrize("present", [CONFIG, WEIGHTS])
def test_one_file_alone_is_incomplete(source: LocalSource, root: Path, clock: Clock, present: str) -> None:
    write_folder(root / "run")
    for name in {CONFIG, WEIGHTS} - {present}:
        (root / "run" / name).unlink()
    waiting = settled(source, clock)["run"].waiting
    assert waiting is not None
    assert waiting.code == "incomplete"
    assert "is not there yet" in waiting.sentence


def test_pickled_weights_are_named_as_the_reason(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "run")
    (root / "run" / WEIGHTS).rename(root / "run" / "adapter_model.bin")
    waiting = settled(source, clock)["run"].waiting
    assert waiting is not None
    assert "adapter_model.bin is never loaded" in waiting.sentence


@pytest.mark.parametrize("cut", [0, 7, 40, len(weights()) - 1])
def test_cut_weights_wait_until_they_are_whole(source: LocalSource, root: Path, clock: Clock, cut: int) -> None:
    write_folder(root / "run")
    (root / "run" / WEIGHTS).write_bytes(weights()[:cut])
    waiting = settled(source, clock)["run"].waiting
    assert waiting is not None
    assert waiting.code == "incomplete"
    (root / "run" / WEIGHTS).write_bytes(weights())
    assert settled(source, clock)["run"].waiting is None


def test_a_cut_config_waits(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "run", config=b'{"r": ')
    waiting = settled(source, clock)["run"].waiting
    assert waiting is not None
    assert waiting.code == "incomplete"
    assert waiting.sentence.startswith(CONFIG)


def test_the_marker_must_be_there(tmp_path: Path, clock: Clock) -> None:
    write_folder(tmp_path / "run")
    source = LocalSource("", tmp_path, marker="_SUCCESS", clock=clock)
    assert settled(source, clock)["run"].waiting is not None
    assert codes(source) == {"run": "marker_missing"}
    (tmp_path / "run" / "_SUCCESS").touch()
    assert codes(source) == {"run": None}
    (tmp_path / "run" / "_SUCCESS").unlink()
    assert codes(source) == {"run": "marker_missing"}
    source.close()


def test_what_can_never_be_taken_does_not_wait(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "linked")
    (root / "linked" / CONFIG).unlink()
    (root / "linked" / CONFIG).symlink_to("/etc/passwd")
    write_folder(root / "fifo")
    (root / "fifo" / WEIGHTS).unlink()
    os.mkfifo(root / "fifo" / WEIGHTS)
    (root / "latest").symlink_to("linked")
    assert settled(source, clock).keys() == {"linked", "fifo", "latest"}
    assert set(codes(source).values()) == {None}


def test_an_unfinished_adapter_hides_no_other(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "good")
    write_folder(root / "newer", config=b"")
    now = settled(source, clock)
    assert now["good"].waiting is None
    assert now["newer"].waiting is not None


def test_a_deleted_adapter_settles_again_when_it_is_back(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / "run")
    settled(source, clock)
    (root / "run").rename(root / ".run")
    assert codes(source) == {}
    (root / ".run").rename(root / "run")
    assert codes(source) == {"run": "settling"}


def test_a_name_that_is_not_text_waits(source: LocalSource, root: Path, clock: Clock) -> None:
    write_folder(root / os.fsdecode(b"run-\xff"))
    sighting = settled(source, clock)["run-\\udcff"]
    assert sighting.waiting is not None
    assert sighting.waiting.code == "bad_name"
    assert str(sighting.uri).endswith("run-%5Cudcff")


@pytest.mark.slow
def test_a_large_scan_costs_a_few_calls_for_each_adapter(source: LocalSource, root: Path, clock: Clock) -> None:
    for n in range(5000):
        write_folder(root / f"group-{n % 50}" / f"run-{n}")
    for waiting in ("settling", None):
        sightings: list[Sighting] = []
        spent = calls(lambda: sightings.extend(source.scan().sightings))  # noqa: B023
        print(f"{spent / 5000:.0f} calls an adapter")
        assert spent < 5000 * 1000
        assert len(sightings) == 5000
        assert {s.waiting and s.waiting.code for s in sightings} == {waiting}
        clock.now += 2.0


def test_contains_is_about_the_address_only(tmp_path: Path) -> None:
    source = LocalSource("", tmp_path / "not-there")
    inside = AdapterURI.of_path(tmp_path / "not-there" / "run")
    assert source.contains(inside)
    assert source.contains(AdapterURI.of_path(tmp_path / "not-there"))
    assert not source.contains(AdapterURI.of_path(tmp_path / "not-there-either"))
    assert not source.contains(AdapterURI("s3", inside.location))
    assert not source.contains(AdapterURI("file", f"{tmp_path}/not-there/../other"))


def test_a_missing_root_is_down_until_it_is_made(source: LocalSource, root: Path) -> None:
    root.rmdir()
    with pytest.raises(SourceDown) as down:
        source.scan()
    assert down.value.code == "root_missing"
    assert down.value.retry_after == 5.0
    write_folder(root / "run")
    assert codes(source) == {"run": "settling"}


def test_a_root_that_is_a_file_is_down(source: LocalSource, root: Path) -> None:
    root.rmdir()
    root.write_bytes(b"")
    with pytest.raises(SourceDown) as down:
        source.scan()
    assert down.value.code == "root_not_directory"


def test_a_world_writable_root_is_down_unless_sticky(source: LocalSource, root: Path) -> None:
    root.chmod(0o777)
    with pytest.raises(SourceDown) as down:
        source.scan()
    assert down.value.code == "root_world_writable"
    assert "chmod o-w" in down.value.sentence
    root.chmod(0o1777)
    assert source.scan().sightings == ()


def test_a_root_that_is_a_link_is_followed(tmp_path: Path, clock: Clock) -> None:
    write_folder(tmp_path / "real" / "run")
    (tmp_path / "way").symlink_to("real")
    source = LocalSource("", tmp_path / "way", clock=clock)
    assert str(settled(source, clock)["run"].uri) == f"file://{tmp_path}/way/run"
    source.close()


def test_wake_and_close_end_a_wait(source: LocalSource) -> None:
    waiter = threading.Thread(target=source.wait, args=(60.0,))
    waiter.start()
    source.wake()
    waiter.join(30)
    assert not waiter.is_alive()
    source.close()
    source.wait(60.0)
    source.close()
