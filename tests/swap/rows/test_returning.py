"""More live generations than berths: what is asked for comes back, in order, and what is busy is left alone."""

import threading
from collections.abc import Iterator

import pytest
from kits.rows import SHORT_ASK, Bench, Held, adapter, bench, digest_of

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import NoBerth
from hotswapd.swap.rows.returning import Returning
from hotswapd.swap.rows.tickets import NoGeneration, Parked, QueueFull

NAMES = ("a", "b", "c", "d")


class Crowd:
    """Four served names on two berths, each with an adapter of its own; numbers are 1 to 4."""

    def __init__(self, made: Bench) -> None:
        self.made = made
        self.rows = made.rows
        self.brought: list[int] = []
        self.fails: Exception | None = None
        self.returning = Returning(made.rows, self._bring, made.resident.drop)
        for index, name in enumerate(NAMES):
            image = self._stage(index)
            made.route(image, index, name)
            made.resident.drop(image)
        self.returning.start()

    def _stage(self, index: int) -> Image:
        while True:
            try:
                return self.made.stage(index)
            except NoBerth:
                assert self.rows.park_idle()

    def _bring(self, parked: Parked) -> Image:
        if self.fails is not None:
            raise self.fails
        kept = self.made.resident.berths.kept(parked.number)
        if kept is not None:
            self.made.resident.hold(kept)
            return kept
        image = self.made.resident.stage(self.made.resident.admit(adapter(parked.number - 1)), parked.digest)
        self.brought.append(parked.number)
        return image

    def right(self, name: str) -> bool:
        ticket, heard = self.made.ask(SHORT_ASK, name=name)
        return self.made.right(ticket, heard, SHORT_ASK) and ticket.generation == NAMES.index(name) + 1


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with bench(berths=2, max_queue=4) as one:
        yield one


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with bench(berths=2, max_queue=4) as made:
        one = Crowd(made)
        yield one
        one.returning.stop(10.0)


def parked(crowd: Crowd) -> set[int]:
    return {number for number, _ in crowd.rows.parked()}


def test_every_name_answers_with_its_own_generation(crowd: Crowd) -> None:
    """Token by token as a fresh PEFT load, whether it was parked or not; the base needs no berth."""
    assert parked(crowd) == {1, 2}
    for name in ("c", "a", "d", "b", "b", "a", "c"):
        assert crowd.right(name)
    ticket, heard = crowd.made.ask(SHORT_ASK)
    assert crowd.made.right(ticket, heard, SHORT_ASK)
    assert len(parked(crowd)) == 2


def test_one_whose_berth_was_not_needed_is_not_staged_again(crowd: Crowd) -> None:
    assert crowd.rows.park_idle()
    assert parked(crowd) == {1, 2, 3}
    assert crowd.right("c")
    assert crowd.brought == []


def test_what_was_not_asked_for_longest_is_parked(crowd: Crowd) -> None:
    assert crowd.right("c")
    assert crowd.right("a")
    assert parked(crowd) == {2, 4}


def test_requests_for_what_is_parked_wait_in_order_and_nobody_else_does(crowd: Crowd) -> None:
    """Both berths are busy: the third name waits until the one that was not asked for longest has ended."""
    held = {name: Held() for name in ("c", "d")}
    tickets = {name: crowd.made.ask(SHORT_ASK, 8, hear=hear, name=name)[0] for name, hear in held.items()}
    assert held["c"].begun.wait(60)
    waiting = [crowd.made.ask(SHORT_ASK, name=name) for name in ("a", "a", "b")]
    crowd.returning._wake.set()
    ticket, heard = crowd.made.ask(SHORT_ASK)
    for one in held.values():
        one.let_go.set()
    assert crowd.made.right(ticket, heard, SHORT_ASK)
    for name, one in held.items():
        assert one.wait().token_ids == crowd.made.truth(tickets[name].generation, SHORT_ASK, 8)
    for ticket, heard in waiting:
        assert crowd.made.right(ticket, heard, SHORT_ASK)
    assert [number for number in crowd.brought if number in (1, 2)] == [1, 2]


