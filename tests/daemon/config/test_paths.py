"""Where a daemon without a configuration file keeps its state and its socket."""

import os
from pathlib import Path

import pytest

from hotswapd.daemon.config.paths import DEFAULT_NAME, NoHome, Roots, is_name, roots_of

USER = os.getuid() or 1000


def owned(path: Path) -> Path:
    """Make a directory that belongs to the user that the tests speak of."""
    path.mkdir()
    os.chown(path, USER, -1)
    return path


def test_root_has_the_places_of_the_machine() -> None:
    """Whatever its environment names."""
    roots = roots_of({"XDG_STATE_HOME": "/x", "XDG_RUNTIME_DIR": "/y", "HOME": "/z"}, 0)
    assert (str(roots.state_dir()), str(roots.socket())) == ("/var/lib/hotswapd", "/run/hotswapd/control.sock")


def test_a_user_has_the_places_of_xdg(tmp_path: Path) -> None:
    runtime = owned(tmp_path / "run")
    roots = roots_of({"XDG_STATE_HOME": "/x", "XDG_RUNTIME_DIR": str(runtime), "HOME": "/z"}, USER)
    assert (str(roots.state_dir()), roots.socket()) == ("/x/hotswapd", runtime / "hotswapd" / "control.sock")


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": ""}, {"XDG_STATE_HOME": "here"}])
def test_without_xdg_both_are_below_the_home(environ: dict[str, str]) -> None:
    """A relative path counts as none."""
    roots = roots_of({"HOME": "/home/ann", **environ}, USER)
    assert str(roots.state_dir()) == "/home/ann/.local/state/hotswapd"
    assert str(roots.socket()) == "/home/ann/.local/state/hotswapd/control.sock"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a directory of somebody else")
def test_a_runtime_directory_of_another_user_is_not_used(tmp_path: Path) -> None:
    """`su` without a login leaves the variable as it was."""
    (tmp_path / "run").mkdir()
    assert roots_of({"HOME": "/h", "XDG_RUNTIME_DIR": str(tmp_path / "run")}, USER).sockets is None


def test_a_runtime_directory_that_is_missing_is_made_if_it_can_be(tmp_path: Path) -> None:
    environ = {"HOME": "/h", "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    assert roots_of(environ, USER).sockets == tmp_path / "run"
    assert roots_of(environ | {"XDG_RUNTIME_DIR": "/proc/1/nowhere/run"}, USER).sockets is None


def test_no_home_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(NoHome, match="XDG_STATE_HOME"):
        roots_of({}, USER)


def test_a_name_has_directories_of_its_own() -> None:
    roots = Roots(Path("/s"), Path("/r"))
    assert (str(roots.state_dir("sales")), str(roots.socket("sales"))) == (
        "/s/hotswapd-sales",
        "/r/hotswapd-sales/control.sock",
    )
    assert roots.socket(DEFAULT_NAME) == roots.socket()


@pytest.mark.parametrize(
    ("name", "good"), [("sales", True), ("a.b_c-1", True), ("", False), ("a/b", False), ("é", False)]
)
def test_what_a_daemon_may_be_called(name: str, good: bool) -> None:
    assert is_name(name) is good
    assert not is_name("a" * 65)


def test_sockets_are_found_in_both_places_by_their_names(tmp_path: Path) -> None:
    """Nothing else is: other programs' directories begin with the same letters."""
    roots = Roots(tmp_path / "s", tmp_path / "r")
    for place in ("s/hotswapd", "r/hotswapd-b", "s/hotswapdish", "r/hotswapd-", "s/hotswapd-c d"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "control.sock").touch()
    (tmp_path / "r" / "hotswapd-none").mkdir()
    assert [(name, path.parent.name) for name, path in roots.found()] == [("b", "hotswapd-b"), ("default", "hotswapd")]
