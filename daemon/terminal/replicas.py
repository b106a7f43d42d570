"""A replica of a fleet, as `status` shows it to a person."""

from rich.console import Group, RenderableType
from rich.text import Text

from hotswapd.daemon.replicas import ReplacedStatus, ReplicaStatus, ReplicaTrial

from .words import BAD, BUSY, GOOD, indented, name_of, plain

_SILENT = 3.0
"""Seconds without a report from which that is shown."""


def replica_lines(one: ReplicaStatus) -> RenderableType:
    """Lay out one replica: whether it serves and with what, then what is wrong with it."""
    mark = Text("serves  ", GOOD) if one.get("serving") else Text("starts  ", BUSY)
    numbers = ", ".join(str(number) for number in one.get("answering") or ()) or "the base alone"
    title = Text.assemble(mark, plain(one.get("name")), plain(f"  {numbers}; {_requests(one)}", "dim"))
    silent = one.get("silent") or 0.0
    said = [plain(f"silent for {silent:.0f} s", BAD)] if silent >= _SILENT else []
    said += [plain(f"unfit: {one.get('trouble')}", BAD)] if one.get("trouble") else []
    trial = one.get("trial")
    said += [_trial(trial)] if trial else []
    return Group(title, *(indented(line) for line in said))


def replaced_lines(replaced: ReplacedStatus | None) -> list[RenderableType]:
    """Say which replicas were replaced lately, newest first; nothing if none was."""
    last = () if replaced is None else replaced.get("last") or ()
    return [plain(f"{one.get('name')}, {one.get('at')}: {one.get('code')} {one.get('sentence')}", BAD) for one in last]


def _requests(one: ReplicaStatus) -> str:
    loaded = one.get("loaded") or ()
    berths = sum(generation.get("berth") is not None for generation in loaded)
    return f"{berths} berths in use, {one.get('active') or 0} active, {one.get('waiting') or 0} waiting"


def _trial(trial: ReplicaTrial) -> Text:
    name, answer = name_of(trial.get("uri")), trial.get("answer")
    if answer == "fit":
        return plain(f"found {name} fit", "dim")
    return plain(f"{answer} {name}: {trial.get('code') or ''} {trial.get('sentence') or ''}".rstrip(), BAD)
