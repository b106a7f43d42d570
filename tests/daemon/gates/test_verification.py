"""What the first candidate would wait for is done while nothing else is to be done, and gives way like any gate."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from kits.queues import Queue
from kits.rows import SHORT_ASK, Bench, adapter, bench
from structlog.testing import capture_logs

from hotswapd.daemon.config.channels import ChannelTable
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.tables import Admission, Model
from hotswapd.daemon.config.verify import Verify
from hotswapd.daemon.gates.candidacy import Candidacy
from hotswapd.daemon.gates.verification import ByChannel, Verification
from hotswapd.swap.errors import Interrupted, ResidentLost
from hotswapd.swap.gates.spec import Outcome, Verdict
from hotswapd.swap.gates.turns import Surroundings


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with bench() as made:
        yield made


class Turns:
    """Counts what is done before each turn, and does what it is told there."""

    def __init__(self) -> None:
        self.count = 0
        self.act: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        self.count += 1
        self.act()

    def since(self, before: int) -> int:
        return self.count - before


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def verification(made: Bench, turns: Turns) -> Verification:
    settings: Any = SimpleNamespace(verify=Verify(), model=SimpleNamespace(base="tiny"), admission=Admission())
    return Verification(made.engine, settings, Surroundings(between=turns))


def tried(made: Bench, verification: Verification) -> None:
    """Have a good adapter tried by every gate."""
    image = made.resident.stage(made.resident.admit(adapter(1)), "1" * 64)
    try:
        verification.run(Candidacy(image, "file:///a", adapter(1)), lambda _: None)
    finally:
        made.resident.drop(image)


def test_once_prepared_the_first_candidate_costs_no_more(made: Bench, verification: Verification, turns: Turns) -> None:
    """It takes turns once and not again; what is live answers as before."""
    assert verification.prepare()
    first = turns.count
    assert first > 0
    assert not verification.prepare()
    assert turns.count == first
    costs = []
    for _ in range(2):
        before = turns.count
        tried(made, verification)
        costs.append(turns.since(before))
    assert costs[0] == costs[1] > 0
    ticket, heard = made.ask(SHORT_ASK)
    assert made.right(ticket, heard, SHORT_ASK, 8)


def test_without_it_the_first_candidate_does_it(made: Bench, verification: Verification, turns: Turns) -> None:
    """A candidate that comes at once waits for nothing but itself."""
    tried(made, verification)
    first = turns.count
    tried(made, verification)
    assert turns.since(first) < first


def test_the_base_is_read_once_for_all_channels(made: Bench, turns: Turns) -> None:
    """A channel with a table of its own costs its candidates what one without costs them."""
    own = (
        ChannelTable(name="support", verify=Verify(max_loss=0.5)),
        ChannelTable(name="sales", verify=Verify(max_loss=0.4)),
    )
    settings = Settings(model=Model(base="tiny"), channel=own)
    gates = ByChannel(made.engine, settings, Surroundings(between=turns))
    assert gates.prepare()
    costs = []
    image = made.resident.stage(made.resident.admit(adapter(1)), "1" * 64)
    for name in ("default", "support", "sales"):
        before = turns.count
        gates.run(Candidacy(image, "file:///a", adapter(1), name=name), lambda _: None)
        costs.append(turns.since(before))
    made.resident.drop(image)
    assert costs[0] == costs[1] == costs[2] > 0


def test_it_gives_way_and_is_done_later(made: Bench, verification: Verification, turns: Turns) -> None:
    """Interrupted between two turns it has done nothing, and no berth is touched."""
    before = made.resident.berths.memory.clone()

    def interrupt() -> None:
        if turns.count == 2:
            raise Interrupted("paused", "the queue is paused")

    turns.act = interrupt
    assert not verification.prepare()
    assert torch.equal(made.resident.berths.memory, before)
    assert verification.prepare()


def test_what_goes_wrong_is_said_once_and_ends_nothing(made: Bench, verification: Verification, turns: Turns) -> None:
    """Nobody is to be refused for it yet; the candidate that meets it again is."""

    def divide() -> None:
        raise ZeroDivisionError("division by zero")

    turns.act = divide
    with capture_logs() as logs:
        assert verification.prepare()
        assert not verification.prepare()
    assert [one["event"] for one in logs] == ["not_prepared"]
    assert "division" in logs[0]["detail"]
    with pytest.raises(ZeroDivisionError):
        tried(made, verification)
    turns.act = lambda: None
    tried(made, verification)


def test_a_lost_resident_is_no_matter_of_later(verification: Verification, turns: Turns) -> None:
    """It ends the process, as everywhere."""

    def lose() -> None:
        raise ResidentLost("the device does not answer any more")

    turns.act = lose
    with pytest.raises(ResidentLost):
        verification.prepare()


def test_a_candidate_that_is_there_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker prepares when it has nothing else to do."""
    queue, done = Queue(kind="fake"), []
    queue.model.before_verify = lambda: done.append("tried")
    monkeypatch.setattr(queue.engine, "prepare", lambda caller: done.append("prepared"))
    queue.place.put("one", b"one")
    queue.scan()
    queue.fetch()
    queue.turn()
    assert done == ["tried"]
    queue.turn()
    assert done == ["tried", "prepared"]


@pytest.mark.parametrize("thorough", [True, False])
def test_the_judge_is_asked_by_the_member_that_runs_all(
    made: Bench, verification: Verification, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    asked: list[str] = []

    def verdict(image: object, uri: str, directory: object) -> Verdict:
        asked.append(uri)
        return Verdict("command", Outcome.PASSED)

    monkeypatch.setattr(verification, "_judge", SimpleNamespace(verdict=verdict))
    image = made.resident.stage(made.resident.admit(adapter(1)), "1" * 64)
    try:
        verification.run(Candidacy(image, "file:///a", adapter(1), thorough=thorough), lambda _: None)
    finally:
        made.resident.drop(image)
    assert asked == ["file:///a"] * thorough
