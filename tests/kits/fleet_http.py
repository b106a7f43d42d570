"""A fleet as its users have it: `hotswapd fleet deploy` on a Ray of the test's own, a watched folder, HTTP clients."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import ray
from openai import OpenAI, OpenAIError
from ray import serve

from hotswapd.daemon.host.exits import Exit

KEY = "a secret"
GENERATION = "X-Hotswapd-Generation"
START = 300.0
REPLICA = "ray::ServeReplica:hotswapd:replica"
CHANNELS = ("default", "a", "b")
_TOML = """\
[model]
base = "{base}"
device = "cpu"
dtype = "float32"
max_rank = 16
[[source]]
kind = "local"
path = "{room}/adapters"
channel = "{{1}}"
settle = 0.2
rescan = 1.0
[[channel]]
name = "a"
[[channel]]
name = "b"
[serve]
port = {port}
berths = 8
context_tokens = 256
max_drain = 120.0
model_names = ["tiny"]
api_keys_file = "{room}/keys"
[control]
key_file = "{room}/operator"
[state]
dir = "{room}/state"
[fleet]
replicas = {replicas}
shared = "{room}/shared"
address = "{address}"
"""


class Deployed:
    """The fleet, where it answers, and what it watches."""

    def __init__(self, room: Path, url: str, config: Path) -> None:
        self.room, self.url, self.config = room, url, config
        self._copies = count(1)

    def client(self, key: str = KEY) -> OpenAI:
        """Return OpenAI's own client."""
        return OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=START)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command about the fleet."""
        program = [sys.executable, "-W", "ignore", "-m", "hotswapd.daemon.cli", "fleet", *arguments]
        return subprocess.run(
            [*program, "--config", str(self.config)], check=False, capture_output=True, text=True, timeout=START
        )

    def serve_run(self) -> "subprocess.CompletedProcess[str]":
        """Bring it up as Serve's own command does, on the same Ray and at the same port."""
        program = [str(Path(sys.executable).with_name("serve")), "run", "--non-blocking", "--name", "hotswapd"]
        application = ["hotswapd.daemon.fleet.app:build", f"config={self.config}"]
        environ = os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
        return subprocess.run(
            [*program, *application], check=False, capture_output=True, text=True, timeout=START, env=environ
        )

    def operate(self, *arguments: str, key: str = "operator") -> "subprocess.CompletedProcess[str]":
        """Run a command that asks the fleet, with the key in this file."""
        program = [sys.executable, "-W", "ignore", "-m", "hotswapd.daemon.cli", arguments[0], "--url", self.url]
        return subprocess.run(
            [*program, "--key-file", str(self.room / key), *arguments[1:]],
            check=False,
            capture_output=True,
            text=True,
            timeout=START,
        )

    def bring(self, channel: str, adapter: Path) -> None:
        """Rename a copy of an adapter into the watched folder."""
        fresh = self.room / f"copy-{next(self._copies)}"
        shutil.copytree(adapter, fresh)
        fresh.rename(self.room / "adapters" / channel / fresh.name)

    def await_live(self, channel: str, digest: str) -> None:
        """Wait until a channel is answered by these bytes."""
        end = time.monotonic() + START
        while digest[:12] not in self.fingerprint(channel):
            assert time.monotonic() < end, f"{digest[:12]} has not gone live in {channel}"
            time.sleep(0.1)

    def fingerprint(self, channel: str) -> str:
        """Ask a channel, and return what it says of who answered."""
        model = "tiny" if channel == "default" else channel
        answer = self.client().completions.create(model=model, prompt=[5], max_tokens=1)
        return str(answer.system_fingerprint)

    def resumed(self) -> int:
        """Count the answers that another replica has taken up in their midst, as the ingresses' logs say."""
        logs = (self.room / "t").glob("session_2*/logs/worker-*.err")
        return sum(path.read_text(errors="replace").count("answer_resumed") for path in logs)

    def replicas(self) -> list[int]:
        """Return the process ids of this fleet's replicas, by what the kernel says of them."""
        return [pid for pid, title in _titles() if title.startswith(REPLICA) and str(self.room) in _parent(pid)]


