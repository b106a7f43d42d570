"""A machine with a real systemd, in namespaces of this one, on which hotswapd is installed as its Makefile does it."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import pytest
from kits.waiting import until

from hotswapd.daemon.control.client import Client

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
LIMIT = 120.0
COMPLETION = f"{sys.executable} -m hotswapd.daemon.cli completion"
"""What prints the completions where the installed program has no libraries yet."""
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_BOOT_TRIES = 4
UNIT = "hotswapd.service"


class CannotBoot(Exception):
    """No systemd can be booted in namespaces here; the sentence says what is refused."""


class Machine:
    """A booted machine; `pid` is its process 1, seen from here."""

    def __init__(self, unshare: "subprocess.Popen[str]", pid: int, work: Path) -> None:
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")
        self._unshare = unshare
        self._work = work

    def run(self, *command: str, check: bool = True, **more: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command inside, and return what it said."""
        inside = ["nsenter", "-t", str(self.pid), "-a", "-r", "-w", *command]
        done = subprocess.run(inside, capture_output=True, text=True, check=False, timeout=LIMIT, **more)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.journal()}"
        return done

    def show(self, name: str) -> str:
        """Return one property of the unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", UNIT).stdout.strip()

    def until_shows(self, name: str, value: str, otherwise: str = "") -> None:
        """Wait until a property of the unit has a value."""
        sentence = otherwise or f"{name} never becomes {value!r}"
        until(lambda: self._shows(name, value), f"{sentence}:\n{self.journal()}", LIMIT)

    def until_live(self, number: int) -> None:
        """Wait until the daemon says that this generation is live."""
        until(lambda: self._serves(number), f"generation {number} is never live", LIMIT)

    def _shows(self, name: str, value: str) -> bool:
        self.pause()
        return self.show(name) == value

    def _serves(self, number: int) -> bool:
        self.pause()
        return self.live() == number

    def live(self) -> int:
        """Return the live generation's number, or -1 while nobody answers."""
        try:
            return int(self.client.get("/status")["live"]["generation"])
        except Exception:
            return -1

    @property
    def client(self) -> Client:
        return Client(self.root / "run/hotswapd/control.sock")

    def journal(self) -> str:
        """Return the end of the unit's journal."""
        inside = ["nsenter", "-t", str(self.pid), "-a", "-r", "-w"]
        command = [*inside, "journalctl", "-u", UNIT, "-o", "cat", "-n", "60", "--no-pager"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT).stdout

    def close(self) -> None:
        """End it, and take its cgroup away."""
        self._unshare.kill()
        self._unshare.wait(LIMIT)
        shutil.rmtree(self._work, ignore_errors=True)
        _remove_group(self._unshare.pid)

    def pause(self) -> None:
        time.sleep(0.05)  # each look is a process: a busy machine has better things to do


def _remove_group(pid: int) -> None:
    for mount in _cgroup2():
        group = mount / f"hotswapd-test.{pid}"
        for directory, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                continue  # its last process is still ending; an empty group costs nothing


def _cgroup2() -> list[Path]:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]


