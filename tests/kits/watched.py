"""A real daemon on the trained base that watches one good adapter after another, each under another load."""

from itertools import count
from pathlib import Path
from typing import Any

from hotswapd.daemon.control.client import Refused
from kits.crowd import Crowd
from kits.loads import Load
from kits.room import LIMIT, Room
from kits.trained_home import GOOD
from kits.waiting import until

TRAINED = Path(__file__).resolve().parents[1] / "trained"
_SERVE = {"context_tokens": 512, "cache_tokens": 4096, "batch_tokens": 128}
_FOREVER = 3600


class Watched:
    """Starts it; each load has a generation of its own, whose window is open all the while."""

    def __init__(self, room: Room, max_queue: int = 16) -> None:
        """At most `max_queue` requests wait; others are turned away."""
        self.room = room
        self._next = count()
        serve = _SERVE | {"max_queue": max_queue}
        room.environ |= {"HOTSWAPD_MODEL__BASE": str(TRAINED / "base"), "HOTSWAPD_MODEL__MAX_RANK": "16"}
        room.environ |= {f"HOTSWAPD_SERVE__{key.upper()}": str(value) for key, value in serve.items()}
        room.environ["HOTSWAPD_VERIFY__WATCH__SECONDS"] = str(_FOREVER)
        room.ready()

    @property
    def url(self) -> str:
        return f"http://{self.room.events('listening')[-1]['http']}"

    def goes_live(self) -> int:
        """Make another good adapter live, and return its generation."""
        name = f"good-{next(self._next) % GOOD}"
        row = self.room.outcome(self.room.drop(str(TRAINED / name), name))
        assert row["state"] == "LIVE", row
        return int(row["generation"])

    def under(self, load: Load, requests: int) -> dict[str, Any]:
        """Return what the watch has counted of a new generation after so many requests; it is live as before."""
        number, found = self.loaded(load, requests)
        assert found is not None, self.room.tail()
        assert found["generation"] == number == self.room.live(), self.room.tail()
        return found

    def loaded(self, load: Load, requests: int) -> tuple[int, dict[str, Any] | None]:
        """Return a new generation, and what the watch has counted after so many requests, and judged."""
        number = self.goes_live()
        asking = load.asking(self.url)
        crowd = Crowd(len(asking), lambda at: asking[at]())
        crowd.start()
        try:
            until(lambda: crowd.errors or self._counted(number) >= requests, "too few requests are counted", 3 * LIMIT)
        finally:
            crowd.stop()
        assert not crowd.errors, crowd.errors
        self.judged()
        return number, self.room.status()["watch"]

    def judged(self) -> None:
        """Wait until it has been judged by all that was counted, and by what a suspicion has asked."""
        for _ in range(2):
            until(self._is_quiet, "requests are still being answered", LIMIT)
            self._turn()
            self._turn()

    def _counted(self, number: int) -> float:
        """Count the live generation's requests; if another one is live, there is nothing to wait for."""
        found = self.room.status()["watch"]
        return float(found["requests"]) if found and found["generation"] == number else float("inf")

    def _is_quiet(self) -> bool:
        return not any(one["active"] or one["waiting"] for one in self.room.status()["berths"])

    def _turn(self) -> None:
        """Have the worker do something that changes nothing: before it does, it judges."""
        try:
            self.room.client.post("/ab/stop", {})
        except Refused as refusal:
            assert refusal.status == 409, refusal
