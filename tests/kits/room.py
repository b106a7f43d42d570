"""The real daemon as a process, with a notify socket of ours in place of the service manager's."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

from hotswapd.daemon.control.client import Client, NoDaemon
from hotswapd.daemon.ledger.states import ENDS, State
from kits.adapters import BAD, make_adapter
from kits.folders import WEIGHTS
from kits.models import tiny
from kits.waiting import until

T = TypeVar("T")
LIMIT = 240.0
"""Seconds after which something that a test waits for has failed; no test waits that long on a quiet machine."""
ENDED = ENDS | {State.LIVE}
"""What an adapter can come to: it is live, or nothing more becomes of it."""
_PR_SET_CHILD_SUBREAPER = 36


@cache
def home() -> Path:
    """Make a base and its adapters once for the whole run."""
    directory = Path(mkdtemp(prefix="hotswapd-service-"))
    base = tiny("llama", directory / "base")
    for index in range(3):
        make_adapter(base, directory / f"run-{index}", seed=index, targets=["q_proj", "v_proj"])
    return directory


@cache
def _forge() -> "subprocess.Popen[str]":
    """Start the process that imports the daemon once; it ends when the test run does, with its standard input."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        [sys.executable, "-m", "kits.preloaded"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        bufsize=1,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "imported\n"
    return process


def spawn(
    argv: Sequence[str], output: Path, environ: Mapping[str, str], directory: Path, uid: int | None = None
) -> int:
    """Start the program and return its process's number; it writes to a file or a terminal, and is waited for by us.

    With `uid` it takes itself for that user's, though it keeps our rights.
    """
    told = _kept() | dict(environ)
    asked = {"argv": argv, "log": str(output), "environ": told, "directory": str(directory), "uid": uid}
    forge = _forge()
    assert forge.stdin is not None
    assert forge.stdout is not None
    forge.stdin.write(json.dumps(asked) + "\n")
    return int(forge.stdout.readline())


@dataclass(slots=True)
class Process:
    """One daemon's process."""

    pid: int
    status: int | None = None

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int | None:
        """Return the exit status, the negative signal that ended it, or None while it runs."""
        if self.status is None:
            pid, raw = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(raw) if pid else None
        return self.status

    def wait(self, limit: float = LIMIT) -> int:
        until(lambda: self.ended() is not None, f"process {self.pid} does not end", limit)
        assert self.status is not None
        return self.status

    def kill(self) -> int:
        if self.ended() is None:
            self.signal(signal.SIGKILL)
        return self.wait()


