"""hotswapd as a service under a real systemd: installed by make, hardened by its unit, looked after by process 1."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kits.needs import need
from kits.room import home

from .machine import COMPLETION, UNIT, Machine, install, machine_or_skip, make
from .outside import API_KEY, HANG, Outside, copy_for_all, outside, spoilt

HERE = Path(__file__).parent
UNITS = HERE.parent.parent / "systemd"


@pytest.fixture
def machine() -> Iterator[Machine]:
    yield from machine_or_skip()


def test_the_unit_verifies_and_exposes_little(tmp_path: Path) -> None:
    """`verify` has nothing to say, and the exposure is 1.5 at most, by this machine's own systemd."""
    need(shutil.which("systemd-analyze"), "systemd-analyze")
    unit = tmp_path / UNIT
    unit.write_text((UNITS / UNIT).read_text().replace("/usr/local/bin/hotswapd", "/bin/true"))
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(unit)]
    exposed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert exposed.returncode == 0, exposed.stdout


def test_install_and_uninstall_touch_only_their_files(tmp_path: Path) -> None:
    """Under DESTDIR nothing is left of the program and its service, and state, secrets and configuration are."""
    kept = [tmp_path / "var/lib/hotswapd/ledger.sqlite", tmp_path / "etc/hotswapd/hotswapd.toml"]
    for file in kept:
        file.parent.mkdir(parents=True)
        file.write_text("mine")
    make("install-units", tmp_path, NOTIFY_RELOAD="1", PREFIX="/opt/x", UNITDIR="/etc/systemd/system")
    make("install-completions", tmp_path, PREFIX="/opt/x", COMPLETION=COMPLETION)
    assert (tmp_path / "opt/x/share/zsh/site-functions/_hotswapd").exists()
    unit = tmp_path / "etc/systemd/system" / UNIT
    assert "ExecStart=/opt/x/bin/hotswapd run --config /etc/hotswapd/hotswapd.toml" in unit.read_text()
    assert (unit.parent / f"{UNIT}.d/notify-reload.conf").exists()
    make("uninstall", tmp_path, PREFIX="/opt/x", UNITDIR="/etc/systemd/system")
    left = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert left == sorted(kept)


def test_the_completions_are_installed_where_the_shells_look(tmp_path: Path) -> None:
    """bash loads the file by the program's name, zsh and fish find theirs in their own folders below PREFIX."""
    make("install-completions", tmp_path, COMPLETION=COMPLETION)
    share = tmp_path / "usr/local/share"
    bash = 'source "$0"; COMP_WORDS=(hotswapd ro); COMP_CWORD=1; _shtab_hotswapd; echo "${COMPREPLY[@]}"'
    assert _said("bash", "-c", bash, str(share / "bash-completion/completions/hotswapd")) == "rollback"
    need(shutil.which("zsh"), "zsh")
    zsh = "fpath=($1 $fpath); autoload -U compinit; compinit -u -d $2; print $_comps[hotswapd]"
    assert _said("zsh", "-f", "-c", zsh, "-", str(share / "zsh/site-functions"), str(tmp_path / "dump")) == "_hotswapd"
    need(shutil.which("fish"), "fish")
    fish = ("fish", "--private", "-c", "complete -C 'hotswapd ro'")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # fish completes only what can be run
    places = {"XDG_DATA_DIRS": f"{share}:/usr/share", "XDG_CONFIG_HOME": str(tmp_path / "none"), "PATH": path}
    assert _said(*fish, env={**os.environ, **places}).startswith("rollback")


