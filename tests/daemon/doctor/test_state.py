"""The state directory: judged before it exists, and nothing is written."""

import fcntl
import os
from pathlib import Path

import pytest
from kits.doctors import only, settings

from hotswapd.daemon.doctor import state
from hotswapd.daemon.doctor.state import check_state, existing, file_system, judge
from hotswapd.daemon.service.state_dir import StateDir

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:20 / /srv rw shared:2 - nfs4 server:/srv rw
31 30 0:21 / /srv/my\\040disk rw - xfs /dev/sdb rw
32 22 0:22 / /mnt rw - fuse.sshfs host: rw
"""


def test_one_that_can_be_made_is_fine_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert "can be made" in judge(path, existing(path)).sentence
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_there_is_fine(tmp_path: Path) -> None:
    assert only([judge(tmp_path, existing(tmp_path))], "fine").sentence == f"{tmp_path} can be used"


def test_one_in_use_is_fine(tmp_path: Path) -> None:
    """By the daemon that this is about."""
    other = StateDir(tmp_path)
    other.occupy()
    try:
        assert "used by a hotswapd that runs" in only([judge(tmp_path, existing(tmp_path))], "fine").sentence
    finally:
        other.leave()


def test_a_file_in_its_place_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "state"
    assert f"{tmp_path}/file is not a directory" in only([judge(path, existing(path))], "fails").sentence


def test_one_that_may_not_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written by uid" in only([judge(tmp_path, tmp_path)], "fails").sentence


def test_a_file_system_without_locks_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    assert "cannot be locked: Function not implemented" in only([judge(tmp_path, tmp_path)], "fails").sentence


@pytest.mark.parametrize(
    ("path", "kind"), [("/var/lib", "ext4"), ("/srv/x", "nfs4"), ("/srv/my disk/x", "xfs"), ("/mnt", "fuse.sshfs")]
)
def test_the_innermost_mount_decides(path: str, kind: str, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system(Path(path), mounts) == kind
    assert file_system(Path(path), tmp_path / "none") == ""


@pytest.mark.parametrize(("kind", "notes"), [("ext4", 0), ("nfs4", 1), ("fuse.sshfs", 1), ("tmpfs", 1), ("overlay", 0)])
def test_what_does_not_last_or_is_remote_is_worth_a_note(
    kind: str, notes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "file_system", lambda _: kind)
    monkeypatch.setattr(state, "_LEAST", 0)
    first, *more = check_state(settings(state={"dir": str(tmp_path)}))
    assert (first.outcome, [one.outcome for one in more]) == ("fine", ["note"] * notes)


def test_a_disk_that_is_nearly_full_is_worth_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_LEAST", 1 << 62)
    monkeypatch.setattr(state, "file_system", lambda _: "ext4")
    *_, last = check_state(settings(state={"dir": str(tmp_path)}))
    assert "MiB are free" in last.sentence


def test_the_state_of_another_user_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may ask for the service's user."""
    monkeypatch.setattr(state, "_LEAST", 0)
    monkeypatch.setattr(state, "file_system", lambda _: "ext4")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 4711)
    _, found = check_state(settings(state={"dir": str(tmp_path)}))
    assert (found.outcome, "belongs to" in found.sentence) == ("note", True)


def test_without_a_home_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert "no home directory" in only(check_state(None), "fails").sentence
