"""The external judge: a program that asks the candidate what it likes; its exit code is the verdict."""

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hotswapd.daemon.config.verify import Command
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.loaders.errors import Unavailable
from hotswapd.swap.berths.image import Image
from hotswapd.swap.engine import Engine
from hotswapd.swap.gates.spec import Outcome, Progress, Verdict
from hotswapd.swap.gates.turns import Surroundings

from . import judge_guard as verify_guard
from .judge_server import CandidateServer

GATE = "command"
_POLL = 0.05
"""Seconds between two checks whether the program has ended."""
_ALWAYS = ("PATH", "HOME", "LANG", "TMPDIR")
_KEPT, _SHOWN = 4096, 300
"""Bytes of its output that are kept, and characters of the last line that a sentence quotes."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Runs [verify.command] against a candidate. For the worker's thread."""

    command: Command
    engine: Engine
    model: str
    around: Surroundings

    def verdict(self, image: Image, uri: str, directory: Path) -> Verdict:
        """Let the program judge the candidate, whose files are in `directory`.

        Raises Unavailable if the program cannot be started, and Interrupted. However
        this ends, even if the daemon is killed, the program and everything it started are killed.
        """
        self.around.on_progress(Progress(GATE))
        key = secrets.token_urlsafe(32)
        with self.engine.rows.lend(image), CandidateServer(self.engine, self.model, key) as server:
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
        began = self.around.clock()
        with _started(self.command.argv, environment) as (process, tail):
            while (code := _exit_code(process)) is None and self.around.clock() - began < self.command.timeout:
                self.around.rest(_POLL)
        numbers = {"seconds": self.around.clock() - began} | ({} if code is None else {"exit_code": float(code)})
        return _judge(code, self.command, tail.text(), numbers)


def _judge(code: int | None, command: Command, said: str, numbers: dict[str, float]) -> Verdict:
    if code == 0:
        return Verdict(GATE, numbers=numbers)
    last = f"; its last line: {said!r}" if said else ""
    program = command.argv[0]
    if code is None:
        sentence = (
            f"{program} took longer than verify.command.timeout = {command.timeout:g} s and was killed{last}; "
            "raise it, or let the program do less"
        )
        return Verdict(GATE, Outcome.FAILED, Reason.JUDGE_TIMEOUT, sentence, numbers)
    how = f"said no with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    return Verdict(GATE, Outcome.FAILED, Reason.JUDGE_REFUSED, f"{program} {how}{last}; ask it why", numbers)


@contextmanager
def _started(argv: tuple[str, ...], environment: dict[str, str]) -> Iterator[tuple["subprocess.Popen[bytes]", "_Tail"]]:
    """Start the program in its own process group; at the end, kill the whole group."""
    process, wrong = _guarded(argv, environment)
    assert process.stdout is not None
    tail = _Tail(process.stdout)
    try:
        if wrong:
            why = f"verify.command cannot be started: {argv[0]}: {wrong}; fix it, or remove the table"
            raise Unavailable(Reason.JUDGE_MISSING, why)
        yield process, tail
    finally:
        _kill_group(process)
        tail.close()


def _guarded(argv: tuple[str, ...], environment: dict[str, str]) -> tuple["subprocess.Popen[bytes]", str]:
    """Start the program under its guard; return the guard, and why the program could not be started, if so."""
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
    """Return its exit code once it has ended, without reaping it: so the number of its group is not reused."""
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill everything that is still in its process group, even if it has ended itself."""
    with suppress(PermissionError):  # what is left in it belongs to another user
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


class _Tail:
    """Reads a program's output, so that it never blocks, and keeps the end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept = b""
        self._thread = threading.Thread(target=self._read, name="judge output", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the end of the output, at most a second."""
        self._thread.join(1.0)

    def text(self) -> str:
        """Return the last line, cut to fit into a sentence."""
        lines = self._kept.decode(errors="replace").strip().splitlines()
        return lines[-1][-_SHOWN:] if lines else ""

    def _read(self) -> None:
        with self._pipe:
            while piece := os.read(self._pipe.fileno(), _KEPT):
                self._kept = (self._kept + piece)[-_KEPT:]
