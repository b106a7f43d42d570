"""Starting again: what was live is live before the daemon is ready, whatever became of its source or its copy."""

import shutil
import signal

import pytest
from kits.adapters import digest_of
from kits.faults import Clients, goes_live
from kits.folders import WEIGHTS
from kits.room import Room, home


def start_again(room: Room) -> None:
    """Stop the daemon and start it again."""
    room.process.signal(signal.SIGTERM)
    assert room.process.wait() == 0
    room.ready()


def digests_in_store(room: Room) -> set[str]:
    return {path.name for path in room.artifacts.iterdir()}


def start_again_and_tidy_up(room: Room) -> None:
    """Kill it, start it again, and wait until it has removed from the store what nobody needs."""
    room.process.kill()
    left = room.nobodys()
    room.ready()
    room.until(lambda: not left.exists(), "it is never tidied up")


def live_three(room: Room) -> list[str]:
    """Start it and make three generations, one after the other; return their addresses."""
    room.ready()
    uris = []
    for index in range(3):
        uris.append(room.drop(f"run-{index}"))
        goes_live(room, uris[-1])
    return uris


def served(room: Room) -> tuple[int, str]:
    """Ask, have the answer compared with PEFT's, and return the generation and the digest that it has."""
    generation, live = Clients(room).ask(), room.status()["live"]
    assert live["generation"] == generation
    return generation, live["digest"]


def until_scanned(room: Room) -> None:
    room.until(lambda: room.status()["sources"][0]["last_scan"], "it never scans")


def test_without_its_source_it_answers_as_before(room: Room) -> None:
    """The watched folder is gone: the last generation answers from the first moment, and the source is said to be."""
    live_three(room)
    before = served(room)
    shutil.move(room.root / "adapters", room.root / "away")
    start_again(room)
    assert served(room) == before == (3, digest_of(home() / "run-2"))
    room.until(lambda: room.status()["sources"][0]["error"], "nobody says that the folder is gone")


def test_a_restart_keeps_history_rollback_and_pin(room: Room) -> None:
    """No row is added by a start; what was rolled back to is live after it, and pinned."""
    uris = live_three(room)
    start_again(room)
    until_scanned(room)
    rows = room.client.get("/history")
    ended = [(row["state"], row["uri"]) for row in rows]
    assert ended == [("LIVE", uris[2]), ("RETIRED", uris[1]), ("RETIRED", uris[0])]
    room.client.post("/rollback", {"generation": 1})
    start_again(room)
    until_scanned(room)
    assert served(room) == (1, digest_of(home() / "run-0"))
    assert room.status()["pinned"]
    assert len(room.client.get("/history")) == 4


def test_bad_ones_in_a_row_do_not_cost_the_good_one(room: Room) -> None:
    """It is gone back to though the newest generations are those that were rolled back from, and comes back."""
    room.configure(state="keep = 2")
    room.ready()
    for index in range(3):
        goes_live(room, room.drop(f"run-{index}"))
        if index:
            start_again_and_tidy_up(room)
            room.client.post("/rollback", {"follow": True})
    start_again_and_tidy_up(room)
    assert served(room) == (1, digest_of(home() / "run-0"))
    assert digests_in_store(room) == {digest_of(home() / f"run-{index}") for index in range(3)}


def test_leftovers_of_a_death_are_collected(room: Room) -> None:
    """A process that is killed right after each swap never tidies up; the next one does without being asked."""
    live_three(room)
    start_again_and_tidy_up(room)
    assert digests_in_store(room) == {digest_of(home() / f"run-{index}") for index in range(3)}


def test_what_is_going_live_is_not_collected(room: Room) -> None:
    """An operator pinned it, and fewer generations are kept since: it is none of those, and answers again.

    The start hangs right before it is laid out, while the main thread makes its rounds.
    """
    live_three(room)
    room.client.post("/pin", {"generation": 1})
    room.configure(state="keep = 1")
    room.process.kill()
    room.process.wait()
    now = room.arm("restore", "hang")
    now.touch()
    process = room.start(WATCHDOG_USEC="900000", WATCHDOG_PID="")
    room.until(lambda: not now.exists(), "it never comes to what was live")
    room.expect("WATCHDOG", after=len(room.hear()))
    process.kill()
    process.wait()
    room.ready()
    assert served(room) == (1, digest_of(home() / "run-0"))
    kept = {digest_of(home() / f"run-{index}") for index in (0, 2)}
    room.until(lambda: digests_in_store(room) == kept, "it is never tidied up")


@pytest.mark.parametrize("follow", [False, True])
def test_a_damaged_copy_is_not_served_and_is_fetched_again(room: Room, follow: bool) -> None:
    """One bit of what is live has changed: an older generation answers until its source has delivered it again.

    That it is live because an operator went back to it, and not on, changes nothing.
    """
    live_three(room)
    damaged = home() / ("run-1" if follow else "run-2")
    if follow:
        room.client.post("/rollback", {"generation": 2, "follow": True})
    copy = room.artifacts / digest_of(damaged) / WEIGHTS
    content = bytearray(copy.read_bytes())
    content[-2] ^= 0x40
    copy.write_bytes(content)
    start_again(room)
    assert room.until_logged("ready", times=2)["generation"] == (1 if follow else 2)
    room.until(lambda: room.status()["live"]["digest"] == digest_of(damaged), "it is never fetched again")
    assert served(room)[1] == digest_of(damaged)
    assert digest_of(copy.parent) == digest_of(damaged)


def test_a_ledger_from_a_backup_gives_no_number_twice(room: Room) -> None:
    """Two more went live after the backup, and the pointer names the first again."""
    room.ready()
    goes_live(room, room.drop("run-0"))
    room.process.signal(signal.SIGTERM)
    room.process.wait()
    backup = room.root / "backup"
    shutil.copy(room.state / "ledger.sqlite", backup)
    room.ready()
    for name in ("run-1", "run-2"):
        goes_live(room, room.drop(name))
    room.client.post("/rollback", {"generation": 1, "follow": True})
    room.process.kill()
    shutil.copy(backup, room.state / "ledger.sqlite")
    room.ready()
    room.until(lambda: room.live() > 1, "what the backup does not know never goes live")
    numbers = {row["generation"] for row in room.client.get("/history")} - {None}
    assert numbers.isdisjoint({2, 3})
    assert 4 in numbers
