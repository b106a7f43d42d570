"""What leaves `fleet.shared`, and when: only what neither the ledger nor a replica needs, and not at once."""

from itertools import count

import pytest
from kits.clock import Clock
from kits.fleet import MemoryPlace

from hotswapd.daemon.fleet.shared.copies import SharedCopies
from hotswapd.daemon.fleet.shared.sweep import Sweep
from hotswapd.loaders.files import CONFIG, WEIGHTS

A, B, C = (letter * 64 for letter in "abc")


class Scene:
    def __init__(self, *digests: str) -> None:
        self.place, self.clock = MemoryPlace(), Clock()
        self.copies = SharedCopies(self.place)
        self.sent: list[str] = []
        self.sweep = Sweep(self.copies, self.send, self.clock)
        for digest in digests:
            self.put(digest)

    def put(self, digest: str) -> None:
        for name in (WEIGHTS, CONFIG):
            self.place.create(f"adapters/{digest}/{name}", b"x")

    def send(self, digest: str) -> None:
        self.sent.append(digest)
        self.put(digest)

    def run(self, seconds: float, *needed: str) -> list[str]:
        """Take a step every half second, and return what went."""
        gone = []
        for _ in range(int(2 * seconds)):
            gone += self.sweep.step(needed)
            self.clock.advance(0.5)
        return gone


def test_what_nobody_needs_goes_after_a_minute_and_nothing_else_does() -> None:
    scene = Scene(A, B, C)
    scene.sweep.want([A])
    assert scene.run(59.0, B) == []
    assert scene.run(22.0, B) == [C]
    assert scene.copies.digests() == {A: True, B: True}


def test_nothing_goes_before_the_ledger_has_said_what_it_needs() -> None:
    scene = Scene(A)
    assert scene.run(200.0) == []


def test_what_is_needed_again_meanwhile_stays() -> None:
    scene = Scene(A, B)
    scene.sweep.want([])
    assert scene.run(50.0) == []
    scene.sweep.want([A])
    scene.sweep.sending(B)
    assert scene.run(30.0) == []
    assert scene.run(60.0) == [B]


def test_what_a_replica_needs_since_the_last_look_stays() -> None:
    """Its generation was kept by a replica from an earlier term, say, which has only now reported."""
    scene = Scene(A)
    scene.sweep.want([])
    assert scene.run(60.0) == []
    assert scene.run(1.0, A) == []


def test_a_step_removes_a_few() -> None:
    digests = [f"{at:064d}" for at in range(9)]
    scene = Scene(*digests)
    scene.sweep.want([])
    scene.run(60.0)
    steps = [len(scene.sweep.step(())) for _ in range(4)]
    assert steps == [4, 4, 1, 0]


def test_what_replicas_need_is_sent_again_where_somebody_has_removed_it() -> None:
    """All of it, or its last file alone: a watcher that hung within a removal was overtaken meanwhile."""
    scene = Scene(A, B)
    scene.copies.remove(A)
    scene.place.remove(f"adapters/{B}/{CONFIG}")
    scene.run(1.0, A, B)
    assert scene.sent == [A, B]
    assert scene.copies.digests() == {A: True, B: True}
    scene.run(21.0, A, B)
    assert scene.sent == [A, B]


def test_what_this_disk_lacks_too_keeps_nothing_else_from_being_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()

    def send(digest: str) -> None:
        if digest == A:
            raise FileNotFoundError(2, "it is not in the store", digest)
        scene.send(digest)

    monkeypatch.setattr(scene.sweep, "_send", send)
    scene.run(1.0, A, B)
    assert scene.sent == [B]


@pytest.mark.parametrize("at", range(40))
def test_bytes_that_are_sent_at_any_moment_are_there_for_a_minute(at: int) -> None:
    """Whoever sends finds out afterwards whether they are there, and so does not rely on what is about to go."""
    scene, steps = Scene(A), count()
    scene.sweep.want([])
    scene.run(58.0)
    for step in steps:
        if step == at:
            scene.sweep.sending(A)
            scene.put(A)
            break
        scene.run(0.5)
    assert scene.run(40.0) == []
    assert scene.copies.digests() == {A: True}
