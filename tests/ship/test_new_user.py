"""The first minutes of somebody new: from `pip install` to an answer by an adapter that was dropped in.

From the wheel, in an environment of its own, in an empty directory, as root and as another user. `make ship` runs it;
it installs packages, so nothing else does.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from kits.adapters import make_adapter
from kits.models import tiny
from kits.room import LIMIT
from kits.waiting import until

WHEELS = os.environ.get("HOTSWAPD_TEST_SHIP", "")
ROOT = Path(__file__).parents[2]
NOBODY = 65534
ROOTS_OWN = (Path("/var/lib/hotswapd"), Path("/run/hotswapd"))
_PYTHONS = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")
_INSTALL_LIMIT = 1500
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(_INSTALL_LIMIT + 600),
    pytest.mark.skipif(not WHEELS, reason="it installs packages: `make ship` runs it"),
]


@dataclass(slots=True)
class Newcomer:
    """Somebody with a home and an empty directory, and the lines that they have typed so far."""

    uid: int
    root: Path
    port: int
    typed: list[str] = field(default_factory=list)

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def environ(self) -> dict[str, str]:
        """A login's, and what pip must know of this machine's package index."""
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return {"PATH": f"{self.root.parent}/venv/bin:/usr/bin:/bin", "HOME": str(self.root / "home"), **pip}

    def begin(self, line: str, output: Path | None = None) -> "subprocess.Popen[bytes]":
        """Type a line, and leave it running; what it prints goes to a file."""
        self.typed.append(line)
        out = output.open("wb") if output else subprocess.DEVNULL
        return subprocess.Popen(
            ["sh", "-c", f"exec {line}"], cwd=self.work, env=self.environ, stdout=out, **_as(self.uid)
        )

    def run(self, line: str, limit: float = LIMIT) -> str:
        """Type a line and return what it printed; it must succeed."""
        self.typed.append(line)
        done = subprocess.run(
            ["sh", "-c", line],
            check=False,
            cwd=self.work,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=limit,
            **_as(self.uid),
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return str(done.stdout)


def _as(uid: int) -> dict[str, Any]:
    return {"user": uid, "group": uid, "extra_groups": []} if uid != os.getuid() else {}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Make a directory that every user may enter, with a base and adapters that every user may read."""
    path = Path(mkdtemp(prefix="hotswapd-ship-"))
    path.chmod(0o755)
    base = tiny("llama", path / "models" / "base")
    make_adapter(base, path / "models" / "run-0", targets=["q_proj", "v_proj"])
    for file in path.rglob("*.*"):
        file.chmod(0o644)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def install(place: Path) -> str:
    """Make a fresh environment, and install the wheel into it with the one line that somebody types."""
    python = next(one for one in _PYTHONS if _runs_for_all(one))
    subprocess.run([python, "-m", "venv", place / "venv"], check=True, cwd=place)
    (wheel,) = (ROOT / WHEELS).glob("*.whl")
    line = f"pip install -q -c {ROOT}/constraints.txt {wheel}"
    owner = Newcomer(os.getuid(), place / "owner", 0)
    for path in (owner.work, owner.root / "home"):
        path.mkdir(parents=True)
    owner.run(line, _INSTALL_LIMIT)
    return line


def _runs_for_all(python: str) -> bool:
    """Tell whether every user may run this interpreter, and whether it can make environments."""
    uid = NOBODY if os.getuid() == 0 else os.getuid()
    code = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, check=False, **_as(uid)).returncode == 0
    except OSError:
        return False


@pytest.fixture(params=["root", "another"])
def newcomer(request: pytest.FixtureRequest, place: Path) -> Iterator[Newcomer]:
    uid = {"root": 0, "another": NOBODY if os.getuid() == 0 else os.getuid()}[request.param]
    if uid == 0 and os.getuid() != 0:
        pytest.skip("only root can be root")
    if uid == 0 and any(path.exists() for path in ROOTS_OWN):
        pytest.skip("this machine has a hotswapd, whose state is not to be touched")
    made = Newcomer(uid, Path(mkdtemp(prefix=f"{request.param}-", dir=place)), 18080 + uid % 97)
    for path in (made.root, made.work, made.root / "home"):
        path.mkdir(exist_ok=True)
        os.chown(path, uid, -1)
    try:
        yield made
    finally:
        for path in ROOTS_OWN if uid == 0 else ():
            shutil.rmtree(path, ignore_errors=True)


def test_four_commands_from_install_to_an_answer(newcomer: Newcomer, install: str, place: Path) -> None:
    """The last two are pasted from what the second prints, and nothing is left in the working directory."""
    newcomer.typed.append(install)
    said = place / f"{newcomer.uid}.out"
    serving = newcomer.begin(f"hotswapd serve {place}/models/base ./adapters --port {newcomer.port}", said)
    try:
        until(lambda: "cp -r YOUR-ADAPTER" in said.read_text() or serving.poll() is not None, "it never is ready", 300)
        assert serving.poll() is None, said.read_text()
        printed = said.read_text().splitlines()
        ask, drop = (next(line for line in printed if line.startswith(f"  {one} ")) for one in ("curl", "cp"))
        newcomer.run(drop.strip().replace("YOUR-ADAPTER", f"{place}/models/run-0"))
        answers: list[dict[str, str]] = []

        def is_answered() -> bool:
            """Ask again until it is live; somebody would press the arrow key and Return."""
            answers.append(json.loads(newcomer.run(ask.strip())))
            return answers[-1]["system_fingerprint"].startswith("hotswapd-g1-")

        until(is_answered, f"the adapter never answers: {answers[-1:]}", LIMIT)
        assert [line.split()[0] for line in dict.fromkeys(newcomer.typed)] == ["pip", "hotswapd", "cp", "curl"]
        found = newcomer.run("hotswapd status --json")
        assert json.loads(found)["live"]["generation"] == 1
    finally:
        serving.send_signal(signal.SIGINT)
        status = serving.wait(LIMIT)
    assert status == 0
    assert [str(path.relative_to(newcomer.work)) for path in sorted(newcomer.work.iterdir())] == ["adapters"]
    assert [path.name for path in (newcomer.work / "adapters").iterdir()] == ["run-0"]


def test_doctor_finds_nothing_that_would_stop_it(newcomer: Newcomer, install: str, place: Path) -> None:
    """In the same environment, for the same line; it changes nothing."""
    del install
    line = f"hotswapd doctor {place}/models/base ./adapters --json"
    assert json.loads(newcomer.run(line, 300))["ok"] is True
    assert list(newcomer.work.iterdir()) == []
