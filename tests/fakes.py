"""A daemon without a model: what the servers' tests put behind them."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hotswapd.daemon.face import BadRequest, Conflict, FaceError, Peer, Readiness

DIGEST = "ab" * 32
URI = "file:///srv/adapters/run-7"

STATUS: dict[str, Any] = {
    "ready": True,
    "pinned": False,
    "paused": False,
    "live": {"generation": 3, "uri": URI, "revision": "r1", "digest": DIGEST, "since": "2026-11-23T20:00:00Z"},
    "queue": [
        {
            "uri": "file:///srv/adapters/run-8",
            "revision": "r2",
            "state": "WAITING",
            "reason": "incomplete",
            "detail": "the weights are still being written",
            "next_try": "2026-11-23T20:00:05Z",
        }
    ],
    "sources": [
        {"kind": "local", "name": "/srv/adapters", "ok": True, "last_scan": "2026-11-23T20:00:01Z", "error": None},
        {"kind": "s3", "name": "s3://b/p/", "ok": False, "last_scan": None, "error": "access denied"},
    ],
    "lanes": [{"generation": 3, "active": 2, "waiting": 0}],
    "resident": {
        "base": "org/model",
        "device": "cpu",
        "dtype": "float32",
        "slots": 448,
        "max_rank": 64,
        "arena_bytes": 76546048,
        "compiled": True,
        "recompiles": 0,
    },
}
HISTORY: list[dict[str, Any]] = [
    {
        "swap_id": "s2",
        "uri": "file:///srv/adapters/bad",
        "revision": "r2",
        "digest": "cd" * 32,
        "state": "REJECTED",
        "reason": "non_finite",
        "detail": "a tensor holds NaN",
        "generation": None,
        "sighted": "2026-11-23T20:00:00Z",
        "finished": "2026-11-23T20:00:01Z",
        "seconds": {"fetch": 0.1, "admit": 0.2, "stage": None, "verify": None, "pause": None},
    },
    {
        "swap_id": "s1",
        "uri": URI,
        "revision": "r1",
        "digest": DIGEST,
        "state": "LIVE",
        "reason": None,
        "detail": None,
        "generation": 3,
        "sighted": "2026-11-23T19:00:00Z",
        "finished": "2026-11-23T19:00:01Z",
        "seconds": {"fetch": 1.5, "admit": 0.2, "stage": 0.1, "verify": 0.05, "pause": 0.00175},
    },
]


@dataclass(frozen=True)
class FakeAnswer:
    """A completion as the engine gives it."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str = "length"
    generation: int = 3
    digest: str = DIGEST
    prompt_tokens: int = 5


@dataclass
class FakeFace:
    """Answers at once with the values above and writes down what it was asked."""

    readiness: Readiness = field(default_factory=lambda: Readiness(True))
    generation: int = 3
    digest: str = DIGEST
    failure: FaceError | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    gate: threading.Event | None = None
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def ready(self) -> Readiness:
        return self.readiness

    def status(self) -> dict[str, Any]:
        return STATUS

    def history(self, limit: int) -> list[dict[str, Any]]:
        return HISTORY[:limit]

    def submit(self, uri: str, again: bool, peer: Peer | None) -> dict[str, Any]:
        if "://" not in uri and not uri.startswith("/"):
            raise BadRequest("bad_uri", f"{uri} is no adapter's address", "uri")
        return self._did("submit", uri, again)

    def rollback(self, number: int | None, follow: bool, peer: Peer | None) -> dict[str, Any]:
        if number == 99:
            raise Conflict("no_such_generation", "generation 99 is not kept")
        return self._did("rollback", number, follow)

    def pin(self, number: int | None, peer: Peer | None) -> dict[str, Any]:
        return self._did("pin", number)

    def unpin(self, peer: Peer | None) -> dict[str, Any]:
        return self._did("unpin")

    def pause(self, peer: Peer | None) -> dict[str, Any]:
        return self._did("pause")

    def resume(self, peer: Peer | None) -> dict[str, Any]:
        return self._did("resume")

    def complete(self, prompt: str | list[int], max_tokens: int, stop: Sequence[str]) -> FakeAnswer:
        self.asked.append(("complete", prompt, max_tokens, tuple(stop)))
        self.waiting.release()
        if self.gate is not None and not self.gate.wait(10):
            raise AssertionError("the gate never opened")
        if self.failure is not None:
            raise self.failure
        return FakeAnswer("hello", (1, 2, 3), generation=self.generation, digest=self.digest)

    def _did(self, *what: Any) -> dict[str, Any]:
        self.asked.append(what)
        return {"ok": True}