def test_a_channel_has_a_queue_of_its_own(crowd: Crowd) -> None:
    """One whose requests pile up refuses its own, and no other's."""
    crowd.fails = NoBerth("every berth is in use")
    for _ in range(4):
        crowd.made.ask(SHORT_ASK, name="a")
    with pytest.raises(QueueFull):
        crowd.made.ask(SHORT_ASK, name="a")
    ticket, heard = crowd.made.ask(SHORT_ASK, name="d")
    assert crowd.made.right(ticket, heard, SHORT_ASK)
    crowd.fails = None
    crowd.rows.on_wanted()


def test_what_cannot_be_brought_back_is_said_to_those_who_wait(crowd: Crowd) -> None:
    """They fail with a sentence; the next request tries again."""
    crowd.fails = FileNotFoundError("its copy in the store is lost")
    _, heard = crowd.made.ask(SHORT_ASK, name="a")
    last = heard.wait()
    assert last.finish == "error"
    assert "generation 1 cannot be brought back now: its copy in the store is lost" in (last.error or "")
    crowd.fails = None
    assert crowd.right("a")


def test_a_request_that_is_cancelled_needs_no_berth(crowd: Crowd) -> None:
    crowd.fails = NoBerth("every berth is in use")
    ticket, _ = crowd.made.ask(SHORT_ASK, name="a")
    assert crowd.rows.wanted() is not None
    crowd.rows.cancel(ticket)
    assert crowd.rows.wanted() is None
    crowd.fails = None
    assert crowd.right("a")


def test_a_newer_generation_takes_the_name_of_a_parked_one(crowd: Crowd) -> None:
    """Who waits for the older one is answered by it all the same."""
    crowd.fails = NoBerth("every berth is in use")
    old = crowd.made.ask(SHORT_ASK, name="a")
    image = crowd._stage(3)
    crowd.made.route(image, 3, "a")
    crowd.made.resident.drop(image)
    new = crowd.made.ask(SHORT_ASK, name="a")
    crowd.fails = None
    crowd.rows.on_wanted()
    assert crowd.made.right(*old, SHORT_ASK)
    assert crowd.made.right(*new, SHORT_ASK)
    assert (old[0].generation, new[0].generation) == (1, 5)


def test_it_is_asked_for_by_its_number_too(crowd: Crowd) -> None:
    ticket, heard = crowd.made.ask(SHORT_ASK, generation=1)
    assert crowd.made.right(ticket, heard, SHORT_ASK)
    with pytest.raises(NoGeneration, match="g1"):
        crowd.made.ask(SHORT_ASK, generation=99)


def test_a_name_that_is_taken_away_ends_its_requests(crowd: Crowd) -> None:
    crowd.fails = NoBerth("every berth is in use")
    _, waits = crowd.made.ask(SHORT_ASK, name="a")
    _, busy = crowd.made.ask(SHORT_ASK, 400, name="d")
    assert busy.begun.wait(60)
    for name in ("a", "d"):
        crowd.rows.end(name, f"the channel {name} was removed")
    assert [one.wait().error for one in (waits, busy)] == ["the channel a was removed", "the channel d was removed"]
    with pytest.raises(NoGeneration):
        crowd.made.ask(SHORT_ASK, name="a")


def test_many_clients_over_all_names(crowd: Crowd) -> None:
    """Eight at once over four names on two berths: every answer is exact, and none fails."""
    wrong: list[str] = []

    def client(number: int) -> None:
        for turn in range(4):
            name = NAMES[(number * 3 + turn * (number + 1)) % 4]
            try:
                if not crowd.right(name):
                    wrong.append(name)
            except QueueFull:
                continue
            except Exception as error:
                wrong.append(repr(error))

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for one in clients:
        one.start()
    for one in clients:
        one.join(60)
    assert wrong == []


def test_a_start_parks_what_has_no_berth(made: Bench) -> None:
    """It is live without having been staged, and comes when it is asked for."""
    made.rows.park(1, digest_of(0), "later")
    made.made[1] = 0

    def bring(one: Parked) -> Image:
        return made.resident.stage(made.resident.admit(adapter(0)), one.digest)

    returning = Returning(made.rows, bring, made.resident.drop)
    returning.start()
    ticket, heard = made.ask(SHORT_ASK, name="later")
    assert made.right(ticket, heard, SHORT_ASK)
    returning.stop(10.0)