def rootfs() -> Path:
    """Return the cached root file system, made by the script that its name has the digest of. Raises CannotBoot."""
    script = HERE / "make_rootfs.sh"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hotswapd-tests"
    root = cache / f"rootfs-{hashlib.sha256(script.read_bytes()).hexdigest()[:12]}"
    done = subprocess.run([str(script), str(root)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotBoot(f"no root file system could be made: {done.stderr.strip()[-500:]}")
    return root


def can_boot() -> str:
    """Return why no machine can be booted here, or an empty string."""
    if os.geteuid() != 0:
        return "only root can boot a machine in namespaces"
    missing = [name for name in ("mmdebstrap", "unshare", "nsenter", "findmnt") if not shutil.which(name)]
    if missing:
        assert not os.environ.get("CI"), f"install {', '.join(missing)}: scripts/install_test_packages.sh does it"
        return f"{', '.join(missing)} is not installed"
    if not _cgroup2():
        return "no cgroup2 file system is mounted"
    probe = "mount -t proc proc /proc && mount -t tmpfs tmpfs /mnt"
    command = ["unshare", "--mount", "--pid", "--fork", "--cgroup", "--propagation", "private", "sh", "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"namespaces are refused: {done.stderr.strip()}"


@contextmanager
def booted() -> Iterator[Machine]:
    """Boot a machine, and end it. Raises CannotBoot."""
    machine = _boot_patiently(rootfs())
    try:
        yield machine
    finally:
        machine.close()


def _boot_patiently(root: Path) -> Machine:
    """Boot, again when it fails at once: unshare does that now and then."""
    for _ in range(_BOOT_TRIES - 1):
        try:
            return _boot(root)
        except CannotBoot:
            continue
    return _boot(root)


def _boot(root: Path) -> Machine:
    work = Path(mkdtemp(prefix="hotswapd-machine-"))
    command = [str(HERE / "boot.sh"), str(root), str(work), *_binds()]
    with (work.parent / f"{work.name}.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True)
        try:
            until(lambda: process.poll() is not None or _running(process.pid), "the machine does not boot", 30.0)
            if process.poll() is not None:
                log.seek(0)
                raise CannotBoot(f"the machine ended while it booted: {log.read()[-500:]}")  # noqa: TRY301
        except BaseException:
            process.kill()
            process.wait(LIMIT)
            raise
    return Machine(process, _child(process.pid), work)


def _running(unshare: int) -> bool:
    """Report whether process 1 is a systemd that takes orders."""
    time.sleep(0.05)
    child = _child(unshare)
    if not child or not os.path.exists(f"/proc/{child}/root/run/systemd/private"):
        return False
    ask = ["nsenter", "-t", str(child), "-a", "-r", "-w", "systemctl", "is-system-running"]
    said = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
    return said in ("running", "degraded")


def _child(pid: int) -> int:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return int(children[0]) if children else 0


def _binds() -> list[str]:
    """Name what is bound into the machine: this Python, without anything of its site-packages, and what we need."""
    base = Path(sys.base_prefix)
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    shared = [f"{library.resolve()}:/opt/python/lib/{library.name}"] if library.suffix != ".a" else []
    return [
        *shared,
        f"{(base / 'bin' / _PYTHON).resolve()}:/opt/python/bin/{_PYTHON}",
        f"{base / 'lib' / _PYTHON}:/opt/python/lib/{_PYTHON}",
        f"{_site_packages()}:/opt/site-packages",
    ]


def _site_packages() -> Path:
    """Return where our libraries are: not in this environment's own directory when it borrows them."""
    found = find_spec("torch")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parents[1]


def install(machine: Machine, **variables: str) -> None:
    """Do what ``make install`` does, into a directory that is then laid over the machine's root."""
    with TemporaryDirectory() as stage:
        make("install", Path(stage), PIP_FLAGS="--no-deps", PYTHON=sys.executable, COMPLETION=COMPLETION, **variables)
        Path(stage).chmod(0o755)  # as the root that it is laid over
        _use_what_is_bound(Path(stage) / "usr/local/lib/hotswapd")
        subprocess.run(["cp", "-a", f"{stage}/.", str(machine.root)], check=True)
    (machine.root / "etc/ld.so.conf.d/python.conf").write_text("/opt/python/lib\n")
    machine.run("ldconfig")
    machine.run("systemd-sysusers")
    machine.run("systemd-tmpfiles", "--create", "hotswapd.conf")
    machine.run("systemctl", "daemon-reload")


def make(target: str, root: Path, **variables: str) -> None:
    """Run make in the repository, with another directory as the root."""
    told = [f"{name}={value}" for name, value in {"DESTDIR": str(root), **variables}.items()]
    command = ["make", "--no-print-directory", "-C", str(REPOSITORY), target, *told]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr


def _use_what_is_bound(program: Path) -> None:
    """Give the installed environment the Python and the libraries that are bound into the machine."""
    for name in ("python", "python3", _PYTHON):
        (program / "bin" / name).unlink(missing_ok=True)
        (program / "bin" / name).symlink_to(f"/opt/python/bin/{_PYTHON}")
    (program / "pyvenv.cfg").write_text("home = /opt/python/bin\ninclude-system-site-packages = false\n")
    (program / "lib" / _PYTHON / "site-packages" / "libraries.pth").write_text("/opt/site-packages\n")


def machine_or_skip() -> Iterator[Machine]:
    """Boot a machine for a test, or skip it with the reason."""
    reason = can_boot()
    if reason:
        pytest.skip(f"no systemd can be booted ({reason}); tests/daemon/service stands in for it")
    with booted() as machine:
        yield machine
