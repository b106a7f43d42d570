"""Shell completion: what each shell offers, asked of the real shells."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kits.needs import need

from hotswapd.daemon.cli import main


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[[str], Path]:
    """Write a shell's completions into a file and name it."""

    def write(shell: str) -> Path:
        assert main(["completion", shell]) == 0
        path = tmp_path / f"hotswapd.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return write


def ask(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def bash(script: Path, *words: str) -> list[str]:
    code = (
        f"source {script}; COMP_WORDS=(hotswapd {' '.join(words)}); COMP_CWORD={len(words)}; "
        '_shtab_hotswapd; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return ask("bash", "-c", code)


def test_bash_offers_the_commands_and_their_options(script: Callable[[str], Path]) -> None:
    """A command's beginning, an option's beginning, and the words that an argument may be."""
    path = script("bash")
    assert bash(path, "ro") == ["rollback"]
    assert set(bash(path, "p")) == {"pause", "pin", "publish"}
    assert bash(path, "rollback", "--f") == ["--follow"]
    assert set(bash(path, "completion", "''")) >= {"bash", "zsh", "fish"}


def test_bash_offers_files_where_a_file_is_meant(script: Callable[[str], Path], tmp_path: Path) -> None:
    """`--config` takes a file, and `check` a directory."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "run-7").mkdir()
    (tmp_path / "work" / "hot.toml").write_text("")
    path = script("bash")
    found = bash(path, "check", f"{tmp_path}/work/")
    assert [Path(one).name for one in found] == ["run-7"]
    assert f"{tmp_path}/work/hot.toml" in bash(path, "status", "--config", f"{tmp_path}/work/")


def test_fish_offers_the_commands_with_what_they_do(script: Callable[[str], Path]) -> None:
    """Fish shows each command's summary beside it."""
    need(shutil.which("fish"), "fish")
    path = script("fish")
    code = f"source {path}; complete -C 'hotswapd ro'; complete -C 'hotswapd rollback --f'"
    said = ask("fish", "--no-config", "-c", code)
    assert "rollback" in said
    assert "--follow" in said
    assert "kept" in said


def test_zsh_takes_the_completions(script: Callable[[str], Path], tmp_path: Path) -> None:
    """They parse, and zsh's own completion system has them for the program."""
    need(shutil.which("zsh"), "zsh")
    path = script("zsh")
    folder = tmp_path / "functions"
    folder.mkdir()
    (folder / "_hotswapd").write_text(path.read_text())
    code = f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -d {tmp_path}/dump; print $_comps[hotswapd]"
    assert ask("zsh", "-f", "-c", code) == ["_hotswapd"]
    ask("zsh", "-f", "-n", str(path))


def test_another_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 names those that there are."""
    with pytest.raises(SystemExit) as caught:
        main(["completion", "tcsh"])
    assert caught.value.code == 2
    assert "fish" in capsys.readouterr().err
