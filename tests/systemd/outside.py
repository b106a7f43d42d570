"""Where the machine's adapters come from: a folder inside it, a real S3 server and a Hub on this machine's loopback."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kits.adapters import BAD
from kits.folders import CONFIG, WEIGHTS
from kits.hub import REPO
from kits.hub_server import HubServer
from kits.room import ENDED, home
from kits.s3 import KEY, SECRET, Place, free_ports, new_place, seaweed
from kits.waiting import until

from .machine import LIMIT, Machine

API_KEY = "a key of the tests"
CREDENTIALS = "/run/credentials/hotswapd.service/hotswapd"
HANG = "/var/lib/hotswapd/hang"
"""The worker hangs as soon as this file is there."""

# Short, so that the test need not wait a minute for a hanging worker; and the place where it can be made to hang.
DROP_IN = f"""\
[Service]
WatchdogSec=6s
Environment=HOTSWAPD_FAILPOINT=tick=hang@{HANG} OMP_NUM_THREADS=1 HF_HUB_OFFLINE=0
"""

CONFIGURATION = f"""\
[model]
base = "/srv/base"
device = "cpu"
max_rank = 8

[[source]]
kind = "local"
name = "folder"
path = "/srv/adapters"
settle = 0.1
rescan = 1.0

[[source]]
kind = "s3"
name = "bucket"
uri = "BUCKET"
endpoint_url = "S3"
region = "us-east-1"
poll = 0.3

[[source]]
kind = "hub"
name = "hub"
repo = "{REPO}"
endpoint = "HUB"
token_file = "{CREDENTIALS}.hub-token"
poll = 0.3

[admission]
base_models = ["*"]

[serve]
port = PORT
api_key_file = "{CREDENTIALS}.api-key"
context_tokens = 128
cache_tokens = 512
batch_tokens = 128

[log]
format = "json"
"""


@dataclass(slots=True)
class Outside:
    """The three places, and the machine that watches them."""

    machine: Machine
    bucket: Place
    hub: HubServer
    port: int

    def drop(self, adapter: Path, name: str) -> str:
        """Put an adapter into the folder by a rename, as a careful job does."""
        folder = self.machine.root / "srv/adapters"
        part = folder / f".{name}.part"
        copy_for_all(adapter, part)
        part.rename(folder / name)
        return f"file:///srv/adapters/{name}"

    def upload(self, adapter: Path, name: str) -> str:
        """Upload an adapter, the configuration last."""
        for file in (WEIGHTS, CONFIG):
            self.bucket.put(f"{name}/{file}", (adapter / file).read_bytes())
        return f"{self.bucket.uri}{name}/"

    def commit(self, adapter: Path, _: str) -> str:
        """Push an adapter to the Hub."""
        self.hub.commit(REPO, {file: (adapter / file).read_bytes() for file in (CONFIG, WEIGHTS)})
        return f"hf://{REPO}/"

    def outcome(self, uri: str, after: int) -> dict[str, Any]:
        """Wait for what becomes of an address in a swap that is not among the first `after`, and return its row."""

        def row() -> dict[str, Any] | None:
            self.machine.pause()
            rows = self.machine.client.get("/history")
            fresh = rows[: len(rows) - after]
            return next((one for one in fresh if _same(one["uri"], uri) and one["state"] in ENDED), None)

        until(row, f"nothing becomes of {uri}:\n{self.machine.journal()}", LIMIT)
        found = row()
        assert found is not None
        return found

    def swaps(self) -> int:
        return len(self.machine.client.get("/history"))


def copy_for_all(directory: Path, to: Path) -> None:
    """Copy a directory so that every user can read it: safetensors writes files for their owner alone."""
    shutil.copytree(directory, to)
    subprocess.run(["chmod", "-R", "a+rX", str(to)], check=True)


def _same(one: str, other: str) -> bool:
    return one.rstrip("/").split("@")[0] == other.rstrip("/")


def spoilt(index: int, room: Path) -> Path:
    """Make a bad adapter of a good one, each of other bytes."""
    out = room / f"bad-{index}"
    shutil.copytree(home() / f"run-{index}", out)
    BAD["nan"][0](out)
    return out


@contextmanager
def outside(machine: Machine, room: Path) -> Iterator[Outside]:
    """Start the servers, and configure the machine to watch all three places."""
    with seaweed(room / "seaweed") as url, HubServer() as hub:
        hub.commit(REPO, {"README.md": b"nothing yet"})
        made = Outside(machine, new_place(url), hub, free_ports(1)[0])
        _configure(made, url)
        yield made


def _configure(made: Outside, s3: str) -> None:
    root = made.machine.root
    copy_for_all(home() / "base", root / "srv/base")
    text = CONFIGURATION.replace("BUCKET", made.bucket.uri).replace("S3", s3).replace("HUB", made.hub.url)
    (root / "etc/hotswapd/hotswapd.toml").write_text(text.replace("PORT", str(made.port)))
    secrets = {
        "api-key": API_KEY,
        "hub-token": made.hub.token,
        "aws": f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n",
    }
    for name, secret in secrets.items():
        (root / "etc/credstore" / f"hotswapd.{name}").write_text(secret)
    drop_in = root / "etc/systemd/system/hotswapd.service.d/test.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(DROP_IN)
    made.machine.run("systemctl", "daemon-reload")
