"""The walk finds every adapter directory and nothing that is too deep; what is ignored is marked."""

import contextlib
import os
from pathlib import Path

import pytest
from kits.folders import CONFIG, WEIGHTS, write_folder

from hotswapd.loaders.local.safe_open import closing
from hotswapd.loaders.local.walk import MOST_IGNORED, Found, walk


def found(root: Path) -> dict[str, Found]:
    with closing(os.open(root, os.O_RDONLY)) as fd:
        return {"/".join(f.parts): f for f in walk(fd)}


def test_adapters_are_found_four_levels_deep(tmp_path: Path) -> None:
    for below in ("", "a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e"):
        write_folder(tmp_path / below)
    assert sorted(found(tmp_path)) == ["", "a", "a/b", "a/b/c", "a/b/c/d"]


@pytest.mark.parametrize("name", [".hidden", "..data", ".~tmp~", "run.tmp", "run.part", "run~", "lost+found"])
def test_what_is_complete_under_an_ignored_name_is_marked(tmp_path: Path, name: str) -> None:
    write_folder(tmp_path / name)
    write_folder(tmp_path / "a" / name / "b")
    there = found(tmp_path)
    assert sorted(there) == [name, f"a/{name}/b"] or sorted(there) == [f"a/{name}/b", name]
    assert all(f"the name {name!r}" in one.ignored for one in there.values())


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
def test_half_an_adapter_under_an_ignored_name_is_nothing(tmp_path: Path, missing: str) -> None:
    """It is what such names are for."""
    (write_folder(tmp_path / ".run.tmp") / missing).unlink()
    assert found(tmp_path) == {}


def test_an_ignored_tree_is_looked_into_up_to_a_limit(tmp_path: Path) -> None:
    """A snapshot of everything costs no more than a few hundred directories a scan, and hides no adapter."""
    for number in range(MOST_IGNORED + 5):
        write_folder(tmp_path / ".snapshot" / f"run-{number}")
    write_folder(tmp_path / "z")
    there = found(tmp_path)
    assert len(there) == MOST_IGNORED  # one of the looks was at the tree itself
    assert there["z"].ignored == ""


@pytest.mark.parametrize(
    "name",
    [
        "run-7",
        "v1.2.3",
        "tmp",
        "lora.20261128",
        "run-7.1a2b3c4d",
        "lora.partner-v2",
        "run.tmp-1234",
        "Ünïcode",
        "a\nb",
    ],
)
def test_ordinary_names_are_found(tmp_path: Path, name: str) -> None:
    write_folder(tmp_path / name)
    assert list(found(tmp_path)) == [name]


def test_a_directory_with_neither_file_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.md").write_bytes(b"")
    assert found(tmp_path) == {}


def test_a_linked_directory_is_named_but_not_entered(tmp_path: Path) -> None:
    write_folder(tmp_path / "run" / "inner")
    write_folder(tmp_path / "run")
    (tmp_path / "latest").symlink_to("run")
    (tmp_path / "notes").symlink_to("/etc")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    there = found(tmp_path)
    assert sorted(there) == ["latest", "run", "run/inner"]
    assert there["latest"].link is not None
    assert there["latest"].config is None


def test_a_fifo_instead_of_a_directory_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    write_folder(tmp_path / "run")
    assert list(found(tmp_path)) == ["run"]


def test_what_vanishes_during_the_walk_is_left_out(tmp_path: Path) -> None:
    for n in range(3):
        write_folder(tmp_path / f"run-{n}")
    with closing(os.open(tmp_path, os.O_RDONLY)) as fd:
        steps = walk(fd)
        first = next(steps)
        for n in range(3):
            (tmp_path / f"run-{n}" / CONFIG).unlink()
            (tmp_path / f"run-{n}").rename(tmp_path / f".gone-{n}")
        assert first.config is not None
        assert list(steps) == []


def held_below(place: Path) -> list[str]:
    """List this process's descriptors there: those elsewhere may be what other tests have left to be collected."""
    held = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            held.append(os.readlink(descriptor))
    return [target for target in held if target.startswith(str(place))]


def test_the_walk_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    for n in range(5):
        write_folder(tmp_path / f"a-{n}" / "b" / "c")
    before = held_below(tmp_path)
    found(tmp_path)
    assert held_below(tmp_path) == before
