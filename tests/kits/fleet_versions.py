"""This program as a later version of it may be: each message has a field more, and says that it is of that version."""

import ast
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hotswapd
from kits.fleet_http import Deployed, deployed_noting
from kits.fleet_load import REPLICAS
from kits.rows import home

_WIRE = Path("daemon/fleet/wire.py")
_MESSAGES = {
    Path("daemon/fleet/orders.py"): {"Orders", "Report", "Trial"},
    Path("daemon/fleet/keeping.py"): {"UnderWay"},
    Path("daemon/fleet/beside.py"): {"Told"},
    Path("daemon/fleet/serving/piece.py"): {"Piece", "Wanted", "Described"},
}
_MORE = "    later: int = 7\n"
_REPLICA = Path("daemon/fleet/serving/replica.py")
_RAN = "ran"
_SAYS_SO = f"\nPath(__file__).with_name({_RAN!r}).touch()\n"


def later_version(room: Path, least: int = 1) -> Path:
    """Write it below a directory that has nothing of it yet; return the directory to import it from.

    It speaks version 2 and reads what was written by `least` and later: with 2 it and this version are strangers.
    """
    package = room / "hotswapd"
    shutil.copytree(Path(hotswapd.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, names in _MESSAGES.items():
        _add_field(package / path, names)
    wire = (package / _WIRE).read_text()
    later = wire.replace("\nVERSION = 1\nLEAST = 1\n", f"\nVERSION = 2\nLEAST = {least}\n")
    assert later != wire
    (package / _WIRE).write_text(later)
    with (package / _REPLICA).open("a") as file:
        file.write(_SAYS_SO)
    return room


@contextmanager
def deployed_beside(room: Path) -> Iterator[Deployed]:
    """Deploy a fleet on two nodes, the second of which has the version that was written there."""
    kits = os.environ.get("PYTHONPATH", "")
    with deployed_noting(home() / "base", REPLICAS, second={"PYTHONPATH": f"{room}:{kits}"}) as made:
        yield made


def has_run(room: Path) -> bool:
    """Tell whether some replica is of the version that was written there: its module leaves a file."""
    return (room / "hotswapd" / _REPLICA).with_name(_RAN).exists()


def _add_field(path: Path, names: set[str]) -> None:
    """Let each of these dataclasses have one field more, the last one."""
    lines = path.read_text().splitlines(keepends=True)
    classes = [node for node in ast.parse("".join(lines)).body if isinstance(node, ast.ClassDef) and node.name in names]
    assert {node.name for node in classes} == names
    for node in reversed(classes):
        last = max(field.end_lineno or 0 for field in node.body if isinstance(field, ast.AnnAssign))
        lines.insert(last, _MORE)
    path.write_text("".join(lines))
