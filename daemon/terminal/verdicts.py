"""What the gates of one swap found, in lines under it: those that complained, or all of them if asked for."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from hotswapd.daemon.answers import HistoryRow, VerdictRecord
from hotswapd.swap.gates.spec import Verdict

from .words import plain, table_of

_COLOURS = {"passed": "green", "warned": "yellow", "failed": "red"}


def verdict_lines(row: HistoryRow, *, every: bool = False) -> Iterator[Text]:
    """Yield a line for each verdict of a row of ``GET /history`` that did not pass, or for `every` verdict.

    The row's own reason already tells why a gate failed; why a gate warned stands nowhere else.
    """
    for verdict in row.get("verify") or ():
        if every or verdict.get("outcome") != "passed":
            yield _line(verdict, row.get("reason"))


def _line(verdict: VerdictRecord, told: str | None) -> Text:
    outcome = str(verdict.get("outcome"))
    line = Text.assemble(plain(f"{verdict.get('gate')} "), plain(outcome, _COLOURS.get(outcome, "")))
    code = verdict.get("code")
    if code and code != told:
        line.append(plain(f", {code}: {verdict.get('sentence')}"))
    numbers = ", ".join(f"{name} {_number(value)}" for name, value in (verdict.get("numbers") or {}).items())
    return line.append(plain(f"; {numbers}", "dim")) if numbers else line


def _number(value: float | None) -> str:
    """Show a number; JSON has no infinity, so null stands for one that is not finite."""
    return "not finite" if value is None else f"{value:.4g}"


def verdict_table(verdicts: Sequence[Verdict]) -> RenderableType:
    """Lay out what each gate found."""
    table = table_of("gate", "outcome", "why", "numbers")
    for verdict in verdicts:
        numbers = ", ".join(f"{name} {number:.4g}" for name, number in verdict.numbers.items())
        why = f"{verdict.code}: {verdict.sentence}" if verdict.code else ""
        outcome = plain(verdict.outcome.value, _COLOURS[verdict.outcome.value])
        table.add_row(plain(verdict.gate), outcome, plain(why), plain(numbers))
    return table
