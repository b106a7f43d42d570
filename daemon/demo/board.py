"""What the demo shows: a table that grows on a terminal, plain lines anywhere else."""

import time
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from hotswapd.daemon.terminal.words import plain

_COLUMNS = (("", 19), ("generation", 10), ("it answers", None), ("to live", 8), ("pause", 8))


@dataclass(frozen=True, slots=True)
class Scene:
    """One event. `seconds` is from the drop, or the start, until it answers; `pause` is in seconds.

    `refused` is why an adapter was not taken, empty otherwise.
    """

    what: str
    generation: int
    answer: str
    seconds: float | None = None
    pause: float | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that the demo promised, whether it held, and what was seen."""

    text: str
    held: bool
    seen: str = ""


class Board(Protocol):
    """Where the demo prints."""

    def __enter__(self) -> "Board": ...

    def __exit__(self, *_: Any) -> None: ...

    def say(self, sentence: str) -> None:
        """Print an explanation that stays."""

    def working(self, sentence: str) -> None:
        """Show what is being waited for until the next event; a repeated sentence is shown once."""

    def show(self, scene: Scene) -> None:
        """Add an event."""

    def judge(self, claim: Claim) -> None:
        """Add a promise, and whether it held."""


def open_board(console: Console) -> Board:
    """Return a table for a terminal, and lines for anything else."""
    return LiveBoard(console) if console.is_terminal else PlainBoard(console)


class PlainBoard:
    """One line for each event, with the seconds since the demo began."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._working = ""

    def __enter__(self) -> "PlainBoard":
        return self

    def __exit__(self, *_: Any) -> None:
        """Do nothing: there is nothing to close."""

    def say(self, sentence: str) -> None:
        """Print it."""
        self._print(plain(sentence))

    def working(self, sentence: str) -> None:
        """Print it if it is new."""
        if sentence != self._working:
            self._working = sentence
            self._print(plain(f"... {sentence}"))

    def show(self, scene: Scene) -> None:
        """Print it in one line, and the reason of a refusal in another."""
        facts = [f"{scene.what}: generation {scene.generation}"]
        facts += [f"{_seconds(scene.seconds)} to live"] if scene.seconds is not None else []
        facts += [f"pause {_pause(scene.pause)}"] if scene.pause is not None else []
        if scene.refused:
            self._print(plain(f"{scene.what}: not taken. {scene.refused}"))
            facts[0] = f"still generation {scene.generation}"
        self._print(plain(f"{', '.join(facts)}; it answers: {scene.answer}"))

    def judge(self, claim: Claim) -> None:
        """Print it."""
        self._print(claim_line(claim))

    def _print(self, text: Text) -> None:
        clock = Text(f"{time.monotonic() - self._began:6.1f} s  ")
        self._console.print(clock + text, soft_wrap=True)


class LiveBoard:
    """A table that grows, with a line below it that shows what is under way; the verdicts come last.

    Only the last line is ever redrawn, so that a small terminal can scroll.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("dots")
        self._live = Live(console=console, refresh_per_second=10, transient=True)
        self._rows = 0
        self._claims: list[Claim] = []

    def __enter__(self) -> "LiveBoard":
        self._live.__enter__()
        return self

    def __exit__(self, *how: Any) -> None:
        """Leave the table and the verdicts on the screen."""
        self._live.__exit__(*how)
        self._console.print("", *map(claim_line, self._claims), sep="\n")

    def say(self, sentence: str) -> None:
        """Print it above the table."""
        self._console.print(plain(sentence))

    def working(self, sentence: str) -> None:
        """Show it beside the spinner."""
        self._spinner.update(text=plain(f" {sentence}", "dim"))
        self._live.update(self._spinner)

    def show(self, scene: Scene) -> None:
        """Add a row."""
        self._live.update(Text(""))
        self._console.print(scene_row(scene, header=self._rows == 0))
        self._rows += 1

    def judge(self, claim: Claim) -> None:
        """Keep it until the end."""
        self._claims.append(claim)


def scene_row(scene: Scene, *, header: bool) -> Table:
    """Lay out one row, as wide as the screen, so that rows printed one after the other are one table."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_header=header, expand=True)
    for title, width in _COLUMNS:
        table.add_column(title, width=width, ratio=None if width else 1, overflow="fold")
    answer = plain(scene.answer, "dim" if scene.refused else "")
    if scene.refused:
        answer = Text.assemble(plain(scene.refused, "red"), "\nStill: ", answer)
    what = plain(scene.what, "red" if scene.refused else "green")
    table.add_row(what, str(scene.generation), answer, _seconds(scene.seconds), _pause(scene.pause))
    return table


def claim_line(claim: Claim) -> Text:
    """Lay out a promise, and whether it held."""
    mark = Text("held    ", "green") if claim.held else Text("NOT HELD", "bold red")
    seen = f" ({claim.seen})" if claim.seen else ""
    return Text.assemble(mark, "  ", plain(claim.text), plain(seen, "dim"))


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _pause(value: float | None) -> str:
    return "" if value is None else f"{value * 1000:.2f} ms"
