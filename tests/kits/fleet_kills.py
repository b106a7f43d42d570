"""Deaths of a fleet's processes at random moments of a change, and how long until the fleet is as it was."""

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median

import httpx
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, DeploymentStatus

from hotswapd.daemon.fleet.serving.application import NAME
from kits.fleet_adapters import Stock, is_bad
from kits.fleet_census import TITLES, kill
from kits.fleet_http import Deployed
from kits.fleet_watched import CHANNELS, START

KILLS = int(os.environ.get("HOTSWAPD_TEST_FLEET_KILLS", "2"))
SEED = int(os.environ.get("HOTSWAPD_TEST_FLEET_SEED", "1"))
_LOOK = 0.1
_FIRST = 2.0
"""Seconds that a change is taken to last before one has been seen."""


class Kills:
    """Changes under way, one after the other, and a death within each. For one thread."""

    def __init__(self, fleet: Deployed, stock: Stock, seed: int, *, strangers: bool = False) -> None:
        """With `strangers` there may be replicas that the watcher cannot read, and does not name."""
        self._fleet, self._stock, self._strangers = fleet, stock, strangers
        self._random = random.Random(seed)
        self._number = 0
        self._took = [_FIRST]
        self.wrong: list[str] = []
        """What became of changes that should have become something else."""

    def change(self, deed: Callable[[], None]) -> None:
        """Bring the next adapter, do the deed at a random moment, and wait for what becomes of the change."""
        self._number += 1
        began = time.monotonic()
        addresses = self._fleet.watched.bring({CHANNELS[self._number % len(CHANNELS)]: self._stock.of(self._number)})
        time.sleep(self._random.uniform(0, 1.2 * median(self._took)))
        deed()
        said = self._fleet.watched.outcome(addresses)
        if deed is peace:
            self._took.append(time.monotonic() - began)
        if said.startswith("refused: ") is not is_bad(self._number):
            self.wrong.append(f"change {self._number}: {said}")

    def one_of(self, kind: str) -> float:
        """Kill a process of this kind; return the seconds until all is as it was."""
        before = self._fleet.census.all()
        victim = self._random.choice(before[kind])
        at = kill(victim)
        self._await_whole({one: len(pids) for one, pids in before.items()}, victim)
        return time.monotonic() - at

    def node(self) -> float:
        """Kill the second node's raylet, start another; return the seconds until as many processes are well."""
        before = self._fleet.census.all()
        victim = self._fleet.nodes.raylet()
        at = kill(victim)
        self._fleet.nodes.leave()
        self._fleet.nodes.join()
        self._await_whole({one: len(pids) for one, pids in before.items()}, victim)
        return time.monotonic() - at

    def settle_there(self) -> None:
        """Kill replicas of the first node until Serve has put one on the second, which has joined since."""
        census = self._fleet.census
        while not (there := census.children(self._fleet.nodes.raylet(), "replica")):
            before = census.all()
            victim = self._random.choice([pid for pid in before["replica"] if pid not in there])
            kill(victim)
            self._await_whole({one: len(pids) for one, pids in before.items()}, victim)

    def _await_whole(self, wanted: dict[str, int], victim: int) -> None:
        end = time.monotonic() + START
        while why := self._lacks(wanted, victim):
            assert time.monotonic() < end, why
            time.sleep(_LOOK)

    def _lacks(self, wanted: dict[str, int], victim: int) -> str:
        """Say what is not as it was; empty if all is."""
        there = self._fleet.census.all()
        if any(victim in pids for pids in there.values()) or any(len(there[one]) < wanted[one] for one in TITLES):
            return f"there are {there}"
        if not _serve_is_well():
            return "Serve is not well"
        living = self._fleet.notes.pids()
        serving = self._fleet.watched.serving()
        if len(living) < wanted["replica"] or not (self._strangers or living.keys() <= serving):
            return f"{sorted(living)} live, {sorted(serving)} serve"
        return "" if self._is_answered() else "HTTP does not answer"

    def _is_answered(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self._fleet.url}/health", timeout=5.0).status_code == 200
        return False


def peace() -> None:
    """The deed of a change in which nobody dies."""


def _serve_is_well() -> bool:
    with suppress(RayError, RayServeException):
        there = serve.status().applications.get(NAME)
        return (
            there is not None
            and there.status == ApplicationStatus.RUNNING
            and all(one.status == DeploymentStatus.HEALTHY for one in there.deployments.values())
        )
    return False
