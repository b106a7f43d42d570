"""The real daemon and its service manager: what it says in which state, and how it ends."""

import signal

from kits.room import Room


def test_ready_comes_once_what_was_live_is_live_again(room: Room) -> None:
    """Every step of the start asks for time; ready comes after the restored generation, and names it."""
    room.ready()
    uri = room.drop("run-0")
    assert room.outcome(uri)["state"] == "LIVE"
    room.expect("STATUS", lambda said: said == f"generation 1 is live, {uri}")
    assert room.process is not None
    room.process.kill()
    room.ready()
    notes = room.hear()
    said = [note.get("STATUS", "") for note in notes]
    ready = next(index for index, note in enumerate(notes) if "READY" in note)
    restoring = next(index for index, line in enumerate(said) if line.startswith("restoring generation 1"))
    assert restoring < ready
    assert said[ready] == f"generation 1 is live, {uri}"
    # A round of the main thread may describe the daemon a moment before the worker says ready: that is no step.
    steps = [note for note in notes[:ready] if note.get("STATUS", said[ready]) != said[ready]]
    assert all(int(note["EXTEND_TIMEOUT_USEC"]) > 0 for note in steps)
    assert room.live() == 1


def test_sigterm_says_stopping_and_ends_in_peace(room: Room) -> None:
    """STOPPING comes before the end, with the time that it may take, and the status is 0."""
    process = room.ready()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert any(note.get("STOPPING") == "1" and "EXTEND_TIMEOUT_USEC" in note for note in room.hear())
    assert not (room.root / "control.sock").exists()