def _titles() -> Iterator[tuple[int, str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended


def _parent(pid: int) -> str:
    """Return the command line of a process's parent: of a replica, the raylet, which names its own directory."""
    try:
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        return Path(f"/proc/{parent}/cmdline").read_text()
    except OSError:
        return ""


@dataclass
class Row:
    """A line of the table: what clients got."""

    name: str
    answers: int = 0
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    older: int = 0
    generations: set[int] = field(default_factory=set)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.answers} answers by {len(self.generations)} generations, {len(self.failed)} failed, "
            f"{len(self.mixed)} mixed, {self.older} older after newer"
        )

    @property
    def is_clean(self) -> bool:
        return self.answers > 0 and not (self.failed or self.mixed or self.older)


class Asking:
    """Clients of the HTTP API without a pause; every second one streams. `truth` has each digest's whole text."""

    def __init__(
        self, fleet: Deployed, name: str, truth: Mapping[str, str], prompt: Sequence[int], tokens: int
    ) -> None:
        self.row = Row(name)
        self._fleet, self._truth, self._prompt, self._tokens = fleet, truth, list(prompt), tokens
        self._lock = threading.Lock()
        self._newest: dict[str, int] = {}
        self._turn = count()

    def __call__(self, number: int) -> None:
        """Ask one channel after the other, as client `number` does."""
        channel = CHANNELS[next(self._turn) % len(CHANNELS)]
        with self._lock:
            newest = self._newest.get(channel, 0)
        try:
            generation, fingerprint, text = self._ask(channel, stream=number % 2 == 1)
        except (OpenAIError, httpx.HTTPError) as error:
            self.row.failed.append(repr(error))
            return
        with self._lock:
            self._newest[channel] = max(self._newest.get(channel, 0), generation)
            self.row.answers += 1
            self.row.older += generation < newest
            self.row.generations.add(generation)
            if self._truth[fingerprint.rpartition("-")[2]] != text:
                self.row.mixed.append(f"{fingerprint}: {text!r}")

    def _ask(self, channel: str, *, stream: bool) -> tuple[int, str, str]:
        raw = self._fleet.client().completions.with_raw_response.create(
            model="tiny" if channel == "default" else channel,
            prompt=self._prompt,
            max_tokens=self._tokens,
            temperature=0,
            stream=stream,
        )
        answer: Any = raw.parse()
        fingerprints, text = set[str](), ""
        for part in answer if stream else [answer]:
            fingerprints.add(part.system_fingerprint)
            text += part.choices[0].text
        (fingerprint,) = fingerprints
        return int(raw.headers[GENERATION]), fingerprint, text


@contextmanager
def deployed(base: Path, replicas: int) -> Iterator[Deployed]:
    """Deploy a fleet on a Ray of its own; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="hs-http-", ignore_cleanup_errors=True) as name:
        room = Path(name)
        ray.init(num_cpus=16, include_dashboard=False, object_store_memory=150 << 20, _temp_dir=f"{room}/t")
        try:
            made = _made(room, base, replicas)
            done = made.command("deploy")
            print(done.stdout, done.stderr)
            assert done.returncode == Exit.FINE, done.stderr
            yield made
        finally:
            serve.shutdown()
            ray.shutdown()


def _made(room: Path, base: Path, replicas: int) -> Deployed:
    for channel in CHANNELS:
        (room / "adapters" / channel).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (room / "keys").write_text(f"me {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    (room / "keys").chmod(0o600)
    (room / "operator").write_text("an operator's secret")
    (room / "client").write_text(KEY)
    config = room / "hotswapd.toml"
    address = ray.get_runtime_context().gcs_address
    config.write_text(_TOML.format(base=base, room=room, port=port, replicas=replicas, address=address))
    return Deployed(room, f"http://127.0.0.1:{port}", config)


def kill(pid: int) -> None:
    """End a process as a power cut would."""
    os.kill(pid, signal.SIGKILL)
