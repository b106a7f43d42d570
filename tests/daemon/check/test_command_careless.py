"""``check`` and ``publish`` as careless people call them: one clear sentence, the right exit code, nothing written."""

import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kits.folders import CONFIG, WEIGHTS, weights

from hotswapd.daemon.cli import main
from hotswapd.loaders.files import MANIFEST

PLAIN = b'{"peft_type": "LORA", "r": 1, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}'
NOT_TEXT = os.fsdecode(b"run-\xff")
UNCHECKED = "hotswapd: only its structure was checked: name a base with --config or --base to compare it with one\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a directory with an adapter called run, and much that is not an adapter."""
    monkeypatch.chdir(tmp_path)
    for where in ("run", "outer/checkpoint-9", "many/a", "many/b", "pickled", NOT_TEXT):
        write_adapter(tmp_path / where)
    (tmp_path / "pickled" / WEIGHTS).rename(tmp_path / "pickled" / "adapter_model.bin")
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as file:
        file.write(tmp_path / "run" / CONFIG, CONFIG)
    for name in ("empty", "linked", "looped"):
        (tmp_path / name).mkdir()
    for name in (CONFIG, WEIGHTS):
        (tmp_path / "linked" / name).symlink_to(f"../run/{name}")
        (tmp_path / "looped" / name).symlink_to(name)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("run")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def write_adapter(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / CONFIG).write_bytes(PLAIN)
    (directory / WEIGHTS).write_bytes(weights())


def tree(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("nowhere", 4, "is not a directory"),
        ("", 4, "'' is empty: a variable may not be set"),
        ("~/run", 4, "a ~ that the shell did not expand"),
        ("run.zip", 4, "run.zip is not a directory"),
        (f"run/{WEIGHTS}", 4, f"{WEIGHTS} is not a directory"),
        ("loop", 4, "loop is not a directory"),
        ("pipe", 4, "pipe is not a directory"),
        ("x" * 300, 4, "is not a directory"),
        ("no\x1b[31mwhere", 4, "no\ufffd[31mwhere is not a directory"),
        ("org/adapter", 4, "org/adapter is not a directory"),
        ("s3:/bucket/run", 4, "lacks slashes: an address starts with s3://"),
        ("S3:bucket/run", 4, "lacks slashes: an address starts with s3://"),
        ("http://host/run", 4, "must start with file://, s3:// or hf://"),
        ("file://run", 4, "three slashes"),
    ],
)
def test_check_of_what_is_not_an_address_says_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], typed: str, code: int, words: str
) -> None:
    assert main(["check", typed]) == code
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert words in shown.err


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("empty", ("config_missing", "weights_missing")),
        ("outer", ("config_missing", "it holds no adapter itself, but", "outer/checkpoint-9 does")),
        ("many", ("config_missing", "it holds no adapter itself, but 2 directories in it do")),
        ("pickled", ("pickle_refused",)),
        ("linked", ("symlink", "a symbolic link, which is not followed")),
        ("looped", ("symlink", "a symbolic link, which is not followed")),
    ],
)
def test_check_of_a_directory_without_an_adapter_says_why(
    place: Path, capsys: pytest.CaptureFixture[str], typed: str, codes: tuple[str, ...]
) -> None:
    assert main(["check", typed]) == 3
    shown = capsys.readouterr()
    assert shown.err == ""
    assert all(code in shown.out for code in codes)


def unlisted(run: Path) -> None:
    body = bytearray((run / WEIGHTS).read_bytes())
    body[-1] ^= 1
    (run / WEIGHTS).write_bytes(body)


def half_a_manifest(run: Path) -> None:
    os.truncate(run / MANIFEST, 30)


def a_pipe_for_a_manifest(run: Path) -> None:
    (run / MANIFEST).unlink()
    os.mkfifo(run / MANIFEST)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (unlisted, f"{WEIGHTS} is not what {MANIFEST} lists"),
        (half_a_manifest, f"{MANIFEST} is not JSON"),
        (a_pipe_for_a_manifest, f"{MANIFEST} is not JSON"),
    ],
)
def test_check_says_that_files_unlike_their_manifest_wait(
    place: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], words: str
) -> None:
    assert main(["publish", "run", "out"]) == main(["check", "out"]) == 0
    capsys.readouterr()
    spoil(place / "out")
    assert main(["check", "out"]) == 4
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert words in shown.err


@pytest.mark.parametrize("typed", ["run", "run/", "./run//", "outer/../run", "link", NOT_TEXT])
def test_any_name_of_an_adapter_is_checked(place: Path, capsys: pytest.CaptureFixture[str], typed: str) -> None:
    assert main(["check", typed]) == 0
    shown = capsys.readouterr()
    assert (shown.out.splitlines()[0].endswith("would be taken"), shown.err) == (True, "")


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("nowhere", 3, "nowhere is not a directory on this machine"),
        ("s3://bucket/run", 3, "is not a directory on this machine"),
        ("run.zip", 3, "run.zip is not a directory on this machine"),
        (f"run/{WEIGHTS}", 3, "is not a directory on this machine"),
        ("pipe", 3, "pipe is not a directory on this machine"),
        ("loop", 4, "Too many levels of symbolic links"),
        ("looped", 4, "Too many levels of symbolic links"),
        ("x" * 300, 4, "File name too long"),
        ("empty", 3, f"empty must hold {CONFIG} and {WEIGHTS}"),
        ("outer", 3, f"outer must hold {CONFIG} and {WEIGHTS}, as outer/checkpoint-9 does"),
        ("many", 3, "as 2 directories in it do"),
        ("pickled", 3, "save it as safetensors"),
    ],
)
def test_what_cannot_be_published_is_said_in_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], typed: str, code: int, words: str
) -> None:
    before = tree(place)
    assert main(["publish", typed, "out/run"]) == code
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert words in shown.err
    assert tree(place) == before


