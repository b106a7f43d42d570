"""One rollout: its split, its counts and its decisions. No thread, no device, no ledger."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from hotswapd.daemon.answers import ArmStatus, RolloutStatus
from hotswapd.daemon.config.rollout import WHOLE, Rollout
from hotswapd.daemon.share import CANARY, LIVE, Share

from .arm import Arm, condemned

if TYPE_CHECKING:
    from hotswapd.swap.rows.ended import Ended


class Action(StrEnum):
    """What to do with the canary."""

    STEP = "step"
    PROMOTE = "promote"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, why, and the numbers behind it."""

    action: Action
    sentence: str
    numbers: dict[str, float]


@dataclass(slots=True)
class Trial:
    """Two generations side by side. Every method is legal on any thread; `judge` and `reminder` are for one thread.

    `salt` goes into the split. Without `decides` it only counts, until somebody promotes or stops it.
    """

    live: int
    canary: int
    salt: str
    table: Rollout
    shares: tuple[float, ...]
    decides: bool = True
    clock: Callable[[], float] = time.monotonic
    step: int = 0
    arms: dict[str, Arm] = field(init=False)
    _began: float = field(init=False)
    _reminded: bool = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Begin the first step."""
        self._begin()

    @property
    def share(self) -> float:
        """The percentage of new requests that go to the canary now."""
        return self.shares[self.step]

    def route(self, key: str) -> str:
        """Return the arm of a key: always the same in one step, and once the canary's, the canary's in later steps."""
        return self.split().arm(key)

    def split(self) -> Share:
        """Return by what requests are split now."""
        return Share(self.live, self.canary, self.salt, self.share)

    def ended(self, ended: "Ended") -> None:
        """Count a request that the split sent to an arm; one that named its generation does not count.

        Nor does one whose client went away before the first token.
        """
        wanted = {LIVE: self.live, CANARY: self.canary}.get(ended.tag)
        if wanted != ended.generation or (ended.finish == "cancelled" and not ended.token_ids):
            return
        with self._lock:
            self.arms[ended.tag].add(ended)

    def scored(self, generation: int, score: float) -> bool:
        """Count feedback; return False if the generation is neither of the two."""
        arm = {self.live: LIVE, self.canary: CANARY}.get(generation)
        with self._lock:
            if arm is not None:
                self.arms[arm].scores.append(score)
        return arm is not None

    def judge(self) -> Decision | None:
        """Decide once in each step, when its requests and seconds are complete; return None before.

        A logit that is NaN or infinite decides at once: it cannot be chance.
        """
        with self._lock:
            canary, live = self.arms[CANARY], self.arms[LIVE]
            if self.decides and canary.non_finite:
                said = f"{canary.non_finite} of {canary.requests} requests had a logit that is NaN or infinite"
                return Decision(Action.DROP, said, self._numbers())
            if not self.decides or not self._complete():
                return None
            found, bad, client = condemned(canary, live, self.table)
            numbers = self._numbers() | {f"p_{one.what}": one.p for one in found}
            if client:
                numbers["one_client"] = 1.0
            if bad is not None:
                return Decision(Action.DROP, f"{bad.sentence} (p = {bad.p:.2g})", numbers)
            return self._next(numbers)

    def status(self) -> RolloutStatus:
        """Describe the rollout and the counts of this step, both arms side by side."""
        with self._lock:
            return {
                "kind": "canary" if self.decides else "ab",
                "share": self.share,
                "steps": [*self.shares, *([WHOLE] if self.decides else [])],
                "salt": self.salt,
                "seconds": round(self.clock() - self._began, 1),
                "waits_for": self._missing() or None,
                "live": self._arm(LIVE, self.live),
                "canary": self._arm(CANARY, self.canary),
            }

    def _arm(self, name: str, generation: int) -> ArmStatus:
        return cast("ArmStatus", {"generation": generation} | self.arms[name].numbers())

    def reminder(self) -> str:
        """Return, once in each step, what it still waits for after its seconds are over; empty otherwise."""
        with self._lock:
            early = self.clock() - self._began < self.table.min_seconds
            if self._reminded or early or not self.decides:
                return ""
            self._reminded = True
            return self._missing()

    def _missing(self) -> str:
        """Return what is missing before the step, or the whole comparison, can be decided."""
        if not self.decides:
            return "somebody who promotes or stops it"
        least, passed = self.table.min_requests, self.clock() - self._began
        missing = [
            f"{arm.requests} of {least} requests in the {name} arm"
            for name, arm in self.arms.items()
            if arm.requests < least
        ]
        if passed < self.table.min_seconds:
            missing.append(f"{passed:.0f} of {self.table.min_seconds:g} seconds")
        return ", ".join(missing)

    def _next(self, numbers: dict[str, float]) -> Decision:
        said = f"with {self.share:g} % of the requests it is no worse than generation {self.live}"
        if self.step + 1 == len(self.shares):
            return Decision(Action.PROMOTE, said, numbers)
        self.step += 1
        self._begin()
        return Decision(Action.STEP, f"{said}; it gets {self.share:g} % now", numbers)

    def _complete(self) -> bool:
        enough = min(arm.requests for arm in self.arms.values()) >= self.table.min_requests
        return enough and self.clock() - self._began >= self.table.min_seconds

    def _begin(self) -> None:
        self.arms = {LIVE: Arm(), CANARY: Arm()}
        self._began = self.clock()
        self._reminded = False

    def _numbers(self) -> dict[str, float]:
        both = {f"{name}_{key}": value for name, arm in self.arms.items() for key, value in arm.numbers().items()}
        return {"share": self.share} | both
