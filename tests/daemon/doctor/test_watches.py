"""The limits on watches: beyond them folders are scanned, so nothing stops."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from kits.doctors import only, settings

from hotswapd.daemon.doctor import watches
from hotswapd.daemon.doctor.watches import check_watches, directories_in, instance_trouble, judge, limit


def test_directories_are_counted_as_deep_as_they_are_watched(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c" / "d" / "e" / "f").mkdir(parents=True)
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert directories_in(tmp_path) == 6
    assert directories_in(tmp_path / "none") == 1


def test_more_directories_than_watches_is_a_note() -> None:
    assert "11 directories are to be watched, and a user may watch 10" in only([judge(11, 10)], "note").sentence
    only([judge(10, 10)], "fine")


def test_the_limit_is_the_kernels(tmp_path: Path) -> None:
    assert limit() > 0
    (tmp_path / "max_user_watches").write_text("8192\n")
    assert limit(tmp_path) == 8192
    assert limit(tmp_path / "none") == 0


def test_a_configuration_without_folders_needs_none() -> None:
    assert "not needed" in only(check_watches(settings()), "fine").sentence


def test_the_instance_that_is_tried_is_given_back() -> None:
    """There are few, and the daemon may be in this process: `doctor` is also run by a test that starts it."""
    before = instances()
    for _ in range(3):
        assert instance_trouble() == ""
    assert instances() <= before


def instances() -> int:
    """Count the inotify instances of this process; watchdog's threads may close theirs meanwhile."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += os.readlink(descriptor) == "anon_inode:inotify"
    return found


def test_no_instance_left_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As for a user whose editors have taken all of them."""
    table = [{"kind": "local", "path": str(tmp_path)}]
    only(check_watches(settings(source=table)), "fine")
    monkeypatch.setattr(watches, "instance_trouble", lambda: "no inotify instance can be had")
    assert "max_user_instances" in only(check_watches(settings(source=table)), "note").remedy
