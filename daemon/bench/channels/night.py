"""A new adapter for every channel, all at once, as after a night of training: how soon a real daemon has them live."""

import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hotswapd.daemon.bench.process import BenchDaemon, daemon
from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import CONFIG, WEIGHTS, Scene

from .traffic import name_of
from .zipf import BERTHS

_STAGES = ("fetch", "admit", "stage", "verify", "pause")
_POLL = 0.2
_LIMIT = 3600.0


def retrained(scene: Scene, adapters: Sequence[Path], found: Findings) -> None:
    """Bring every channel its first adapter, then every channel a new one, and time the second."""
    serve, source = {"berths": BERTHS}, {"channel": "{1}"}
    with daemon(scene, more={"serve": serve, "source": source}) as served:
        served.start(lambda _: None)
        _bring(served, adapters, "first")
        seconds = _bring(served, adapters, "second")
        rows = served.client.get(f"/history?limit={4 * len(adapters)}")
        status = [_timed(served, "/status") for _ in range(scene.preset.rounds)]
        served.stop()
    facts = {"channels": len(adapters), "states": dict(Counter(row["state"] for row in rows))}
    minutes = len(adapters) / seconds * 60
    found.add("channels.night.candidates", "candidates that go live per minute", "1/min", [minutes], **facts)
    for stage in _STAGES:
        spans = [row["seconds"][stage] for row in rows if row["seconds"].get(stage) is not None]
        found.add(f"channels.night.{stage}", f"of each candidate: {stage}", "s", spans, **facts)
    found.add("channels.night.status", f"GET /status with {len(adapters)} channels", "s", status, **facts)


def _bring(served: BenchDaemon, adapters: Sequence[Path], run: str) -> float:
    """Put an adapter into the folder of each channel, and return the seconds until all are live."""
    part = served.room / f"part-{run}"
    for number, adapter in enumerate(adapters, start=1):
        place = part / name_of(number)
        place.mkdir(parents=True)
        shutil.copyfile(adapter / CONFIG, place / CONFIG)
        shutil.copyfile(adapter / WEIGHTS, place / WEIGHTS)
        _tell_apart(place / CONFIG, run)
    began = time.monotonic()
    for number in range(1, len(adapters) + 1):
        channel = served.folder / name_of(number)
        channel.mkdir(exist_ok=True)
        (part / name_of(number)).rename(channel / run)
    _await_live(served, len(adapters), run)
    return time.monotonic() - began


def _tell_apart(config: Path, run: str) -> None:
    """Make the bytes those of this run alone: white space at the end means nothing."""
    config.write_text(config.read_text(encoding="utf-8") + " " * len(run), encoding="utf-8")


def _await_live(served: BenchDaemon, count: int, run: str) -> None:
    """Look into the ledger, which costs the daemon nothing."""
    path = served.room / "state" / "ledger.sqlite"
    deadline = time.monotonic() + _LIMIT
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        while time.monotonic() < deadline:
            live = "SELECT count(*) FROM swaps WHERE state = 'LIVE' AND uri LIKE ?"
            if database.execute(live, (f"%/{run}",)).fetchone()[0] == count:
                return
            time.sleep(_POLL)
    raise TimeoutError(f"not every channel had its {run} adapter live within {_LIMIT:g} s; the log is {served.log}")


def _timed(served: BenchDaemon, path: str) -> float:
    began = time.perf_counter()
    served.client.get(path)
    return time.perf_counter() - began
