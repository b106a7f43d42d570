"""The daemon in another process: from the drop to live by the ledger's clock, rollback, and restart to ready."""

import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotswapd.daemon.demo.process import DemoDaemon

from .samples import Findings
from .scene import Scene, size_of

STEPS = ("notice", "settle", "fetch", "admit", "stage", "verify", "route")
WHAT = {
    "notice": "from the rename to the first row in the ledger",
    "settle": "until it was seen unchanged for `settle`",
    "fetch": "copied into the store, hashed, synced",
    "admit": "checked against the contract",
    "stage": "read, laid out, checked to be finite",
    "verify": "probes",
    "route": "going live: the pointer, the ledger, the change of route",
}
_ENTERS = {"settle": "SIGHTED", "fetch": "FETCHED", "admit": "ADMITTED", "stage": "STAGED", "verify": "VERIFIED"}


@dataclass(slots=True)
class BenchDaemon(DemoDaemon):
    """A daemon with the scene's sizes."""

    rank: int = 16
    settle: float = 2.0
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Keys by the table of the configuration that they are added to."""

    def _configuration(self) -> str:
        lines: dict[str, dict[str, Any]] = {
            "model": {"base": str(self.base), "max_rank": self.rank},
            "admission": {"base_models": ["*"]},
            "serve": {"port": self.port, "context_tokens": 512, "cache_tokens": 2048, "batch_tokens": 512},
            "state": {"dir": str(self.room / "state")},
            "control": {"socket": str(self.room / "control.sock")},
            "log": {"format": "json"},
        }
        if self.compiled != "auto":
            lines["model"]["compile"] = self.compiled == "true"
        source = {"kind": "local", "name": "bench", "path": str(self.folder), "settle": self.settle}
        for name, keys in self.more.items():
            (source if name == "source" else lines.setdefault(name, {})).update(keys)
        tables = [f"[{name}]\n" + _toml(table) for name, table in lines.items()]
        return "\n".join([*tables, "[[source]]\n" + _toml(source)])

    @property
    def config(self) -> Path:
        """The file that describes it."""
        return self._config

    def events(self) -> dict[str, list[tuple[str, float]]]:
        """Return each swap's states and their times, by URI, from the ledger of a daemon that has stopped."""
        path = self.room / "state" / "ledger.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT uri, events.state, at FROM events JOIN swaps USING (swap_id) ORDER BY events.id"
            ).fetchall()
        found: dict[str, list[tuple[str, float]]] = {}
        for uri, state, at in rows:
            found.setdefault(uri, []).append((state, at))
        return found


def _toml(table: dict[str, Any]) -> str:
    """Write plain values as JSON, which is TOML too."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())


@contextmanager
def daemon(
    scene: Scene,
    compiled: str = "auto",
    cache: Path | None = None,
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[BenchDaemon]:
    """Yield a daemon that is not started yet; it is killed afterwards, whatever happens. `more` is as it has it."""
    room = Path(tempfile.mkdtemp(dir=scene.room, prefix="daemon-"))
    made = BenchDaemon(room, cache or room, Path(scene.base), (), compiled)
    made.rank, made.settle, made.more = scene.rank, scene.preset.settle, more or {}
    made.prepare()
    try:
        yield made
    finally:
        made.kill()


def split(events: list[tuple[str, float]], dropped: float) -> dict[str, float]:
    """Split the time from the drop to live at the ledger's events; a step without an event took no time."""
    live = next(at for state, at in events if state == "LIVE")
    parts, before = {"notice": max(0.0, events[0][1] - dropped)}, max(events[0][1], dropped)
    for step, state in _ENTERS.items():
        entered = next((at for name, at in events if name == state), before)
        parts[step], before = max(0.0, entered - before), max(entered, before)
    return {**parts, "route": live - before, "total": live - dropped}


def measure(scene: Scene) -> Findings:
    """Drop adapters of every size, roll back and forth, and restart."""
    found = Findings()
    drops = max(2, scene.preset.rounds // 5)
    with daemon(scene) as served:
        starts = [served.start(lambda _: None)]
        dropped = {rank: [_drop(scene, served, rank, number) for number in range(drops)] for rank in scene.preset.ranks}
        back = _rollbacks(served, max(2, scene.preset.rounds // 2))
        for _ in range(2):
            served.kill()
            starts.append(served.start(lambda _: None))
        served.stop()
        events = served.events()
    for rank, places in dropped.items():
        _add(found, scene, rank, [split(events[uri], at) for uri, at in places])
    found.add("rollback.by_hand", "rollback asked for on the control socket, to its answer", "s", back)
    found.add("restart.ready", "kill -9 and start: until ready with what was live (as configured)", "s", starts[1:])
    found.add("restart.first", "first start, until ready with the base", "s", starts[:1])
    return found


def _drop(scene: Scene, served: BenchDaemon, rank: int, number: int) -> tuple[str, float]:
    adapter = scene.adapter(rank, 10 + number)
    named = time.time()
    uri = served.drop(adapter)
    renamed = max(named, (served.folder / adapter.name).stat().st_ctime)
    row = served.outcome(uri, limit=300.0)
    if row["state"] != "LIVE":
        raise RuntimeError(f"{adapter} became {row['state']}: {row['detail']}")
    return uri, renamed


def _rollbacks(served: BenchDaemon, times: int) -> list[float]:
    """Go back and forth between the two newest generations."""
    live = served.status()["live"]["generation"]
    taken = []
    for number in range(times):
        began = time.perf_counter()
        served.client.post("/rollback", {"generation": live - 1 if number % 2 == 0 else live, "follow": True})
        taken.append(time.perf_counter() - began)
    return taken


def _add(found: Findings, scene: Scene, rank: int, parts: list[dict[str, float]]) -> None:
    facts = {"file_bytes": size_of(scene.adapter(rank, 10)), "rank": rank, "settle_setting": scene.preset.settle}
    for step in STEPS:
        found.add(f"live.{step}.rank{rank}", WHAT[step], "s", [one[step] for one in parts], **facts)
    found.add(f"live.total.rank{rank}", "from the rename to live", "s", [one["total"] for one in parts], **facts)
