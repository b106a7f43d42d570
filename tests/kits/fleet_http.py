"""A fleet as its users have it: `hotswapd fleet deploy` on a Ray of the test's own, a watched folder, HTTP."""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
from openai import OpenAI
from ray import serve

from hotswapd.daemon.config.fleet_settings import fleet_settings
from hotswapd.daemon.fleet.serving import cluster
from hotswapd.daemon.fleet.serving.application import WATCHER, application
from hotswapd.daemon.host.exits import Exit
from kits.fleet_census import Census
from kits.fleet_nodes import Nodes, nodes
from kits.fleet_notes import Notes, NotingReplica
from kits.fleet_watched import START, Watched, wait_until

KEY = "a secret"
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
[verify]
[rollout]
feedback = true
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

    def __init__(self, room: Path, url: str, config: Path, nodes: Nodes) -> None:
        self.room, self.url, self.config, self.nodes = room, url, config, nodes
        self.watched = Watched(room, WATCHER)
        self.census = Census(room)
        self.notes = Notes(room / "notes")

    def client(self, key: str = KEY) -> OpenAI:
        """Return OpenAI's own client."""
        return OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=START)

    def configure(self, table: str, line: str) -> None:
        """Add a line to a table of the configuration."""
        self.config.write_text(self.config.read_text().replace(f"[{table}]\n", f"[{table}]\n{line}\n", 1))

    def bring_up(self) -> None:
        """Deploy as the command does, in this process: with replicas that write down what they verify."""
        cluster.bring_up(fleet_settings(self.config, {}))

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command about the fleet."""
        program = [sys.executable, "-W", "ignore", "-m", "hotswapd.daemon.cli", "fleet", *arguments]
        return subprocess.run(
            [*program, "--config", str(self.config)], check=False, capture_output=True, text=True, timeout=START
        )

    def serve_run(self) -> "subprocess.CompletedProcess[str]":
        """Bring it up as Serve's own command does, on the same Ray and at the same port."""
        program = [str(Path(sys.executable).with_name("serve")), "run", "--non-blocking", "--name", "hotswapd"]
        served = ["hotswapd.daemon.fleet.app:build", f"config={self.config}"]
        environ = os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
        return subprocess.run(
            [*program, *served], check=False, capture_output=True, text=True, timeout=START, env=environ
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

    def await_live(self, channel: str, digest: str) -> None:
        """Wait until a channel is answered by these bytes."""
        wait_until(lambda: digest[:12] in self.fingerprint(channel), f"{digest[:12]} has not gone live in {channel}")

    def fingerprint(self, channel: str) -> str:
        """Ask a channel, and return what it says of who answered."""
        model = "tiny" if channel == "default" else channel
        answer = self.client().completions.create(model=model, prompt=[5], max_tokens=1)
        return str(answer.system_fingerprint)

    def resumed(self) -> int:
        """Count the answers that another replica has taken up in their midst, as the ingresses' logs say."""
        return self.logged("answer_resumed")

    def logged(self, event: str) -> int:
        """Count how often the processes of the fleet have said this in their logs; the watcher's is its output."""
        logs = [path for end in ("err", "out") for path in (self.room / "t").glob(f"session_2*/logs/worker-*.{end}")]
        return sum(path.read_text(errors="replace").count(event) for path in logs)


@contextmanager
def deployed(base: Path, replicas: int) -> Iterator[Deployed]:
    """Deploy a fleet on a Ray of its own by the command; both are gone at the end."""
    with _ray(base, replicas) as made:
        done = made.command("deploy")
        print(done.stdout, done.stderr)
        assert done.returncode == Exit.FINE, done.stderr
        yield made


@contextmanager
def deployed_noting(
    base: Path, replicas: int, *, second: Mapping[str, str] | None = None, fleet: str = ""
) -> Iterator[Deployed]:
    """Deploy as the command does, with replicas that write down what they verify.

    `second` is for `nodes`: the environment of a second node, if there is one. `fleet` is a line of the configuration's
    `[fleet]`.
    """
    with _ray(base, replicas, second) as made, pytest.MonkeyPatch.context() as patch:
        made.notes.room.mkdir()
        made.configure("fleet", fleet)
        patch.setattr(cluster, "application", lambda *given: application(*given, NotingReplica, made.notes.room))
        made.bring_up()
        yield made


@contextmanager
def _ray(base: Path, replicas: int, second: Mapping[str, str] | None = None) -> Iterator[Deployed]:
    with tempfile.TemporaryDirectory(prefix="hs-http-", ignore_cleanup_errors=True) as name:
        room = Path(name)
        with nodes(room / "t", cluster.serve_env(os.environ), second) as there:
            try:
                yield _made(room, base, replicas, there)
            finally:
                serve.shutdown()


def _made(room: Path, base: Path, replicas: int, there: Nodes) -> Deployed:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (room / "keys").write_text(f"me {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    (room / "keys").chmod(0o600)
    (room / "operator").write_text("an operator's secret")
    (room / "client").write_text(KEY)
    config = room / "hotswapd.toml"
    address = ray.get_runtime_context().gcs_address
    config.write_text(_TOML.format(base=base, room=room, port=port, replicas=replicas, address=address))
    return Deployed(room, f"http://127.0.0.1:{port}", config, there)
