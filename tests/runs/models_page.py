"""Writes docs/models.md: which families are served, how exactly, and why the others are not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_HEAD = """\
# Models

`make models` builds each family that transformers loads as a causal language model, or as one that also sees or
hears, small and with random weights, from its configuration class alone. It serves it on a CPU in float32, makes an
adapter on every slot live, and compares the bare base and the adapter with a fresh PEFT load: the tokens that are
answered must be equal, and every logit and log-probability within 1e-4, or that share of the largest logit if that is
above 1.

{when}: of {count} families that could be built small, {served} are served and
{refused} are refused: by `hotswapd check` and `hotswapd run` alike, but where no loop can serve it only by `run`,
which tries that with the weights. A family that is not listed could not be built from a few numbers, which says nothing
of it.

Slots are all Linear and Conv1D modules of the language model but the output embedding. Of a model that also sees or
hears, the language model is served for text. Fused experts have no slots, nor has what PEFT makes no layer for. Where
the last column says so, the family is served one request at a time, with the model's own cache.
"""
_SERVED = """
## Served

| family | class | slots | largest difference | |
| --- | --- | --- | --- | --- |
"""
_REFUSED = """
## Not served

| family | why |
| --- | --- |
"""
_WHERE = re.compile(r" See https?://\S+( for installation)?\.?")
"""Where libraries say that a package is to be had: the page names no registry."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of a family: `outcome` is served, wrong, refused, failed or not built, `why` says why not.

    `difference` is the largest of a logit, `plain` why its requests are computed one at a time.
    """

    family: str
    outcome: str = ""
    why: str = ""
    kind: str = ""
    slots: int = 0
    difference: float = 0.0
    plain: str = ""


def write_page(path: Path, lines: Sequence[Line]) -> None:
    """Write the page; what could not be built is not on it."""
    served = [line for line in lines if line.outcome in {"served", "wrong"}]
    refused = [line for line in lines if line.outcome in {"refused", "failed"}]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    when = f"On {datetime.now(UTC):%Y-%m-%d} with {versions}"
    text = _HEAD.format(when=when, count=len(served) + len(refused), served=len(served), refused=len(refused))
    text += _SERVED + "".join(map(_served, served)) + _REFUSED + "".join(map(_refused, refused))
    path.write_text(text, encoding="utf-8")


def _served(line: Line) -> str:
    note = f"one request at a time: {line.plain}" if line.plain else ""
    difference = "other tokens" if line.difference == float("inf") else f"{line.difference:.0e}"
    return f"| {line.family} | {line.kind} | {line.slots} | {difference} | {note} |\n"


def _refused(line: Line) -> str:
    why = line.why.partition("cannot be served: ")[2] or line.why.removeprefix("model.base: ")
    why = _WHERE.sub("", why.partition("; ")[0].removeprefix(f"{line.family} "))
    return f"| {line.family} | {why} |\n"
