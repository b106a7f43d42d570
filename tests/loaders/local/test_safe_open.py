"""Nothing below the root leads the daemon elsewhere or holds it up."""

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kits.costs import held_open

from hotswapd.loaders.errors import Gone, LoadError, Refused
from hotswapd.loaders.local import safe_open
from hotswapd.loaders.local.safe_open import closing, fingerprint, open_below, open_file

NAME = "adapter_model.safetensors"
MIB = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    with closing(os.open(tmp_path, os.O_RDONLY)) as fd:
        yield fd


def fails(call: Callable[[], int]) -> LoadError:
    with pytest.raises(LoadError) as raised:
        os.close(call())
    assert "\n" not in raised.value.sentence
    return raised.value


def link(path: Path) -> None:
    (path.parent / "target").write_bytes(b"secret")
    path.symlink_to("target")


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's address is short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


def hard_link(path: Path) -> None:
    path.write_bytes(b"x")
    os.link(path, path.parent / "other")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"head")
        file.truncate(8 * MIB)


def world_writable(path: Path) -> None:
    path.write_bytes(b"x")
    path.chmod(0o666)


def too_large(path: Path) -> None:
    path.write_bytes(b"x" * (16 * MIB + 1))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (link, "symlink"),
        (dangling, "symlink"),
        (os.mkfifo, "not_regular"),
        (unix_socket, "not_regular"),
        (os.mkdir, "not_regular"),
        (hard_link, "hard_link"),
        (sparse, "sparse"),
        (world_writable, "world_writable"),
        (too_large, "too_large"),
    ],
)
def test_what_is_no_plain_file_is_refused(root: int, tmp_path: Path, make: Callable[[Path], None], code: str) -> None:
    make(tmp_path / NAME)
    error = fails(lambda: open_file(NAME, root, 16 * MIB))
    assert isinstance(error, Refused)
    assert error.code == code


def test_a_device_is_refused_without_being_opened(root: int, tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / NAME, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device node needs CAP_MKNOD")
    assert fails(lambda: open_file(NAME, root, MIB)).code == "not_regular"


def test_a_plain_file_opens_and_a_written_one_is_not_sparse(root: int, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\0" * 2 * MIB)
    with closing(open_file(NAME, root, 2 * MIB)) as fd:
        assert os.fstat(fd).st_size == 2 * MIB


def test_a_missing_file_is_gone(root: int) -> None:
    assert isinstance(fails(lambda: open_file(NAME, root, MIB)), Gone)


def test_a_directory_is_opened_component_by_component(root: int, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with closing(open_below(root, ["a", "b"])) as fd:
        assert os.fstat(fd).st_ino == (tmp_path / "a" / "b").stat().st_ino


@pytest.mark.parametrize("parts", [["way"], ["way", "b"]])
def test_no_component_may_be_a_link(root: int, tmp_path: Path, parts: list[str]) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "way").symlink_to("a")
    assert fails(lambda: open_below(root, parts)).code == "symlink"


@pytest.mark.parametrize("parts", [[".."], ["a", "..", ".."], ["."], [""]])
def test_nothing_leads_upwards(root: int, tmp_path: Path, parts: list[str]) -> None:
    (tmp_path / "a").mkdir()
    assert isinstance(fails(lambda: open_below(root, parts)), Refused)


def test_a_world_writable_directory_is_refused(root: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o777)
    assert fails(lambda: open_below(root, ["a"])).code == "world_writable"


def test_a_file_where_a_directory_should_be_is_refused(root: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert fails(lambda: open_below(root, ["a"])).code == "not_regular"


def test_failed_opens_leave_no_descriptor_behind(root: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    sparse(tmp_path / NAME)
    before = held_open(tmp_path)
    for _ in range(20):
        fails(lambda: open_file(NAME, root, 16 * MIB))
        fails(lambda: open_below(root, ["a", "missing"]))
    assert held_open(tmp_path) == before


def test_the_fingerprint_sees_a_change_that_mtime_hides(tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(b"one")
    os.utime(file, ns=(1, 1))
    before = after = file.stat()
    while after.st_ctime_ns == before.st_ctime_ns:  # the kernel's clock ticks every few milliseconds
        file.write_bytes(b"two")
        os.utime(file, ns=(1, 1))
        after = file.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    assert fingerprint([before]) != fingerprint([after])


def test_a_fifo_swapped_in_does_not_block(root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a regular file when it is examined, and a FIFO without a writer when it is opened."""
    path = tmp_path / NAME
    path.write_bytes(b"x")
    check = safe_open.check_file

    def swap_after_check(name: str, facts: os.stat_result, cap: int) -> None:
        check(name, facts, cap)
        path.unlink()
        os.mkfifo(path)

    errors: list[LoadError] = []
    monkeypatch.setattr(safe_open, "check_file", swap_after_check)
    opener = threading.Thread(target=lambda: errors.append(fails(lambda: open_file(NAME, root, MIB))), daemon=True)
    opener.start()
    opener.join(30)
    blocked = opener.is_alive()
    if blocked:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # lets it go on
    assert not blocked
    assert [error.code for error in errors] == ["not_regular"]
