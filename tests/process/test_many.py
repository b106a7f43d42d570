"""Thousands at once: the newest is live, each has a row, and neither work nor memory go with their number."""

import json
import struct
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import make_adapter
from kits.clock import Clock
from kits.costs import calls
from kits.faults import question, truth
from kits.folders import CONFIG, WEIGHTS
from kits.room import LIMIT, Room, folder, home, make_room
from kits.waiting import until

from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.pipeline.changes import Changes
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.loaders.local.source import LocalSource

MANY, BURST, FEW = 5000, 1000, 250
LEAK = 32 << 20
"""Bytes. Scans that kept what they saw, a few hundred bytes an adapter, would grow by this in sixty; ten kilobytes an
adapter, its parsed header for instance, in one."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small adapter; the last value of its weights tells its copies apart."""
    return make_adapter(home() / "base", tmp_path_factory.mktemp("small") / "a", rank=2, targets=["q_proj"])


def write_many(small: Path, place: Path, count: int, first: int = 0) -> None:
    """Write adapters that all differ, the newest last."""
    config, content = (small / CONFIG).read_bytes(), bytearray((small / WEIGHTS).read_bytes())
    for index in range(first, first + count):
        struct.pack_into("<f", content, len(content) - 4, 0.1 + index * 1e-4)
        directory = place / f"run-{index:05}"
        directory.mkdir()
        (directory / WEIGHTS).write_bytes(content)
        (directory / CONFIG).write_bytes(config)


@pytest.fixture(scope="module")
def crowded(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A daemon that was started on a folder with thousands of adapters, a moment ago or a test ago."""
    with make_room(tmp_path_factory.mktemp("many")) as room:
        room.configure(source=folder(rescan=0.5))
        write_many(small, room.root / "adapters", MANY)
        room.ready()
        until_live(room, MANY - 1)
        yield room


def until_live(room: Room, index: int) -> Path:
    """Wait until the adapter with this number is live, and nothing waits; return where it lies."""
    place = room.root / "adapters" / f"run-{index:05}"
    room.until(lambda: room.status()["live"]["uri"] == place.as_uri(), f"{place} is never live")
    room.until(lambda: not room.status()["queue"], "something waits for ever")
    return place


def history(room: Room) -> list[dict[str, Any]]:
    return list(room.client.get("/history?limit=10000"))


def ends(room: Room, first: int, count: int) -> list[str]:
    """Name how each of these adapters has ended; each must have exactly one row."""
    names = {(room.root / "adapters" / f"run-{index:05}").as_uri() for index in range(first, first + count)}
    rows = [row for row in history(room) if row["uri"] in names]
    assert {row["uri"] for row in rows} == names
    assert len(rows) == count
    return sorted(row["state"] for row in rows)


def answers_as(room: Room, adapter: Path) -> None:
    """Ask, and compare with a fresh PEFT load."""
    url = f"http://{room.events('listening')[-1]['http']}/v1/completions"
    request = urllib.request.Request(url, question(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as got:
        assert json.load(got)["choices"][0]["text"] == truth(adapter)


def _look(inbox: Inbox, source: LocalSource) -> None:
    inbox.scanned("s", source.scan())


@pytest.mark.slow
def test_a_scan_costs_in_proportion_to_the_folder(small: Path, tmp_path: Path) -> None:
    """The first look, the one after they have settled, and one that sees nothing new; the ledger's work included."""
    work: dict[int, list[int]] = {}
    for count in (FEW, 10 * FEW):
        (tmp_path / str(count)).mkdir()
        write_many(small, tmp_path / str(count), count)
        clock = Clock()
        source = LocalSource("s", tmp_path / str(count), settle=2.0, clock=clock)
        ledger = Ledger(tmp_path / f"{count}.sqlite")
        inbox = Inbox(ledger, ["s"], Changes())
        inbox.open({})
        work[count] = []
        for _ in range(3):
            work[count].append(calls(partial(_look, inbox, source)))
            clock.now += 3.0
        assert {row.state for row in ledger.rows.history(20 * FEW)} == {"SIGHTED"}
        assert len(ledger.rows.history(20 * FEW)) == count
        source.close()
        ledger.close()
    assert all(many <= 11 * few for few, many in zip(*work.values(), strict=True))


@pytest.mark.slow
def test_the_newest_of_thousands_at_the_start_is_live(crowded: Room) -> None:
    """Every one has a row in the ledger, and those that were not the newest were never tried."""
    newest = crowded.root / "adapters" / f"run-{MANY - 1:05}"
    assert ends(crowded, 0, MANY - 1) == ["SUPERSEDED"] * (MANY - 1)
    assert [row["generation"] for row in history(crowded) if row["uri"] == newest.as_uri()] == [1]
    if crowded.live() == 1:
        answers_as(crowded, newest)


@pytest.mark.slow
def test_memory_stays_flat_while_thousands_are_watched(crowded: Room) -> None:
    """Scan after scan over the same thousands leaves nothing behind."""

    def last_scan() -> object:
        return crowded.status()["sources"][0]["last_scan"]

    def scanned_since(before: object) -> bool:
        return last_scan() != before

    def scans(count: int) -> None:
        for _ in range(count):
            until(partial(scanned_since, last_scan()), "it never scans again", LIMIT)

    scans(2)
    before = resident_bytes(crowded)
    scans(6)
    grown = resident_bytes(crowded) - before
    print(f"grown by {grown >> 10} KiB in six scans of {MANY}")
    assert grown < LEAK


def resident_bytes(room: Room) -> int:
    """Return how many bytes of memory the daemon holds."""
    lines = Path(f"/proc/{room.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) << 10


@pytest.mark.slow
def test_the_newest_of_a_thousand_at_once_goes_live(crowded: Room, small: Path) -> None:
    """Each has a row and an end: live, retired after a moment of it, or superseded."""
    part = crowded.root / "part"
    part.mkdir()
    write_many(small, part, BURST, first=MANY)
    for place in sorted(part.iterdir()):
        place.rename(crowded.root / "adapters" / place.name)
    newest = until_live(crowded, MANY + BURST - 1)
    found = ends(crowded, MANY, BURST)
    assert found.count("LIVE") == 1
    assert set(found) <= {"LIVE", "RETIRED", "SUPERSEDED"}
    answers_as(crowded, newest)
    part.rmdir()