@dataclass(slots=True)
class Room:
    """A daemon's folder of adapters, configuration, state, sockets and log, all in one directory.

    `output` is where the daemon writes instead of the log, for example a pipe.
    """

    root: Path
    notes: list[dict[str, str]] = field(default_factory=list)
    _process: Process | None = None
    environ: dict[str, str] = field(default_factory=dict)
    output: Path | None = None
    _listener: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))

    def prepare(self) -> None:
        """Make the folder, the configuration and the notify socket."""
        (self.root / "adapters").mkdir(parents=True)
        self.configure()
        self._listener.bind(str(self.root / "notify"))
        self._listener.setblocking(False)

    def configure(self, **tables: str) -> None:
        """Write the configuration; a table's lines are added to what is usual in it, the source's replace it."""
        usual = dict(_USUAL)
        for name, lines in tables.items():
            usual[name] = lines if name == "source" else f"{usual.get(name, '')}\n{lines}"
        text = "\n".join(f"[{name}]\n{lines}" for name, lines in usual.items() if name != "source")
        sources = f"[[source]]\n{usual['source']}"
        self.config.write_text(f"{text}\n{sources}".format(root=self.root, base=home() / "base"), encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.root / "hotswapd.toml"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def artifacts(self) -> Path:
        return self.state / "store" / "artifacts"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def client(self) -> Client:
        return Client(self.root / "control.sock", timeout=2 * LIMIT)

    @property
    def process(self) -> Process:
        """Return the daemon that was started last; it may have ended."""
        assert self._process is not None, "no daemon was started in this room"
        return self._process

    def adopt(self, pid: int) -> Process:
        """Take a process that was started elsewhere as this room's daemon."""
        self._process = Process(pid)
        return self._process

    def is_running(self) -> bool:
        """Report whether a daemon was started and has not ended."""
        return self._process is not None and self._process.ended() is None

    def start(self, **environ: str) -> Process:
        """Start the daemon, told of our notify socket, and return at once."""
        assert not self.is_running()
        self.hear()  # what its predecessor said last
        self.notes.clear()
        told = {"NOTIFY_SOCKET": str(self.root / "notify")} | self.environ | environ
        argv = ["run", "--config", str(self.config)]
        return self.adopt(spawn(argv, self.output or self.log, told, Path.cwd()))

    def ready(self, **environ: str) -> Process:
        """Start the daemon and wait until it says ready."""
        process = self.start(**environ)
        self.expect("READY")
        return process

    def hear(self) -> list[dict[str, str]]:
        """Take what the daemon has told the notify socket, and return all of it since its start."""
        while True:
            try:
                lines = self._listener.recv(65536).decode().splitlines()
            except BlockingIOError:
                return self.notes
            self.notes.append(dict(line.split("=", 1) for line in lines))

    def expect(self, variable: str, condition: Callable[[str], bool] = bool, after: int = 0) -> dict[str, str]:
        """Wait for a note, after the first so many, in which the variable meets the condition; a dead daemon fails."""

        def look() -> list[dict[str, str]]:
            ended = self._process is not None and not self.is_running()
            found = [note for note in self.hear()[after:] if variable in note and condition(note[variable])]
            assert found or not ended, f"the daemon ended before it said {variable}:\n{self.tail()}"
            return found

        return self.until(look, f"the daemon never said {variable}")[0]

    def until(self, condition: Callable[[], T], otherwise: str, limit: float = LIMIT) -> T:
        """Wait until something holds of this daemon, and return what it gave; a failure shows the log's end."""
        return until(condition, lambda: f"{otherwise}:\n{self.tail()}", limit)

    def arm(self, place: str, action: str) -> Path:
        """Make the daemon, once started, do something at a named place as soon as the returned file is made."""
        file = self.root / "now"
        self.environ["HOTSWAPD_FAILPOINT"] = f"{place}={action}@{file}"
        return file

    def drop(self, adapter: str, name: str = "", spoilt: str = "") -> str:
        """Put an adapter into the watched folder by a rename, and return its URI."""
        place = self.root / "adapters" / (name or adapter)
        part = self.root / "adapters" / f".{place.name}.part"
        shutil.copytree(home() / adapter, part)
        if spoilt:
            BAD[spoilt][0](part)
        part.rename(place)
        return place.as_uri()

    def nobodys(self) -> Path:
        """Put into the store what no generation and no candidate needs; once it is gone, the store was tidied up."""
        place, part = self.artifacts / ("ab" * 32), self.root / "nobodys"
        part.mkdir()
        (part / WEIGHTS).write_bytes(b"nobody's")
        return part.rename(place)  # whole: a collection may come at any moment

    def status(self) -> dict[str, Any]:
        return dict(self.client.get("/status"))

    def at_rest(self) -> bool:
        """Report whether every thread of the daemon sleeps."""
        try:
            stats = [path.read_text() for path in Path(f"/proc/{self.process.pid}/task").glob("*/stat")]
        except (FileNotFoundError, ProcessLookupError):
            return False  # a thread has just ended
        return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)

    def live(self) -> int:
        """Return the live generation's number, or -1 when nobody answers."""
        try:
            return int(self.status()["live"]["generation"])
        except NoDaemon:
            return -1

    def outcome(self, uri: str) -> dict[str, Any]:
        """Wait for what becomes of an adapter, and return its row of the history; if it is live, it answers by then.

        The ledger says LIVE a moment before requests go there: a restart in between must serve it.
        """

        def ended() -> dict[str, Any] | None:
            try:
                rows = self.client.get("/history")
                row = next((one for one in rows if one["uri"] == uri and one["state"] in ENDED), None)
                return row if row is None or row["state"] != State.LIVE or self._answers(row) else None
            except NoDaemon:
                return None  # it is being started

        found = self.until(ended, f"nothing becomes of {uri}")
        assert found is not None
        return found

    def _answers(self, row: Mapping[str, Any]) -> bool:
        """Report whether a row's generation is the one that its channel's requests go to."""
        return bool(self.client.get(f"/status?channel={row['channel']}")["live"]["generation"] == row["generation"])

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of the log with this event's name."""
        whole = self.log.read_text().rpartition("\n")[0] if self.log.exists() else ""  # the last may be half written
        lines = whole.splitlines()
        parsed = (json.loads(line) for line in lines if line.startswith("{"))
        return [line for line in parsed if line.get("event") == name]

    def until_logged(self, name: str, times: int = 1) -> dict[str, Any]:
        """Wait for an event in the log and return it."""
        return self.until(lambda: self.events(name)[times - 1 :], f"{name} is never logged")[-1]

    def tail(self) -> str:
        return self.log.read_text()[-3000:] if self.log.exists() else "(no log)"

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
        self._listener.close()


def folder(settle: float = 0.1, rescan: float = 2.0) -> str:
    """Return the configuration of a source that watches the room's folder; times in seconds."""
    return f'kind = "local"\nname = "folder"\npath = "{{root}}/adapters"\nsettle = {settle}\nrescan = {rescan}'


_USUAL = {
    "model": 'base = "{base}"\nmax_rank = 8\ndevice = "cpu"',
    "source": folder(),
    "serve": "port = 0\ncontext_tokens = 128\ncache_tokens = 512\nbatch_tokens = 128",
    "state": 'dir = "{root}/state"',
    "control": 'socket = "{root}/control.sock"',
    "log": 'format = "json"',
}


def _kept() -> dict[str, str]:
    """Take this environment without settings of another daemon's."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HOTSWAPD_", "NOTIFY_"))}


@contextmanager
def make_room(root: Path) -> Iterator[Room]:
    """Make a room, and leave no process behind."""
    room = Room(root)
    room.prepare()
    try:
        yield room
    finally:
        room.close()
