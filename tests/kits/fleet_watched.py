"""A fleet's watched folder and its watcher: adapters are brought to one, and the other is asked about them."""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from hotswapd.daemon.fleet.serving.place import NAMESPACE
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.states import OPEN
from hotswapd.loaders.publish.together import publish_together
from kits.waiting import until

CHANNELS = ("default", "a", "b")
START = 300.0
"""Seconds that anything may take: only a hang reaches it."""
_CALL = 10.0
_LOOK = 0.2


def wait_until(condition: Callable[[], object], otherwise: str) -> None:
    """Wait until it holds, by a look now and then that leaves the machine to the fleet."""
    until(condition, otherwise, START, _LOOK)


class Watched:
    """The folder, whose first directory names the channel, and the actor of this name. For several threads."""

    def __init__(self, room: Path, watcher: str) -> None:
        self._room, self._watcher = room, watcher
        self.path = room / "adapters"
        self._brought = count(1)
        for name in CHANNELS:
            (self.path / name).mkdir(parents=True)

    def bring(self, adapters: Mapping[str, Path]) -> list[str]:
        """Rename an adapter into the folder, or publish several as one set; return their addresses."""
        if len(adapters) > 1:
            return [str(one.uri) for one in publish_together(adapters, str(self.path))]
        ((channel, path),) = adapters.items()
        fresh = self._room / f"copy-{next(self._brought)}"
        shutil.copytree(path, fresh)
        return [fresh.rename(self.path / channel / fresh.name).as_uri()]

    def change(self, **adapters: Path) -> str:
        """Bring adapters for channels, all of them as one set; return what became of them: ``live`` or why not."""
        return self.outcome(self.bring(adapters))

    def outcome(self, addresses: list[str]) -> str:
        """Wait until all of these have ended, and return what became of them."""
        end = time.monotonic() + START
        while True:
            rows = {row["uri"]: row for row in self.ask("/history?limit=30")}
            found = [rows[uri] for uri in addresses if uri in rows]
            if len(found) == len(addresses) and all(row["state"] not in OPEN for row in found):
                return "; ".join(dict.fromkeys(map(_said, found)))
            assert time.monotonic() < end, found
            time.sleep(0.1)

    def ask(self, path: str, **fields: Any) -> Any:
        """Ask as an operator does, until a watcher answers: with fields for a change, with none to see."""
        end = time.monotonic() + START
        path, _, query = path.partition("?")
        method, body = ("POST", json.dumps(fields).encode()) if fields else ("GET", b"")
        limit = START if fields else _CALL
        while True:
            with suppress(RayError, ValueError):
                called = ray.get(self.actor().control.remote(method, path, query, body), timeout=limit)
                if called.status == 200:
                    return json.loads(called.body)
                assert called.status == 503, called
            assert time.monotonic() < end, "no watcher answers"
            time.sleep(0.2)

    def actor(self) -> Any:
        """Return whichever actor has the watcher's name now. Raises ValueError if none has."""
        return ray.get_actor(self._watcher, namespace=NAMESPACE)

    def serving(self) -> set[str]:
        """Name the replicas in rotation."""
        return {one["name"] for one in self.ask("/status")["replicas"] if one["serving"]}

    def await_whole(self, replicas: int, without: str) -> None:
        """Wait until so many serve besides this one, which was killed: Serve has loaded the model in another."""
        wait_until(lambda: len(self.serving() - {without}) >= replicas, "Serve has put no other in its place")


def _said(row: Mapping[str, Any]) -> str:
    if row["state"] == "LIVE" or row["reason"] == Reason.ALREADY_LIVE:
        return "live"
    return f"refused: {row['detail']}"
