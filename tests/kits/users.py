"""What the tests of rollouts share: users who ask the real daemon, and what is known of who gets what."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from hotswapd.daemon.answers import RolloutStatus
from hotswapd.daemon.share import in_share
from kits.faults import GENERATION, Clients, question
from kits.room import Room, folder

CALM = "max_latency_ratio = 0\nmax_length_ratio = 0"
"""A crowded machine says nothing of a canary."""


@dataclass(slots=True)
class Users(Clients):
    """Ask as users, and check each answer against PEFT's."""

    def ask_as(self, user: str, model: str = "", header: str = "") -> tuple[int, str]:
        """Ask once; return the generation that answered and the answer's id."""
        body: dict[str, Any] = json.loads(question())
        body |= {"user": user} if user else {}
        body["model"] += model
        request = urllib.request.Request(f"{self.url}/v1/completions", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        if header:
            request.add_header("X-Hotswapd-User", header)
        with urllib.request.urlopen(request, timeout=60) as got:
            answer = json.load(got)
            return self.check(answer, int(got.headers[GENERATION])), str(answer["id"])

    def rate(self, number: str, score: Any) -> dict[str, Any]:
        """Send feedback; raises HTTPError."""
        data = json.dumps({"id": number, "score": score}).encode()
        request = urllib.request.Request(f"{self.url}/v1/feedback", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as got:
            return dict(json.load(got))


def configure(room: Room, rollout: str, max_logprob_drop: float = 0, **tables: str) -> None:
    """Set the rollout, with a folder that settles at once; answers of noise may be as unlikely as they like."""
    calm = f"{CALM}\nmax_logprob_drop = {max_logprob_drop}"
    room.configure(rollout=f"{calm}\n{rollout}", source=folder(settle=0.05, rescan=1.0), **tables)


def rollout(room: Room) -> RolloutStatus | None:
    status: RolloutStatus | None = room.status()["rollout"]
    return status


def runs(room: Room, canary: int) -> RolloutStatus:
    """Wait until this generation is the canary, and return the rollout's status."""

    def look() -> RolloutStatus | None:
        now = rollout(room)
        return now if now is not None and now["canary"]["generation"] == canary else None

    found = room.until(look, f"generation {canary} never is the canary")
    assert found is not None
    return found


def expected(status: RolloutStatus, user: str) -> int:
    """Compute which generation this user gets, as another system would."""
    arm = status["canary"] if in_share(status["salt"], user, status["share"]) else status["live"]
    return int(arm["generation"])
