"""The external judge: a program that asks the candidate whatever it likes, and says yes or no with its exit code."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hotswapd.daemon.config.verify import Command
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.arena.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.gates.spec import Outcome, Progress, Verdict
from hotswapd.swap.gates.turns import Surroundings

from . import judge_guard as verify_guard
from .judge_server import CandidateServer

GATE = "command"
_LOOK = 0.05
_ALWAYS = ("PATH", "HOME", "LANG", "TMPDIR")
_KEPT, _SHOWN = 4096, 300


@dataclass(frozen=True, slots=True)
class Judge:
    """Runs [verify.command] against a candidate. For the worker's thread."""

    command: Command
    engine: Engine
    model: str
    around: Surroundings

    def verdict(self, image: Image, uri: str, directory: Path) -> Verdict:
        """Let the program judge the candidate, whose files are in `directory`.

        Raises NoLane when every lane is busy, Unavailable when the program cannot be started, and Interrupted; however
        this ends, and when the daemon is killed too, the program and all that it started are gone.
        """
        self.around.on_progress(Progress(GATE))
        key = secrets.token_urlsafe(32)
        with self.engine.lanes.lend(image), CandidateServer(self.engine, self.model, key) as server:
            environment = self._environment() | {
                "HOTSWAPD_JUDGE_URL": server.url,
                "HOTSWAPD_JUDGE_KEY": key,
                "HOTSWAPD_JUDGE_MODEL": self.model,
                "HOTSWAPD_CANDIDATE_URI": uri,
                "HOTSWAPD_CANDIDATE_DIGEST": image.digest,
                "HOTSWAPD_CANDIDATE_DIR": str(directory),
                "OPENAI_BASE_URL": server.url,
                "OPENAI_API_KEY": key,
            }
            return self._ask(environment)

    def _environment(self) -> dict[str, str]:
        names = (*_ALWAYS, *self.command.pass_env)
        return {name: os.environ[name] for name in names if name in os.environ}

    def _ask(self, environment: dict[str, str]) -> Verdict:
        began = time.monotonic()
        with _started(self.command.argv, environment) as (process, tail):
            while (code := _exit_code(process)) is None and time.monotonic() - began < self.command.timeout:
                self.around.rest(_LOOK)
        numbers = {"seconds": time.monotonic() - began} | ({} if code is None else {"exit_code": float(code)})
        return _judge(code, self.command, tail.text(), numbers)


def _judge(code: int | None, command: Command, said: str, numbers: dict[str, float]) -> Verdict:
    if code == 0:
        return Verdict(GATE, numbers=numbers)
    last = f"; the last that it said: {said!r}" if said else ""
    program = command.argv[0]
    if code is None:
        sentence = (
            f"{program} took longer than verify.command.timeout = {command.timeout:g} s and was killed{last}; "
            "raise it, or let the program ask less"
        )
        return Verdict(GATE, Outcome.FAILED, "judge_timeout", sentence, numbers)
    how = f"said no with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    return Verdict(GATE, Outcome.FAILED, "judge_refused", f"{program} {how}{last}; ask it why", numbers)


@contextmanager
def _started(argv: tuple[str, ...], environment: dict[str, str]) -> Iterator[tuple["subprocess.Popen[bytes]", "_Tail"]]:
    """Start the program in a process group of its own; at the end everything in that group is killed."""
    process, wrong = _guarded(argv, environment)
    assert process.stdout is not None
    tail = _Tail(process.stdout)
    try:
        if wrong:
            why = f"verify.command cannot be started: {argv[0]}: {wrong}; mend it, or remove the table"
            raise Unavailable(Reason.JUDGE_MISSING, why)
        yield process, tail
    finally:
        _kill_group(process)
        tail.close()


def _guarded(argv: tuple[str, ...], environment: dict[str, str]) -> tuple["subprocess.Popen[bytes]", str]:
    """Start the program's guard, and return it with what kept the program itself from starting."""
    told, report = os.pipe()
    with os.fdopen(told, "rb") as answer:
        try:
            process = subprocess.Popen(
                (sys.executable, "-I", "-S", verify_guard.__file__, str(report), *argv),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(report,),
                start_new_session=True,
            )
        finally:
            os.close(report)
        number = answer.read()
    return process, os.strerror(int(number)) if number else ""


def _exit_code(process: "subprocess.Popen[bytes]") -> int | None:
    """Look whether it has ended, without taking note of it: until somebody does, its group's number is not reused."""
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill all that it started and that is still in its group, also when it has ended itself."""
    with suppress(PermissionError):  # those who are left belong to somebody else
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


class _Tail:
    """Reads what a program says, so that it never waits for us, and keeps the end of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept = b""
        self._thread = threading.Thread(target=self._read, name="judge output", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the end of what it says."""
        self._thread.join(1.0)

    def text(self) -> str:
        """Return the last line, cut to what fits into a sentence."""
        lines = self._kept.decode(errors="replace").strip().splitlines()
        return lines[-1][-_SHOWN:] if lines else ""

    def _read(self) -> None:
        with self._pipe:
            while piece := os.read(self._pipe.fileno(), _KEPT):
                self._kept = (self._kept + piece)[-_KEPT:]
