"""So many mutants through the target, each of them that is taken past the independent checker, and what came out."""

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis

from .fuzz_mutants import Pair, mutant, seeds
from .fuzz_strategies import mutants
from .fuzz_target import Meaning, Target, discard, keep, make_target

CHECKER = Path(__file__).parents[1] / "runs" / "fuzz_checker.py"
HANG = 120.0
"""Seconds for one batch, after which the checker is killed, and what it was at counts as bad."""
_BATCH = 32


@dataclass(slots=True)
class Judge:
    """The checker's process. It works at one batch while the next one is gathered."""

    base: Path
    process: "subprocess.Popen[str] | None" = None
    _batch: list[tuple[Path, Meaning]] = field(default_factory=list)
    _asked: list[tuple[Path, Meaning]] = field(default_factory=list)

    def submit(self, place: Path, meaning: Meaning) -> list[tuple[Path, str]]:
        """Add one; returns those of an earlier batch that were called bad, with the reason."""
        self._batch.append((place, meaning))
        return self.flush() if len(self._batch) >= _BATCH else []

    def flush(self) -> list[tuple[Path, str]]:
        """Take the answers that are due, and hand over what was gathered."""
        bad = self._answers()
        self._asked, self._batch = self._batch, []
        process = self._running()
        assert process.stdin is not None
        lines = [json.dumps({"adapter": str(place), "meaning": meaning}) for place, meaning in self._asked]
        # A batch is read while it is written, since a pipe may hold less than one.
        threading.Thread(target=_write, args=(process.stdin, lines)).start()
        return bad

    def drain(self) -> list[tuple[Path, str]]:
        """Wait for all that is left."""
        return [*self.flush(), *self._answers()]

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def _running(self) -> "subprocess.Popen[str]":
        if self.process is None:
            environ = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
            self.process = subprocess.Popen(
                [sys.executable, str(CHECKER), str(self.base)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environ,
            )
        return self.process

    def _answers(self) -> list[tuple[Path, str]]:
        bad = []
        for place, _ in self._asked:
            why = self._next()
            if why is None:
                discard(place)
            else:
                bad.append((place, why))
        self._asked = []
        return bad

    def _next(self) -> str | None:
        process = self._running()
        assert process.stdout is not None
        watch = threading.Timer(HANG, process.kill)
        watch.start()
        line = process.stdout.readline()
        watch.cancel()
        if not line:
            self.process = None  # those that come after it in its batch are called bad as well: nobody looked at them
            return "the checker died or hung"
        bad: str | None = json.loads(line)["bad"]
        return bad


def _write(pipe: Any, lines: list[str]) -> None:
    try:
        for line in lines:
            pipe.write(line + "\n")
        pipe.flush()
    except BrokenPipeError:
        return  # it died, which is seen when its answer is missing


@dataclass(slots=True)
class Campaign:
    """What so many mutants came to. `crashes` and `bad` name where each one was kept, and why."""

    target: Target
    judge: Judge
    kept: Path
    crashes: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def meet(self, pair: Pair) -> None:
        try:
            taken = self.target.meet(pair)
        except BaseException as error:
            place = self.kept / f"crash-{len(self.crashes)}"
            keep(pair, place)
            told = traceback.format_exception_only(error)[-1].strip()
            self.crashes.append(f"{place}: {told[:300]} at {traceback.extract_tb(error.__traceback__)[-1]}")
            self.target.codes["crash"] += 1
            if isinstance(error, KeyboardInterrupt):
                raise
            return
        if taken is not None:
            self._blame(self.judge.submit(*taken))

    def end(self) -> None:
        """Wait until every answer has come."""
        self._blame(self.judge.drain())

    def _blame(self, found: list[tuple[Path, str]]) -> None:
        for place, why in found:
            kept = self.kept / f"bad-{len(self.bad)}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            place.rename(kept)
            self.bad.append(f"{kept}: {why}")


@contextmanager
def opened(room: Path) -> Iterator[tuple[Campaign, list[Pair]]]:
    """Make base, adapters and checker."""
    target = make_target(room)
    judge = Judge(target.base)
    try:
        yield Campaign(target, judge, room / "kept"), seeds(target.base, room)
    finally:
        judge.close()


def by_bytes(campaign: Campaign, pairs: list[Pair], count: int, seed: int) -> None:
    """Meet so many mutants of the bytes."""
    chance = random.Random(seed)
    for _ in itertools.repeat(None, count):
        campaign.meet(mutant(pairs, chance))


def by_structure(campaign: Campaign, pairs: list[Pair], count: int, seed: int) -> None:
    """Meet so many mutants that hypothesis makes."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(mutants(pairs))
    def meet(pair: Pair) -> None:
        campaign.meet(pair)

    meet()
