"""``make mutants``: changes the code in small ways, one at a time, and prints which changes no test notices.

The same seed draws the same changes of the same code. Each runs in a copy of the tree, in a fork of a process that has
imported the libraries, against the tests nearest to the changed file, until one fails or its time is over. Tests that
failed are run once more on the unchanged code: what fails there too proves nothing, and such changes are listed apart.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

from kits.mutant_tests import stages
from kits.mutations import Mutation, mutations, sample

ROOT = Path(__file__).parents[2]
_CODE = ("daemon", "loaders", "swap")
_LEFT_OUT = ("daemon/bench", "daemon/demo", "daemon/host/failpoints.py")
_COPIED = (*_CODE, "src", "tests", "docs", "systemd", "pyproject.toml", "README.md", "Makefile", "CHANGELOG.md")
_TIME_OVER = "(its time was over: give it more with --seconds)"
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(slots=True)
class Result:
    """What became of one change: ``killed`` by a test, ``survived``, or ``doubtful``, as `by` fails without it too."""

    mutation: Mutation
    outcome: str
    by: str = ""
    seconds: float = 0.0


def main() -> int:
    asked = _arguments()
    drawn = sample(_all_mutations(ROOT, asked.only), asked.count, asked.seed)
    print(
        f"{len(drawn)} changes, seed {asked.seed}, {asked.seconds} s each at most, {asked.jobs} at a time", flush=True
    )
    end = time.monotonic() + 60 * asked.minutes
    with tempfile.TemporaryDirectory(prefix="hotswapd-mutants-") as directory:
        results = _run_all(Path(directory), drawn, asked, end)
        _doubt(Path(directory) / "0", results)
    _report(results, len(drawn))
    _write(results, asked)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("count", type=int, nargs="?", default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=55.0, help="for each change")
    parser.add_argument("--minutes", type=float, default=30.0, help="for all of them")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2)))
    parser.add_argument("--only", default="", help="files whose path contains this")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutants.json")
    return parser.parse_args()


def _all_mutations(root: Path, only: str) -> list[Mutation]:
    found: list[Mutation] = []
    for top in _CODE:
        for path in sorted((root / top).rglob("*.py")):
            name = path.relative_to(root)
            if only in str(name) and not str(name).startswith(_LEFT_OUT):
                found += mutations(name, path.read_text())
    return found


def _run_all(directory: Path, drawn: Sequence[Mutation], asked: argparse.Namespace, end: float) -> list[Result]:
    """Try every change, each on a copy of the tree that no other one uses meanwhile; stop when the time is over."""
    copies: SimpleQueue[Path] = SimpleQueue()
    for number in range(asked.jobs):
        copies.put(_copy(directory / str(number)))

    def attempt(mutation: Mutation) -> Result | None:
        if time.monotonic() > end:
            return None
        copy = copies.get()
        try:
            result = _try(copy, mutation, asked.seconds)
        finally:
            copies.put(copy)
        print(f"{result.outcome:9}{result.seconds:5.0f} s  {mutation}  {result.by}", flush=True)
        return result

    with ThreadPoolExecutor(asked.jobs) as pool:
        return [result for result in pool.map(attempt, drawn) if result is not None]


def _copy(place: Path) -> Path:
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place / name)
    return place


def _try(copy: Path, mutation: Mutation, seconds: float) -> Result:
    """Run the tests nearest to the file until one fails; a run that hangs in the change is a failure too."""
    original = (copy / mutation.file).read_bytes()
    began = time.monotonic()
    mutation.apply(copy)
    try:
        for tests in stages(copy, mutation.file):
            left = seconds - (time.monotonic() - began)
            if left <= 1:
                break
            failed = run_tests(copy, tests, left)
            if failed:
                return Result(mutation, "killed", failed, time.monotonic() - began)
    finally:
        mutation.undo(copy, original)
    took = time.monotonic() - began
    return Result(mutation, "survived", _TIME_OVER if took >= seconds - 1 else "", took)


def run_tests(copy: Path, tests: Sequence[Path | str], seconds: float) -> str:
    """Return the first test that fails, or nothing if none fails in this time."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header"]
    paths = os.pathsep.join(str(copy / part) for part in ("src", "tests"))
    environ = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(
        [*command, "--timeout", "30", *map(str, tests)],
        cwd=copy,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = run.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _end(run)
        return ""
    if run.returncode in (0, 5):  # 5: no test was collected
        return ""
    found = _FAILED.search(said)
    return found[1] if found else f"exit {run.returncode}: {(said.strip().splitlines() or [''])[-1][:100]}"


def _end(run: "subprocess.Popen[str]") -> None:
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


def _doubt(copy: Path, results: Sequence[Result]) -> None:
    """Run what failed once more on the unchanged code."""
    named = sorted({result.by for result in results if result.outcome == "killed" and "::" in result.by})
    wrong: set[str] = set()
    while named and (failed := run_tests(copy, named, 300.0)):
        wrong.add(failed)
        if failed not in named:
            break
        named.remove(failed)
    for result in results:
        if result.by in wrong:
            result.outcome = "doubtful"


def _report(results: Sequence[Result], wanted: int) -> None:
    counts = {name: sum(one.outcome == name for one in results) for name in ("killed", "survived", "doubtful")}
    print(f"\n{counts} of {len(results)} that were tried ({wanted} were drawn)")
    decided = counts["killed"] + counts["survived"]
    print(f"killed: {counts['killed'] / decided:.0%}" if decided else "nothing was decided")
    for result in results:
        if result.outcome != "killed":
            print(f"{result.outcome}: {result.mutation}  {result.by}")


def _write(results: Sequence[Result], asked: argparse.Namespace) -> None:
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(result) | {"mutation": str(result.mutation)} for result in results]
    asked.out.write_text(json.dumps({"seed": asked.seed, "results": rows}, indent=1, default=str) + "\n")


if __name__ == "__main__":
    sys.exit(main())
