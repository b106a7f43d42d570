"""A daemon without a model: what the servers' tests put behind them."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hotswapd.daemon.answers import Action, HistoryRow, Overview, Status
from hotswapd.daemon.control.face import Peer
from hotswapd.daemon.errors import BadRequest, Conflict, ErrorCode
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.face import Readiness
from hotswapd.daemon.serve.names import Which
from hotswapd.daemon.serve.question import Question
from hotswapd.daemon.serve.requests.completion import CompletionBody
from hotswapd.daemon.serve.requests.kinds import Body
from hotswapd.daemon.serve.requests.tokens import TokenizeBody
from hotswapd.daemon.serve.speaker import Taken
from hotswapd.daemon.serve.split import NoSplit
from hotswapd.daemon.serve.token_texts import TokenTexts
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.prompts import Wanted, always
from hotswapd.swap.rows.text import TextStream
from hotswapd.swap.rows.tickets import Progress, Ticket

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
    "berths": [
        {
            "berth": 0,
            "channel": "default",
            "generation": 3,
            "digest": DIGEST,
            "use": "live",
            "active": 2,
            "waiting": 0,
        }
    ],
    "resident": {
        "base": "org/model",
        "device": "cpu",
        "dtype": "float32",
        "slots": 448,
        "max_rank": 64,
        "berths": 4,
        "berth_bytes": 76546048,
        "cache_tokens": 32768,
        "one_at_a_time": None,
        "compiled": True,
        "recompiles": 0,
    },
}
HISTORY: list[HistoryRow] = [
    {
        "swap_id": "s2",
        "channel": "default",
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
        "verify": [],
    },
    {
        "swap_id": "s1",
        "channel": "default",
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
        "verify": [],
    },
]
ACTIONS: list[Action] = [
    {
        "at": "2026-11-23T20:00:02Z",
        "action": "rollback",
        "argument": "99",
        "result": "no_such_generation",
        "pid": 4711,
        "uid": 0,
        "gid": 0,
    },
    {
        "at": "2026-11-23T20:00:00Z",
        "action": "resident_lost",
        "argument": "",
        "result": "exit 70",
        "pid": None,
        "uid": None,
        "gid": None,
    },
]


class FakeText(TextStream):
    """Decodes every answer as "hello"."""

    def __init__(self) -> None:
        super().__init__(None)

    def feed(self, token_ids: Sequence[int], *, last: bool = False) -> str:
        return "hello" if last else ""


class FakeTicket(Ticket):
    """A request that nobody computes."""

    def __init__(self, generation: int, digest: str) -> None:
        self.generation, self.digest = generation, digest


class FakeAnswerer(Answerer):
    """Answers every request at once with three tokens, and writes down what it was asked."""

    _split = NoSplit()

    def __init__(self, face: "FakeFace") -> None:
        self.face = face

    def most_items(self) -> int:
        return 10_000

    def most_bytes(self) -> int:
        return 1 << 30

    def prepare(self, body: Body, which: Which, key: str = "", wanted: Wanted = always) -> Question:
        prompt = body.prompt if isinstance(body, CompletionBody) else ""
        self.face.asked.append((prompt, body.limit, body.stops))
        if self.face.failure is not None:
            raise self.face.failure
        copies = body.copies * (len(body.prompts) if isinstance(body, CompletionBody) else 1)
        return Question((Ask((0,) * 5, body.limit or 1, name=which.channel),) * copies, body.copies)

    async def start(self, asks: Sequence[Ask], listeners: Sequence[Callable[[Progress], None]]) -> list[Taken]:
        for hear in listeners:
            if self.face.gate is None:
                hear(Progress((1, 2, 3), self.face.finish))
            else:
                threading.Thread(target=self._after_the_gate, args=(self.face.gate, hear), daemon=True).start()
        self.face.waiting.release()
        return [FakeTicket(self.face.generation, self.face.digest) for _ in asks]

    def tokens(self, body: TokenizeBody, wanted: Wanted = always) -> tuple[int, ...]:
        return (0,) * 5

    def untokenized(self, tokens: Sequence[int]) -> str:
        return "hello"

    def context(self) -> int:
        return 448

    def token_texts(self) -> TokenTexts:
        return TokenTexts(None)

    def cancel(self, taken: Taken, finish: str = "cancelled") -> None:
        self.face.asked.append(("cancel",))

    def _after_the_gate(self, gate: threading.Event, on_progress: Callable[[Progress], None]) -> None:
        gate.wait(30)
        on_progress(Progress((1, 2, 3), self.face.finish))

    def text(self, ask: Ask) -> TextStream:
        return FakeText()

    def generations(self) -> list[int]:
        return [self.face.generation]


@dataclass
class FakeFace:
    """Answers at once with the values above and writes down what it was asked."""

    readiness: Readiness = field(default_factory=lambda: Readiness(True))
    generation: int = 3
    digest: str = DIGEST
    failure: Exception | None = None
    gate: threading.Event | None = None
    finish: str = "length"
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)
    peers: list[Peer | None] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)

    def reset(self) -> None:
        """Forget everything but the numbers, so that one server can be used by several tests."""
        vars(self).update(vars(FakeFace()) | {"metrics": self.metrics})

    def ready(self) -> Readiness:
        return self.readiness

    def status(self, channel: str | None = None) -> Status:
        self.asked += [("status", channel)] if channel else []
        return cast("Status", STATUS)

    def history(self, limit: int, channel: str | None = None) -> list[HistoryRow]:
        self.asked += [("history", channel)] if channel else []
        return HISTORY[:limit]

    def overview(self) -> Overview:
        return cast("Overview", self.shown)

    def exposition(self) -> bytes:
        return self.metrics.text(None, None)

    def actions(self, limit: int) -> list[Action]:
        return ACTIONS[:limit]

    def submit(self, uri: str, again: bool, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        if "://" not in uri and not uri.startswith("/"):
            raise BadRequest(ErrorCode.BAD_URI, f"{uri} is no adapter's address", "uri")
        return self._did(peer, channel, "submit", uri, again)

    def rollback(self, number: int | None, follow: bool, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        if number == 99:
            raise Conflict(ErrorCode.NO_SUCH_GENERATION, "generation 99 is not kept")
        return self._did(peer, channel, "rollback", number, follow)

    def pin(self, number: int | None, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        return self._did(peer, channel, "pin", number)

    def ab_start(self, number: int, weight: float, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        return self._did(peer, channel, "ab_start", number, weight)

    def ab_promote(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        return self._did(peer, channel, "ab_promote")

    def ab_stop(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        raise Conflict(ErrorCode.NO_ROLLOUT, "nothing is beside the live generation")

    def unpin(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        return self._did(peer, channel, "unpin")

    def pause(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        return self._did(peer, channel, "pause")

    def resume(self, peer: Peer | None, channel: str = DEFAULT) -> dict[str, Any]:
        return self._did(peer, channel, "resume")

    def answerer(self) -> Answerer:
        return FakeAnswerer(self)

    def remove_channel(self, channel: str, purge: bool, peer: Peer | None) -> dict[str, Any]:
        return self._did(peer, channel, "remove", purge)

    def _did(self, peer: Peer | None, channel: str, *what: Any) -> dict[str, Any]:
        self.asked.append(what if channel == DEFAULT else (*what, channel))
        self.peers.append(peer)
        return {"ok": True}