@pytest.mark.parametrize(
    ("dest", "code", "words"),
    [
        ("", 2, "'' is empty: a variable may not be set"),
        ("~/adapters", 2, "a ~ that the shell did not expand"),
        ("s3:/bucket/run", 2, "lacks slashes: an address starts with s3://"),
        ("hf:org/repo", 2, "lacks slashes: an address starts with hf://"),
        ("file://host/run", 2, "three slashes"),
        ("s3://", 2, "must be s3://bucket/prefix/name"),
        ("http://host/run", 2, "must start with file://, s3:// or hf://"),
        (NOT_TEXT, 2, "is not valid UTF-8"),
        ("run.zip", 4, "run.zip cannot be written: Not a directory"),
        ("run.zip/run", 4, "cannot be written: Not a directory"),
        ("pipe", 4, "pipe cannot be written: Not a directory"),
        ("loop", 4, "Too many levels of symbolic links"),
        ("/dev/null/run", 4, "cannot be written: Not a directory"),
        ("x" * 300, 4, "File name too long"),
    ],
)
def test_an_impossible_destination_says_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], dest: str, code: int, words: str
) -> None:
    before = tree(place)
    assert main(["publish", "run", dest]) == code
    shown = capsys.readouterr()
    said = shown.err.removeprefix(UNCHECKED)
    assert (shown.out, said.count("\n")) == ("", 1)
    assert words in said
    assert tree(place) == before


@pytest.mark.parametrize(
    "dest", ["out", "out/", "./out//", "run/inside", "run", "a/new/one", "link", "out\nrun", "\u3000"]
)
def test_any_name_of_a_place_is_published_to(place: Path, capsys: pytest.CaptureFixture[str], dest: str) -> None:
    assert main(["publish", "run", dest]) == 0
    assert capsys.readouterr().err == UNCHECKED
    assert (place / dest / WEIGHTS).read_bytes() == weights()
    assert (place / dest / CONFIG).read_bytes() == PLAIN


@pytest.mark.parametrize("dest", ["adapters/.run", "run.tmp", "run~"])
def test_publishing_to_an_ignored_name_warns(place: Path, capsys: pytest.CaptureFixture[str], dest: str) -> None:
    assert main(["publish", "run", dest]) == 0
    name = dest.rpartition("/")[2]
    assert f"it is ignored, since the name {name!r}" in capsys.readouterr().err


@pytest.mark.parametrize("dest", ["lora.20261128", "run-7.1a2b3c4d", "lora.partner-v2", "v1.tmp.3"])
def test_names_that_only_look_temporary_are_not_warned_of(
    place: Path, capsys: pytest.CaptureFixture[str], dest: str
) -> None:
    assert main(["publish", "run", dest]) == 0
    assert capsys.readouterr().err == UNCHECKED
    assert main(["check", dest]) == 0
    assert "ignored" not in capsys.readouterr().out


def test_check_says_that_a_name_is_ignored(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The adapter itself is fine, so it is exit 0: it may be checked before it is renamed into place."""
    (place / "run").rename(place / "run.tmp")
    assert main(["check", "run.tmp"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "run.tmp would be taken under another name" in out
    assert "it is ignored, since the name 'run.tmp' ends in .tmp: rename it" in out
    assert main(["check", "run.tmp", "--json"]) == 0
    assert "'run.tmp' ends in .tmp" in json.loads(capsys.readouterr().out)["ignored"]


@contextmanager
def open_directory() -> Iterator[Path]:
    """Yield a directory that everybody may enter and write; afterwards this process is root again."""
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        Path(root).chmod(0o777)
        try:
            yield Path(root)
        finally:
            os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("command", "mode", "code", "words"),
    [
        (["check", "run"], 0o000, 4, "Permission denied"),
        (["publish", "run", "out"], 0o000, 4, "run cannot be copied: Permission denied"),
        (["publish", "other", "run/new"], 0o555, 4, "run/new cannot be written: Permission denied"),
    ],
)
def test_what_this_user_may_not_do_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    mode: int,
    code: int,
    words: str,
) -> None:
    with open_directory() as root:
        monkeypatch.chdir(root)
        monkeypatch.setattr(tempfile, "tempdir", str(root))
        write_adapter(root / "first")
        elsewhere = ["elsewhere"] * len(command[2:])
        main([command[0], "first", *elsewhere])  # what the command imports may lie where nobody else may read
        capsys.readouterr()
        write_adapter(root / "run")
        write_adapter(root / "other")
        (root / "run").chmod(mode)
        os.seteuid(65534)
        assert main(command) == code
    shown = capsys.readouterr()
    said = shown.err.removeprefix(UNCHECKED)
    assert (shown.out, said.count("\n")) == ("", 1)
    assert words in said
