"""The demo's daemon: the real program in another process, used only as any client may use it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotswapd.daemon.control.client import Client, NoDaemon
from hotswapd.daemon.ledger.states import ENDS, State

_POLL = 0.02
_START_LIMIT = 600.0
_STOP_LIMIT = 60.0
_ENDED = ENDS | {State.LIVE}


class DemoFailed(Exception):
    """The daemon did not do what the demo needs to continue; the sentence says where to look."""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class DemoDaemon:
    """A daemon with its folder of adapters, its state and its log in `room`, and caches that outlive it in `cache`."""

    room: Path
    cache: Path
    base: Path
    base_names: tuple[str, ...]
    compiled: str = "auto"
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """The folder that the daemon watches."""
        return self.room / "adapters"

    @property
    def log(self) -> Path:
        """Where the daemon's log goes."""
        return self.room / "daemon.log"

    @property
    def client(self) -> Client:
        """The control socket."""
        return Client(self.room / "control.sock")

    @property
    def pid(self) -> int:
        """Its process. Raises DemoFailed if there is none."""
        if self._process is None:
            raise DemoFailed("the daemon has not been started")
        return self._process.pid

    def prepare(self) -> None:
        """Make the folder and the configuration."""
        self.folder.mkdir(parents=True)
        self._config.write_text(self._configuration(), encoding="utf-8")

    def start(self, working: Callable[[str], None]) -> float:
        """Start the process, pass what it is doing to `working` until it is ready, and return the seconds it took."""
        began = time.monotonic()
        command = [sys.executable, "-m", "hotswapd.daemon.cli", "run", "--config", str(self._config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=_environment(os.environ, self.cache), start_new_session=True
            )
        self._await_ready(working)
        return time.monotonic() - began

    def status(self) -> dict[str, Any]:
        """Ask what is live. Raises DemoFailed if nobody answers."""
        return dict(self._ask("/status"))

    def history(self) -> list[dict[str, Any]]:
        """Ask what became of each adapter, newest first. Raises DemoFailed if nobody answers."""
        return list(self._ask("/history"))

    def drop_and_wait(self, adapter: Path, reason: str = "") -> tuple[dict[str, Any], float]:
        """Drop an adapter; return its row of the history once something became of it, and the seconds until then."""
        began = time.monotonic()
        row = self.outcome(self.drop(adapter), reason)
        return row, time.monotonic() - began

    def drop(self, adapter: Path) -> str:
        """Copy an adapter into the folder under a temporary name, rename it into place, and return its URI."""
        place = self.folder / adapter.name
        part = self.folder / f".{adapter.name}.part"
        shutil.copytree(adapter, part)
        part.rename(place)
        return place.resolve().as_uri()

    def row(self, swap_id: str) -> dict[str, Any]:
        """Return one swap's row as it is now: the times of its last stages are written after it goes live."""
        return next(row for row in self.history() if row["swap_id"] == swap_id)

    def outcome(self, uri: str, reason: str = "", limit: float = 120.0) -> dict[str, Any]:
        """Wait until an adapter has reached an end, or waits for `reason`, and return its row of the history.

        Raises DemoFailed after `limit` seconds.
        """
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            for row in self.history():
                if row["uri"] == uri and (row["state"] in _ENDED or (reason and row["reason"] == reason)):
                    return row
            time.sleep(_POLL)
        raise DemoFailed(f"{uri} came to no end within {limit:g} s; the daemon's log is {self.log}")

    def kill(self) -> None:
        """End it with SIGKILL, as the kernel does when memory runs out: it cannot tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """Ask it to end and return its exit status; if it does not end, it is killed. Raises DemoFailed then."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"the daemon did not end within {_STOP_LIMIT:g} s; its log is {self.log}") from None
        finally:
            self.kill()

    def _await_ready(self, working: Callable[[str], None]) -> None:
        deadline = time.monotonic() + _START_LIMIT
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise DemoFailed(f"the daemon ended with status {self._process.returncode}; its log is {self.log}")
            try:
                status = self.client.get("/status")
            except NoDaemon:
                status = {}  # it is importing, so its socket does not exist yet
            if status.get("ready"):
                return
            working(str(status.get("phase") or "the daemon is starting"))
            time.sleep(_POLL)
        raise DemoFailed(f"the daemon was not ready within {_START_LIMIT:g} s; its log is {self.log}")

    def _ask(self, path: str) -> Any:
        try:
            return self.client.get(path)
        except NoDaemon as error:
            raise DemoFailed(f"{error}; the daemon's log is {self.log}") from None

    @property
    def _config(self) -> Path:
        return self.room / "hotswapd.toml"

    def _configuration(self) -> str:
        names = ", ".join(json.dumps(name) for name in self.base_names)
        return _CONFIGURATION.format(
            base=json.dumps(str(self.base)),
            compiled=json.dumps(self.compiled) if self.compiled == "auto" else self.compiled,
            folder=json.dumps(str(self.folder)),
            names=names,
            port=self.port,
            state=json.dumps(str(self.room / "state")),
            socket=json.dumps(str(self.room / "control.sock")),
        )


# JSON strings are TOML strings too. The caches are small because the demo's questions are short.
_CONFIGURATION = """\
[model]
base = {base}
dtype = "float32"
max_rank = 16
compile = {compiled}

[[source]]
kind = "local"
name = "demo"
path = {folder}
settle = 0.2
rescan = 5.0

[admission]
base_models = [{names}]

[serve]
port = {port}
context_tokens = 512
cache_tokens = 2048
batch_tokens = 512

[state]
dir = {state}

[control]
socket = {socket}

[log]
format = "json"
"""


def _environment(environ: Mapping[str, str], cache: Path) -> dict[str, str]:
    """Return this environment without the settings of another daemon, and with a compilation cache that is kept.

    Threads that spin while they wait for each other take a minute for a second's work if something else keeps one of
    the few cores busy, as a demo's audience may.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("HOTSWAPD_")}
    own = {"TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"), "HF_HUB_OFFLINE": "1"}
    return {"OMP_WAIT_POLICY": "passive"} | kept | own
