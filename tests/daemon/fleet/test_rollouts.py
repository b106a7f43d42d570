"""A canary and the watch over a fleet: ingresses split, replicas answer, and all that they count is judged together."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from kits.rows import SHORT_ASK
from kits.waiting import until
from kits.watched_fleet import LIMIT, ThreadedReplica, WatchedFleet, drop, watched_fleet

from hotswapd.daemon.config.rollout import Rollout
from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.fleet.book import Book
from hotswapd.daemon.fleet.pointed import Pointed
from hotswapd.daemon.fleet.shared.trail import Follower
from hotswapd.daemon.share import in_share
from hotswapd.swap.rows.ended import Ended

pytestmark = pytest.mark.slow
CALM: dict[str, Any] = {"max_latency_ratio": 0, "max_length_ratio": 0, "max_logprob_drop": 0}


class Ingress:
    """An ingress without HTTP: it splits by what it was told last, and sends each request to the next replica."""

    def __init__(self, fleet: WatchedFleet, name: str) -> None:
        self.fleet = fleet
        self.pointed = Pointed(Follower(fleet.trail))
        self._book = Book(name)
        self._replicas: Iterator[ThreadedReplica] = cycle(fleet.replicas)

    def hear(self) -> None:
        """Speak with the watcher once."""
        assert self.fleet.watching is not None
        self._book.follow(self.pointed.look())
        said = replace(self._book.say(), scores=self.pointed.scores())
        self.pointed.tell(self.fleet.watching.hear_ingress(said), len(said.scores))

    def ask(self, user: str) -> int:
        """Ask as this user, and return the generation that answered, rightly."""
        number, tag = self.pointed.route(user)
        given = self._book.tag("default", self.pointed.look(), number, self.pointed.digests())
        replica = next(self._replicas)
        try:
            assert replica.replica.may_answer(given.number, given.digest)
            ticket, heard = replica.made.ask(SHORT_ASK, generation=given.number, tag=tag, key=user)
            assert replica.made.right(ticket, heard, SHORT_ASK)
        finally:
            self._book.end(given)
        return given.number


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[WatchedFleet]:
    with watched_fleet(tmp_path) as made:
        yield made


def start(fleet: WatchedFleet, **rollout: Any) -> list[Ingress]:
    """Start a watcher with a canary, and two ingresses."""
    fleet.rollout = Rollout(mode="canary", **CALM, **rollout)
    fleet.start()
    return [Ingress(fleet, name) for name in ("i", "j")]


def running(fleet: WatchedFleet, ingresses: list[Ingress], number: int) -> Any:
    """Wait until every ingress splits for this canary; return the rollout's status."""

    def look() -> bool:
        for ingress in ingresses:
            ingress.hear()
        return all(ingress.pointed.number() == number for ingress in ingresses)

    until(look, "no canary runs", LIMIT)
    for replica in fleet.replicas:
        replica.made.made[number] = number - 1
    return fleet.ask("/status")["rollout"]


def test_a_canary_climbs_by_what_all_replicas_count(fleet: WatchedFleet) -> None:
    """Each user gets what the documented hash says, whichever ingress is asked, and each answer is PEFT's."""
    ingresses = start(fleet, steps=(50, 100), min_requests=10, min_seconds=0)
    drop(fleet, 0, "one")
    status = running(fleet, ingresses, 1)
    assert (status["kind"], status["share"], status["live"]["generation"]) == ("canary", 50, 0)
    heard = {ingress.ask(f"user-{at}") for at in range(6) for ingress in ingresses}
    assert heard == {0, 1}
    for at in range(6, 40):
        user = f"user-{at}"
        wanted = 1 if in_share(status["salt"], user, 50) else 0
        heard = {ingress.ask(user) for ingress in ingresses}
        if fleet.reader.look().answers("default")[0]:
            break  # it went live meanwhile, for everybody
        assert heard == {wanted}
    assert fleet.outcome("one")["state"] == "LIVE"
    assert fleet.answers(0)
    step = next(one for one in fleet.ask("/history?verify=1")[0]["verify"] if one["gate"] == "canary")
    assert step["numbers"]["canary_requests"] >= 10
    for ingress in ingresses:
        ingress.hear()
        assert ingress.pointed.route("anybody") == (None, "")


def test_one_replicas_bad_answer_drops_the_canary_everywhere(fleet: WatchedFleet) -> None:
    ingresses = start(fleet, weight=50, min_requests=1000)
    drop(fleet, 0, "one")
    running(fleet, ingresses, 1)
    fleet.replicas[1].unsaid.add(Ended(1, (5,), "stop", True, 0.1, tag="canary@default", client="somebody"))
    row = fleet.outcome("one")
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "canary_worse")
    assert "NaN or infinite" in row["detail"]
    assert fleet.answers(None)


def test_feedback_that_an_ingress_takes_is_counted_by_the_watcher(fleet: WatchedFleet) -> None:
    """Once, and only for what is in a rollout."""
    ingresses = start(fleet, weight=50, min_requests=1000, feedback=True)
    drop(fleet, 0, "one")
    running(fleet, ingresses, 1)
    assert ingresses[0].pointed.scored(1, 0.25)
    assert not ingresses[0].pointed.scored(77, 1.0)
    for _ in range(3):
        ingresses[0].hear()
    assert fleet.ask("/status")["rollout"]["canary"]["feedback"] == 1
    for ingress in (*ingresses, *ingresses):  # one answer's score, which two ingresses took, each twice
        assert ingress.pointed.scored(1, 0.5, "chatcmpl-1")
        ingress.hear()
    assert fleet.ask("/status")["rollout"]["canary"]["feedback"] == 2


def test_the_watch_goes_back_everywhere_for_what_one_replica_has_answered(fleet: WatchedFleet) -> None:
    """The window is over all replicas' requests."""
    fleet.watch = Watch(seconds=600.0, min_requests=3)
    fleet.start()
    for index, name in enumerate(("one", "two")):
        drop(fleet, index, name)
        assert fleet.outcome(name)["state"] == "LIVE"
    assert fleet.answers(1)
    for at, replica in enumerate(fleet.replicas):
        for client in range(3):
            replica.unsaid.add(Ended(2, (5, 6, 7), "stop", True, 0.1, client=f"c{at}{client}"))
    until(lambda: fleet.ask("/status")["live"]["generation"] == 1, "it never goes back", LIMIT)
    assert fleet.answers(0)
    row = fleet.outcome("two")
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "watch_non_finite")
