"""The commands that talk to a daemon start at once: half a second of CPU at most, and nothing heavy is imported."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import front, front_at

from hotswapd.daemon.answers import Status
from hotswapd.daemon.config.paths import roots_of

HEAVY = (
    "ray",
    "torch",
    "transformers",
    "peft",
    "boto3",
    "botocore",
    "huggingface_hub",
    "fastapi",
    "uvicorn",
    "pydantic",
    "openai",
    "structlog",
    "prometheus_client",
    "numpy",
    "shtab",
)
CPU_LIMIT = 0.5
TALKING = (
    ["status"],
    ["status", "--json"],
    ["history"],
    ["history", "--actions"],
    ["submit", "file:///a"],
    ["rollback", "2"],
    ["pin"],
    ["unpin"],
    ["pause"],
    ["resume"],
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with front(FakeFace(), tmp_path_factory.mktemp("fast")) as made:
        yield str(made.socket)


@pytest.mark.parametrize("command", TALKING, ids=" ".join)
def test_a_talking_command_imports_nothing_heavy(daemon: str, command: list[str]) -> None:
    """What takes seconds to import stays out, whatever the command."""
    code = (
        "import sys; from hotswapd.daemon.cli import main; "
        f"code = main({[*command, '--socket', daemon]!r}); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_finding_the_daemon_imports_nothing_heavy_either(tmp_path: Path) -> None:
    """As a user who has one, and names no socket."""
    socket = roots_of({"HOME": str(tmp_path)}, 1000).socket()
    socket.parent.mkdir(parents=True)
    code = (
        "import os, sys; os.geteuid = lambda: 1000; from hotswapd.daemon.cli import main; "
        f"code = main(['status', '--json']); print([name for name in {HEAVY!r} if name in sys.modules]); sys.exit(code)"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "HOTSWAPD_"))}
    with front_at(FakeFace(), socket):
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=environ | {"HOME": str(tmp_path)},
        )
    assert (done.returncode, done.stderr) == (0, f"hotswapd: talking to the daemon default on {socket}\n")
    assert done.stdout.endswith("}\n[]\n")


@pytest.mark.parametrize("command", [["status"], ["history"], ["pause"]], ids=" ".join)
def test_a_talking_command_takes_half_a_second_of_cpu(daemon: str, command: list[str]) -> None:
    """CPU seconds, not those of the wall clock, which a busy machine stretches; the best of three runs counts."""
    spent: list[float] = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program = [sys.executable, "-m", "hotswapd.daemon.cli", *command, "--socket", daemon]
        subprocess.run(program, check=True, capture_output=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if spent[-1] < CPU_LIMIT:
            return
    assert min(spent) < CPU_LIMIT


class Crowded(FakeFace):
    """A daemon with ten thousand channels."""

    def status(self, channel: str | None = None) -> Status:
        usual: Any = {"pinned": False, "paused": False, "rollout": None, "waiting": 0, "refused": None}
        found = super().status(channel)
        channels: Any = [{**usual, "name": f"c{index:05}", "live": found["live"]} for index in range(10_000)]
        return {**found, "channels": channels}


def test_a_status_of_ten_thousand_channels_takes_half_a_second_of_cpu_too(tmp_path: Path) -> None:
    """That of the command; of the answer's parts, the most are read and thrown away."""
    with front(Crowded(), tmp_path) as made:
        test_a_talking_command_takes_half_a_second_of_cpu(str(made.socket), ["status"])
