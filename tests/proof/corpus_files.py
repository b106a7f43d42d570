"""Places in a folder that are not the two plain files which they pretend to be, or that others can change."""

import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from kits.folders import CONFIG, WEIGHTS

from .corpus import Bad, Spoil, waits
from .corpus_header import join

BEYOND = 1 << 40
SPARSE = 64 << 20


def becomes(name: str, make: Callable[[Path], object]) -> Spoil:
    """Put something else in a file's place."""

    def spoil(adapter: Path) -> None:
        (adapter / name).unlink()
        make(adapter / name)

    return spoil


def mode(name: str, bits: int) -> Spoil:
    """Set the mode of a file, or of the directory itself when no name is given."""
    return lambda adapter: (adapter / name).chmod(bits)


def aside(adapter: Path) -> Path:
    """Name a place outside of the watched folder, of this adapter's own."""
    return adapter.parent.parent / f"outside{adapter.name}"


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(path.parent, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/{path.name}")  # the whole path may be too long for a socket's address
        os.close(here)


def _linked(name: str) -> Spoil:
    """Keep the real file outside, and leave a link to it."""

    def spoil(adapter: Path) -> None:
        aside(adapter).mkdir()
        shutil.move(adapter / name, aside(adapter) / name)
        (adapter / name).symlink_to(aside(adapter) / name)

    return spoil


def _linked_directory(adapter: Path) -> None:
    shutil.move(adapter, aside(adapter))
    adapter.symlink_to(aside(adapter))


def _second_name(adapter: Path) -> None:
    os.link(adapter / WEIGHTS, aside(adapter))


def _huge(adapter: Path) -> None:
    os.truncate(adapter / WEIGHTS, BEYOND)


def _holes(adapter: Path) -> None:
    """Announce a file of one tensor, and write nothing but the header: all zeros, and no error for who reads it."""
    header = f'{{"x":{{"dtype":"U8","shape":[{SPARSE}],"data_offsets":[0,{SPARSE}]}}}}'.encode()
    (adapter / WEIGHTS).write_bytes(join(header, b""))
    os.truncate(adapter / WEIGHTS, 8 + len(header) + SPARSE)


def _anothers(adapter: Path) -> None:
    (adapter / WEIGHTS).chmod(0o600)
    os.chown(adapter / WEIGHTS, 65534, 65534)


def _only_a_pickle(adapter: Path) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # the device of endless zeros


FILES = [
    Bad("fifo_for_weights", becomes(WEIGHTS, os.mkfifo), "not_regular"),
    Bad("fifo_for_config", becomes(CONFIG, os.mkfifo), "not_regular"),
    Bad("socket_for_weights", becomes(WEIGHTS, _socket), "not_regular"),
    Bad("directory_for_weights", becomes(WEIGHTS, os.mkdir), "not_regular"),
    Bad("directory_for_config", becomes(CONFIG, os.mkdir), "not_regular"),
    Bad("link_to_weights", _linked(WEIGHTS), "symlink"),
    Bad("link_to_config", _linked(CONFIG), "symlink"),
    Bad("link_to_a_system_file", becomes(CONFIG, lambda path: path.symlink_to("/etc/passwd")), "symlink"),
    Bad("link_to_nothing", becomes(WEIGHTS, lambda path: path.symlink_to("/nowhere")), "symlink"),
    Bad("link_to_itself", becomes(WEIGHTS, lambda path: path.symlink_to(path.name)), "symlink"),
    Bad("link_to_a_directory", _linked_directory, "symlink"),
    Bad("hard_link", _second_name, "hard_link"),
    Bad("sparse_tebibyte", _huge, "too_large"),
    Bad("only_holes", _holes, "sparse"),
    Bad("world_writable_weights", mode(WEIGHTS, 0o666), "world_writable"),
    Bad("world_writable_config", mode(CONFIG, 0o646), "world_writable"),
    Bad("world_writable_directory", mode("", 0o777), "world_writable"),
    waits("only_a_pickle", _only_a_pickle),
    waits("no_config", lambda adapter: (adapter / CONFIG).unlink()),
    waits("no_weights", lambda adapter: (adapter / WEIGHTS).unlink()),
    waits("mode_000", mode(WEIGHTS, 0), "permission"),
    waits("config_mode_000", mode(CONFIG, 0), "permission"),
    waits("directory_mode_000", mode("", 0), "permission"),
]
AS_ROOT = [
    Bad("device_for_weights", becomes(WEIGHTS, _device), "not_regular"),
    waits("mode_0600_of_another_user", _anothers, "permission"),
]
"""Only root can make these."""


def files() -> list[Bad]:
    """Return the classes that this user can make."""
    return FILES + (AS_ROOT if os.geteuid() == 0 else [])