def _said(*command: str, **how: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, **how
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.timeout(600)
def test_the_service_under_a_real_systemd(machine: Machine, tmp_path: Path) -> None:
    """Three places go live, bad ones change nothing, and neither a kill nor a hang nor a reload loses what is live."""
    install(machine, NOTIFY_RELOAD="1")
    verified = machine.run("systemd-analyze", "verify", UNIT)
    assert (verified.stdout, verified.stderr) == ("", "")
    with outside(machine, tmp_path) as places:
        machine.run("systemctl", "start", UNIT)
        assert machine.show("StatusText") == "the bare base model is live"
        _is_confined(machine, places)
        _each_place_goes_live(places)
        _bad_ones_change_nothing(places, tmp_path)
        _goes_back_by_hand(machine)
        _reloads(machine, places)
        _survives(machine, places)
    machine.run("systemctl", "stop", UNIT)
    assert (machine.show("Result"), machine.show("ExecMainStatus")) == ("success", "0")
    assert (machine.root / "var/lib/hotswapd/ledger.sqlite").exists()


def _is_confined(machine: Machine, places: Outside) -> None:
    """It is a user of its own with private folders, and asks for the key that systemd has given it."""
    pid = machine.show("MainPID")
    assert machine.run("ps", "-o", "user=", "-p", pid).stdout.strip() == "hotswapd"
    assert machine.run("stat", "-c", "%a %U", "/var/lib/hotswapd", "/var/cache/hotswapd", "/run/hotswapd").stdout == (
        "700 hotswapd\n700 hotswapd\n750 hotswapd\n"
    )
    assert machine.run("stat", "-c", "%a", "/run/hotswapd/control.sock").stdout == "660\n"
    assert _models(places, "wrong") == 401
    assert _models(places, API_KEY) == 200


def _models(places: Outside, key: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{places.port}/v1/models")
    request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _each_place_goes_live(places: Outside) -> None:
    for number, bring in enumerate((places.drop, places.upload, places.commit), 1):
        row = places.outcome(bring(home() / f"run-{number - 1}", f"good-{number}"), number - 1)
        assert (row["state"], row["generation"]) == ("LIVE", number), row


def _bad_ones_change_nothing(places: Outside, room: Path) -> None:
    for index, bring in enumerate((places.drop, places.upload, places.commit)):
        row = places.outcome(bring(spoilt(index, room), f"bad-{index}"), 3 + index)
        assert (row["state"], row["reason"]) == ("REJECTED", "non_finite"), row
    assert places.machine.live() == 3
    assert "generation 3 is live" in places.machine.show("StatusText")


def _goes_back_by_hand(machine: Machine) -> None:
    """The command line on the socket, as the operator uses it; a rollback pins."""
    machine.run("hotswapd", "rollback")
    status = json.loads(machine.run("hotswapd", "status", "--json").stdout)
    assert (status["live"]["generation"], status["pinned"]) == (2, True)
    machine.run("hotswapd", "unpin")


def _reloads(machine: Machine, places: Outside) -> None:
    """A reload waits until it is done: a new folder is watched then; what needs a restart is refused, and said."""
    file = machine.root / "etc/hotswapd/hotswapd.toml"
    good = file.read_text()
    pid = machine.show("MainPID")
    file.write_text(good.replace("max_rank = 8", "max_rank = 16").replace("good-", "x"))
    machine.run("systemctl", "reload", UNIT)
    assert "model.max_rank" in machine.show("StatusText")
    assert "refused" in machine.show("StatusText")
    (machine.root / "srv/more").mkdir(mode=0o755)
    file.write_text(good.replace('path = "/srv/adapters"', 'path = "/srv/more"'))
    machine.run("systemctl", "reload", UNIT)
    assert "generation 2 is live" in machine.show("StatusText")
    before = places.swaps()
    copy_for_all(home() / "run-2", machine.root / "srv/more/again")
    assert places.outcome("file:///srv/more/again", before)["state"] == "LIVE"
    assert machine.show("MainPID") == pid


def _survives(machine: Machine, places: Outside) -> None:
    """Killed, it is started again; hanging, the watchdog kills it, shows where it hung, and it is started again."""
    live = machine.live()
    machine.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
    machine.until_shows("NRestarts", "1")
    machine.until_shows("ActiveState", "active")
    machine.until_live(live)
    (machine.root / HANG.lstrip("/")).touch()
    machine.until_shows("NRestarts", "2", "the watchdog lets a hanging worker hang")
    machine.until_shows("ActiveState", "active")
    machine.until_live(live)
    said = machine.run("journalctl", "-u", UNIT, "-o", "cat", "--no-pager").stdout
    assert '"thread": "gpu worker"' in said
    assert "in _hang" in said
    assert "Watchdog timeout" in said
