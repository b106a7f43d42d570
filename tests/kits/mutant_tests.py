"""Which test files to run against a changed file: those of its name first, then who imports it, then of its folder."""

import re
from collections.abc import Iterator
from pathlib import Path

_NOT_THESE = ("gpu", "proof", "systemd", "process", "runs", "trained", "kits")
_LOCKS = Path("tests", "test_locks.py")
_A_LOCK = re.compile(r"with self\._|Lock\(|Condition\(")
_BY_THE_PROCESS = {
    "service": ("daemon/service/test_states.py", "process/test_restart.py"),
    "control": ("process/test_restart.py", "process/test_ab.py"),
    "live": ("process/test_watch.py", "process/test_restart.py"),
    "rollout": ("process/test_canary.py",),
    "host": ("daemon/service/test_notes.py", "process/test_output.py", "process/test_control_socket.py"),
    "serve": ("process/test_restart.py",),
    "pipeline": ("process/test_restart.py",),
    "engines": ("process/test_restart.py",),
    "commands": ("process/test_run_errors.py",),
}


def stages(root: Path, file: Path) -> Iterator[list[Path]]:
    """Yield lists of test files, relative to `root`, the nearest to the file first; no file comes twice."""
    seen: set[Path] = set()
    for stage in (
        _of_its_name(root, file),
        _of_its_locks(root, file),
        _importing(root, file),
        _of_its_folder(root, file),
        _by_process(root, file),
    ):
        fresh = [one for one in sorted(stage) if one not in seen]
        seen.update(fresh)
        if fresh:
            yield fresh


def _of_its_name(root: Path, file: Path) -> list[Path]:
    folder = root / "tests" / file.parent
    return [one.relative_to(root) for one in folder.glob(f"test_{file.stem}*.py")]


def _of_its_locks(root: Path, file: Path) -> list[Path]:
    """Return the one test that reads all code for locks, if this file has any, or had: the only one may be removed."""
    return [_LOCKS] if _A_LOCK.search((root / file).read_text()) else []


def _of_its_folder(root: Path, file: Path) -> list[Path]:
    return [one.relative_to(root) for one in (root / "tests" / file.parent).glob("test_*.py")]


def _importing(root: Path, file: Path) -> list[Path]:
    module = "hotswapd." + ".".join(file.with_suffix("").parts)
    name = re.compile(rf"{re.escape(module)}\b")
    return [one for one in _all(root) if name.search((root / one).read_text())]


def _by_process(root: Path, file: Path) -> list[Path]:
    names = _BY_THE_PROCESS.get(file.parts[1] if len(file.parts) > 2 else "", ())
    return [Path("tests", name) for name in names if (root / "tests" / name).exists()]


def _all(root: Path) -> Iterator[Path]:
    for one in (root / "tests").rglob("test_*.py"):
        relative = one.relative_to(root)
        if relative.parts[1] not in _NOT_THESE:
            yield relative
