"""SIGKILL at each named place of an adapter's way: a restart serves what the pointer names, and nothing is lost.

`make crash` does each ten times; `make test` those between which the files change.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from kits.crashes import Crashes, asked_through_deaths
from kits.room import LIMIT, make_room
from kits.waiting import until

from hotswapd.daemon.control.client import NoDaemon, Refused

ROUNDS = int(os.environ.get("HOTSWAPD_TEST_CRASHES", "0"))
"""How often at each place; 0: once, at some of them."""


def drop(crashes: Crashes, place: str, passing: int) -> None:
    """Kill it on an adapter's way from the folder to the requests."""
    crashes.at(place, passing)
    crashes.drop()


def drop_bad(crashes: Crashes, place: str, passing: int) -> None:
    """Kill it after an adapter was found bad, before that is written down."""
    crashes.at(place, passing)
    crashes.drop(spoilt="nan")


def go_back(crashes: Crashes, place: str, passing: int) -> None:
    """Kill it while an operator has it go back to the generation before."""
    crashes.at(place, passing)
    with contextlib.suppress(NoDaemon, Refused, OSError):
        crashes.room.client.post("/rollback", {"follow": True})


def collect(crashes: Crashes, place: str, passing: int) -> None:
    """Kill it while it removes artifacts: more are made until there are too many."""
    crashes.at(place, passing)
    process = crashes.room.process
    for _ in range(16):
        uri = crashes.drop()
        until(partial(ended_or_lives, crashes, uri), f"{uri} is never live", LIMIT)
        if process.ended() is not None:
            return


def ended_or_lives(crashes: Crashes, uri: str) -> bool:
    return crashes.room.process.ended() is not None or lives(crashes, uri)


def lives(crashes: Crashes, uri: str) -> bool:
    try:
        return crashes.is_live(uri)
    except NoDaemon:
        return False


def start(crashes: Crashes, place: str, passing: int) -> None:
    """Kill it while it comes back from a death."""
    crashes.room.process.kill()
    crashes.at(place, passing)
    crashes.room.start()


def end(crashes: Crashes, place: str, passing: int) -> None:
    """Kill it while it ends because it was told to."""
    crashes.at(place, passing)
    crashes.room.process.signal(signal.SIGTERM)


def idle(crashes: Crashes, place: str, passing: int) -> None:
    """Kill it while nothing is in progress."""
    crashes.at(place, passing)


Act = Callable[[Crashes, str, int], None]
POINTS: dict[str, tuple[Act, str, int]] = {
    "an adapter is seen, its row is not committed": (drop, "sighted", 0),
    "its row is committed": (drop, "queued", 0),
    "before the first piece is read": (drop, "piece", 0),
    "between the pieces": (drop, "piece", 1),
    "the configuration is written, not synced": (drop, "copied", 0),
    "the weights are written, not synced": (drop, "copied", 1),
    "everything is synced, it is not yet an artifact": (drop, "synced", 0),
    "it is an artifact, its name is not synced": (drop, "adopted", 0),
    "it is an artifact, its row says it is not": (drop, "fetched", 0),
    "before it is compared with the contract": (drop, "admit", 0),
    "before it is laid out": (drop, "stage", 0),
    "before it is verified": (drop, "verify", 0),
    "it is verified, nothing is changed": (drop, "commit", 0),
    "its change of route has begun": (drop, "seat", 0),
    "the pointer is written, not in its place": (drop, "pointing", 0),
    "the pointer names it, the ledger does not": (drop, "pointed", 0),
    "the ledger says it is live, no request goes to it": (drop, "committed", 0),
    "requests go to it": (drop, "live", 0),
    "it was refused, its row does not show it": (drop_bad, "verdict", 0),
    "a rollback has its berth": (go_back, "rollback", 0),
    "a rollback's change of route has begun": (go_back, "seat", 0),
    "a rollback's pointer is written, the ledger's row not": (go_back, "pointed", 0),
    "a rollback is committed, no request goes to it": (go_back, "committed", 0),
    "during a collection": (collect, "collecting", 0),
    "deaths are counted, the ledger is not yet repaired": (start, "recover", 0),
    "while the base is loaded": (start, "starting", 1),
    "while the model is warmed up": (start, "starting", 4),
    "before what was live is laid out": (start, "restore", 0),
    "what was live is live, the ledger is not yet updated": (start, "restored", 0),
    "requests are being answered and it must stop": (end, "drain", 0),
    "nothing is in progress": (idle, "tick", 0),
}
"""What holds when it dies, and how it is brought there."""
_ALWAYS = {"queued", "synced", "fetched", "pointing", "pointed", "committed", "collecting", "restored", "recover"}


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashes]:
    """One daemon for all of them, that is asked all the while; each death is another one's past."""
    with make_room(tmp_path_factory.mktemp("crash")) as room:
        made = Crashes(room)
        made.arm()
        with asked_through_deaths(made):
            made.comes_back()
            for _ in range(2):
                made.drop()
                made.comes_to_rest()
            yield made
        print(f"{len(made.uris) + len(made.bad)} adapters, {made.answers} answers")


@pytest.mark.slow
@pytest.mark.timeout(600 + 60 * ROUNDS)
@pytest.mark.parametrize("point", POINTS)
def test_killed_there_it_serves_what_the_pointer_names(crashes: Crashes, point: str) -> None:
    """After the restart the answer is PEFT's for the generation that pointer and ledger name; the rest goes its way."""
    act, place, passing = POINTS[point]
    if not ROUNDS and place not in _ALWAYS:
        pytest.skip("`make crash` kills it there too")
    for _ in range(max(1, ROUNDS)):
        began = time.monotonic()
        act(crashes, place, passing)
        crashes.dies()
        crashes.comes_back()
        if act is not drop:
            crashes.drop()
        crashes.comes_to_rest()
        print(f"{point}: {time.monotonic() - began:.1f} s")
