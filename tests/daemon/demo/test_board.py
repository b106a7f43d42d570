"""What the demo shows, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from hotswapd.daemon.demo.board import Claim, LiveBoard, PlainBoard, Scene, open_board

DROPPED = Scene("pirate dropped", 1, "Arr! [bold]Paris[/bold]", 0.75, 0.0004)
REFUSED = Scene("diverged dropped", 1, "Arr!", refused="REJECTED: non_finite: a weight is NaN")


def plain_lines(*scenes: Scene | Claim) -> list[str]:
    out = io.StringIO()
    with PlainBoard(Console(file=out, width=200)) as board:
        for scene in scenes:
            board.show(scene) if isinstance(scene, Scene) else board.judge(scene)
    return out.getvalue().splitlines()


def test_a_pipe_gets_one_line_for_each_event() -> None:
    """A line has generation, times and answer, and brackets in an answer are not markup."""
    (line,) = plain_lines(DROPPED)
    assert "pirate dropped: generation 1, 0.75 s to live, pause 0.40 ms; it answers: Arr! [bold]Paris[/bold]" in line


def test_a_refusal_says_why_and_what_still_answers() -> None:
    """A refused adapter takes two lines: the reason, and what is live."""
    why, still = plain_lines(REFUSED)
    assert "diverged dropped: not taken. REJECTED: non_finite: a weight is NaN" in why
    assert "still generation 1; it answers: Arr!" in still


def test_what_is_waited_for_is_said_once() -> None:
    """Start-up asks fifty times a second what the daemon is at."""
    out = io.StringIO()
    board = PlainBoard(Console(file=out))
    for sentence in ("loading", "loading", "warming up", "warming up"):
        board.working(sentence)
    assert [line.split("... ")[1] for line in out.getvalue().splitlines()] == ["loading", "warming up"]


def test_a_broken_promise_is_told_apart_without_colour() -> None:
    """Whether a promise held is a word, not only a colour."""
    held, broken = plain_lines(Claim("nothing was recompiled", True), Claim("it is live", False, "the base answers"))
    assert "NOT" not in held
    assert "NOT HELD  it is live (the base answers)" in broken


def test_a_terminal_gets_a_table_that_grows() -> None:
    """Every row, reason and verdict is on the screen in the end."""
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, legacy_windows=False)
    with LiveBoard(console) as board:
        board.say("An introduction.")
        for scene in (DROPPED, REFUSED):
            board.show(scene)
        board.judge(Claim("nothing was recompiled", True))
    for text in ("An introduction.", "0.75 s", "0.40 ms", "non_finite", "nothing was recompiled"):
        assert text in out.getvalue()


def test_only_one_line_of_a_terminal_is_drawn_again() -> None:
    """A table higher than the screen would leave its torn upper part at each redrawing; rows are printed once."""
    out = io.StringIO()
    with LiveBoard(Console(file=out, width=100, height=5, force_terminal=True, legacy_windows=False)) as board:
        for number in range(12):
            board.working(f"waiting for {number}")
            board.show(Scene(f"scene {number}", number, "an answer"))
    text = out.getvalue()
    assert [text.count(f"scene {number} ") for number in range(12)] == [1] * 12
    assert text.count("it answers") == 1


@pytest.mark.parametrize(("terminal", "kind"), [(True, LiveBoard), (False, PlainBoard)])
def test_the_board_is_chosen_by_the_output(terminal: bool, kind: type) -> None:
    """A pipe or a log gets no cursor movements."""
    assert isinstance(open_board(Console(file=io.StringIO(), force_terminal=terminal)), kind)
