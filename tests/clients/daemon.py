"""The real daemon on a real model, with an adapter live, for clients to speak to."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hotswapd.daemon.demo.model import BASE_NAME, cache_directory, unpacked_model

MODEL = "smollm2"
_PATIENCE = 300.0
_ADAPTER = Path(__file__).resolve().parents[2] / "daemon" / "demo" / "adapters" / "german"
_CONFIG = """
[model]
base = "{base}"
device = "cpu"
max_rank = 16
[admission]
base_models = ["{hub}"]
[serve]
port = {port}
model_names = ["{model}"]
context_tokens = 2048
[state]
dir = "{folder}/state"
[control]
socket = "{folder}/control.sock"
[[source]]
kind = "local"
path = "{folder}/adapters"
settle = 0.1
"""


@dataclass(frozen=True, slots=True)
class Running:
    """Where it listens, and what it answers with."""

    url: str
    base: Path
    adapter: Path

    def surroundings(self, programs: Path) -> dict[str, str]:
        """Return the environment of a client whose programs are in this folder. Our own modules are not for it."""
        return {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CLIENTS_URL": self.url,
            "CLIENTS_MODEL": MODEL,
            "CLIENTS_BASE": str(self.base),
            "CLIENTS_ADAPTER": str(self.adapter),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "OPENAI_API_KEY": "none",
        }


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Run it until the block ends; its log is `daemon.log` in the folder."""
    base = unpacked_model(cache_directory(os.environ))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_ADAPTER, folder / "adapters" / "german")
    (folder / "state").mkdir()
    port = _free_port()
    config = folder / "hotswapd.toml"
    config.write_text(_CONFIG.format(base=base, hub=BASE_NAME, port=port, model=MODEL, folder=folder))
    command = [sys.executable, "-m", "hotswapd.daemon.cli", "run", "--config", str(config)]
    with (folder / "daemon.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            made = Running(f"http://127.0.0.1:{port}", base, folder / "adapters" / "german")
            _await_adapter(made.url, process)
            yield made
        finally:
            process.send_signal(signal.SIGTERM)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def _await_adapter(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the adapter is live."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/v1/models", timeout=5) as got:
                if b"@g1" in got.read():
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise RuntimeError("the daemon never answered with its adapter; see daemon.log")
