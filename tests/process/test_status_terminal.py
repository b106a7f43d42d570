"""What `hotswapd status` and `history` look like on a terminal: colours, NO_COLOR, and its width."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import front
from kits.terminals import Terminal, on_a_terminal

COLOUR = re.compile(r"\x1b\[(?:\d;)?3\dm")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with front(FakeFace(), tmp_path_factory.mktemp("terminal")) as made:
        yield str(made.socket)


def shown(command: str, daemon: str, directory: Path, columns: int = 100, **environ: str) -> Terminal:
    """Run a command to its end on a terminal of so many columns."""
    with on_a_terminal([command, "--socket", daemon], directory, columns, environ) as terminal:
        assert terminal.ends() == 0
    return terminal


@pytest.mark.parametrize("command", ["status", "history"])
def test_a_terminal_has_colours_and_a_user_can_say_no(command: str, daemon: str, tmp_path: Path) -> None:
    """As no-color.org describes it, also with a value that says nothing."""
    assert COLOUR.search(shown(command, daemon, tmp_path).raw)
    plain = shown(command, daemon, tmp_path, NO_COLOR="1")
    assert not COLOUR.search(plain.raw)
    assert "run-7" in plain.raw


@pytest.mark.parametrize("columns", [50, 80, 160])
@pytest.mark.parametrize("command", ["status", "history"])
def test_no_line_is_wider_than_the_terminal(command: str, columns: int, daemon: str, tmp_path: Path) -> None:
    """What is longer is folded: nothing is cut off."""
    terminal = shown(command, daemon, tmp_path, columns)
    assert max(map(len, terminal.lines)) <= columns
    assert "file:///srv/adapters/run-7" in "".join(line.strip() for line in terminal.lines)
