"""Routes: who answers a new request, and for how long a generation keeps its berth."""

from typing import Any

import pytest
import torch
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import integers, sampled_from
from kits.clock import Clock
from kits.sequences import ticket

from hotswapd.swap.berths.berths import Berths
from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import NoBerth
from hotswapd.swap.rows.candidate import CANDIDATE
from hotswapd.swap.rows.routes import Routes
from hotswapd.swap.rows.tickets import NoGeneration, Place, Ticket

COUNT = 4
NAMES = ("default", "support")


class Made:
    """Routes over real berths."""

    def __init__(self, count: int = COUNT) -> None:
        self.clock = Clock(100.0)
        self.berths = Berths(8, count, torch.device("cpu"))
        self.routes = Routes(self.berths, self.clock)
        self.base = Image(torch.empty(0), "0" * 64, generation=0, holders=1)
        self.routes.route(self.base, "default")

    def image(self, number: int | None = None) -> Image:
        """Stage an image that the caller holds."""
        made = self.berths.take(f"{number}")
        made.generation = number
        return made

    def live(self, number: int, name: str = "default") -> Image:
        """Make a new generation live, as the worker does, who lets it go then."""
        made = self.image(number)
        self.routes.route(made, name)
        self.berths.release(made)
        return made

    def ask(self, wanted: Any = None, name: str = "default") -> Ticket:
        place = self.routes.choose(name, wanted)
        assert isinstance(place, Place), "nothing is parked here"
        one = ticket((1,), of=place.image)
        one.place = place
        place.tickets[one.name] = one
        return one

    def end(self, one: Ticket) -> bool:
        assert isinstance(one.place, Place)
        del one.place.tickets[one.name]
        return self.routes.tidy(one.place)


def image_of(one: Ticket) -> Image:
    """Return the image that a request is answered with."""
    assert isinstance(one.place, Place)
    return one.place.image


@pytest.fixture
def made() -> Made:
    return Made()


def test_new_requests_go_to_what_is_live(made: Made) -> None:
    """From the moment of the change on; what was asked before stays where it is."""
    first, old = made.live(1), made.ask()
    made.live(2)
    assert image_of(old) is first
    assert made.ask().generation == 2
    assert made.routes.numbers() == [2, 1]


def test_a_retired_generation_keeps_its_berth_for_its_requests(made: Made) -> None:
    """With the last of them it is kept for a quick return, until its berth is needed."""
    first = made.live(1)
    old = [made.ask(), made.ask()]
    made.live(2)
    assert first.holders == 1
    assert not made.end(old[0])
    assert made.end(old[1])
    assert (first.holders, made.berths.kept(1)) == (0, first)
    assert made.routes.find(1) is None


def test_going_back_to_what_still_answers_needs_no_berth(made: Made) -> None:
    """It is the same place, with its requests."""
    first, old = made.live(1), made.ask()
    made.live(2)
    made.routes.route(first, "default")
    assert made.routes.live("default") is first
    assert made.ask().place is old.place
    made.clock.advance(1000.0)
    assert made.routes.overdue(made.clock.now) == []


def test_a_draining_generation_can_be_asked_for(made: Made) -> None:
    """By its number, while it has requests; then nothing of that number is served, and what is, is listed."""
    made.live(1)
    old = made.ask()
    made.live(2)
    again = made.ask(1)
    assert again.generation == 1
    made.end(old)
    made.end(again)
    with pytest.raises(NoGeneration, match=r"generation 1 is not served any more; there is g2") as caught:
        made.ask(1)
    assert caught.value.available == (2,)


def test_a_withdrawn_generation_takes_no_new_requests(made: Made) -> None:
    """Though those that it has go on."""
    first, old = made.live(1), made.ask()
    made.live(2)
    assert made.routes.close(1) is False
    with pytest.raises(NoGeneration):
        made.ask(1)
    assert made.routes.numbers() == [2]
    assert first.holders == 1
    assert made.end(old)


def test_what_is_live_cannot_be_closed(made: Made) -> None:
    """A rollback goes elsewhere first."""
    made.live(1)
    assert made.routes.close(1) is False
    assert made.ask().generation == 1
    assert made.routes.close(7) is False


def test_what_is_open_answers_by_its_number_alone(made: Made) -> None:
    """A canary: who asks for no number does not meet it."""
    made.live(1)
    canary = made.image(2)
    made.routes.open(canary)
    made.berths.release(canary)
    assert made.routes.numbers() == [1, 2]
    assert made.ask().generation == 1
    asked = made.ask(2)
    assert asked.generation == 2
    assert made.routes.close(2) is True
    assert canary.holders == 1
    made.end(asked)
    assert canary.holders == 0


def test_what_was_open_goes_live_where_it_is(made: Made) -> None:
    """Its requests go on, and it is a canary no more: closing it by its number does nothing."""
    made.live(1)
    canary = made.image(2)
    made.routes.open(canary)
    made.berths.release(canary)
    asked = made.ask(2)
    made.routes.route(canary, "default")
    assert made.ask().place is asked.place
    assert made.routes.close(2) is False
    assert made.ask().generation == 2


def test_each_name_has_its_own(made: Made) -> None:
    """One generation may be live under two; it is retired with the last of them."""
    shared = made.live(1)
    made.routes.route(shared, "support")
    made.live(2)
    assert made.ask(name="support").generation == 1
    assert made.ask().generation == 2
    assert made.routes.find(1) is not None
    made.clock.advance(1000.0)
    assert made.routes.overdue(made.clock.now) == []
    made.live(3, "support")
    made.clock.advance(1.0)
    assert [one.generation for one in made.routes.overdue(made.clock.now)] == [1]


def test_a_name_that_nothing_is_live_under_is_told(made: Made) -> None:
    """And so is one whose route was taken away."""
    with pytest.raises(NoGeneration, match="the live generation"):
        made.ask(name="nowhere")
    made.live(1, "support")
    made.routes.unroute("support")
    made.routes.unroute("support")
    with pytest.raises(NoGeneration):
        made.ask(name="support")
    assert made.routes.live("support") is None


def test_a_lent_berth_answers_for_the_candidate_alone(made: Made) -> None:
    """It has no number yet, is listed nowhere, and needs its berth until it is taken back."""
    made.live(1)
    candidate = made.image()
    place = made.routes.lend(candidate)
    asked = made.ask(CANDIDATE)
    assert (asked.place, asked.generation) == (place, -1)
    assert made.routes.numbers() == [1]
    with pytest.raises(RuntimeError, match="another candidate is lent"):
        made.routes.lend(made.image())
    place.lent = False
    assert not made.routes.tidy(place)
    assert made.end(asked)
    with pytest.raises(NoGeneration, match="the candidate is not served"):
        made.ask(CANDIDATE)


def test_overdue_are_those_retired_before_a_moment(made: Made) -> None:
    """Whoever is live, or was retired since, has time."""
    made.live(1)
    first = made.ask()
    made.clock.advance(10.0)
    made.live(2)
    second = made.ask()
    made.clock.advance(10.0)
    made.live(3)
    made.ask()
    assert made.routes.overdue(109.0) == []
    assert made.routes.overdue(111.0) == [first]
    assert made.routes.overdue(121.0) == [first, second]


def test_no_request_is_taken_after_the_end(made: Made) -> None:
    """Those under way keep their berths until they have ended."""
    first = made.live(1)
    old = made.ask()
    canary = made.image(2)
    made.routes.open(canary)
    made.berths.release(canary)
    made.routes.unroute_all()
    for wanted in (None, 2):
        with pytest.raises(NoGeneration):
            made.ask(wanted)
    assert (first.holders, canary.holders) == (1, 0)
    made.end(old)
    assert list(made.routes) == []


def test_an_image_whose_berth_may_be_used_again_goes_nowhere(made: Made) -> None:
    """Its content may be another adapter's by now."""
    gone = made.image()
    made.berths.release(gone)
    with pytest.raises(RuntimeError, match="may be used again"):
        made.routes.route(gone, "default")


class RoutesMachine(RuleBasedStateMachine):
    """The worker and clients, at random: whoever needs a berth has it, and nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self.made = Made()
        self.number = 0
        self.asked: list[Ticket] = []

    def _stage(self) -> Image | None:
        self.number += 1
        try:
            return self.made.image(self.number)
        except NoBerth:
            assert all(one.holders for one in self.made.berths.images())
            assert not self.made.berths.room()
            return None

    @rule(name=sampled_from(NAMES))
    def go_live(self, name: str) -> None:
        image = self._stage()
        if image is not None:
            self.made.routes.route(image, name)
            self.made.berths.release(image)

    @rule()
    def open(self) -> None:
        image = self._stage()
        if image is not None:
            self.made.routes.open(image)
            self.made.berths.release(image)

    @rule(back=integers(1, 5), name=sampled_from(NAMES))
    def go_back(self, back: int, name: str) -> None:
        number = self.number - back
        place = self.made.routes.find(number)
        image = place.image if place is not None else self.made.berths.kept(number)
        if image is not None:
            self.made.berths.hold(image)
            self.made.routes.route(image, name)
            self.made.berths.release(image)

    @rule(back=integers(0, 5))
    def close(self, back: int) -> None:
        self.made.routes.close(self.number - back)

    @rule(name=sampled_from(NAMES))
    def unroute(self, name: str) -> None:
        if name != "default":
            self.made.routes.unroute(name)

    @rule(name=sampled_from(NAMES), back=integers(-1, 5))
    def ask(self, name: str, back: int) -> None:
        wanted = None if back < 0 else self.number - back
        try:
            self.asked.append(self.made.ask(wanted, name))
        except NoGeneration as error:
            assert wanted not in error.available
        else:
            assert wanted in (None, self.asked[-1].generation)

    @rule(which=integers(0, 100))
    def end(self, which: int) -> None:
        if self.asked:
            self.made.end(self.asked.pop(which % len(self.asked)))

    @invariant()
    def who_needs_a_berth_has_it(self) -> None:
        held = {id(one) for one in self.made.berths.images() if one.holders}
        needed = {id(place.image) for place in self.made.routes if place.image.generation != 0}
        assert held == needed
        assert all(place.needed for place in self.made.routes)
        for one in self.asked:
            assert one.place in list(self.made.routes)
            image = image_of(one)
            assert image.generation == 0 or image in self.made.berths.images()

    @invariant()
    def a_name_has_one_generation(self) -> None:
        for name in NAMES:
            places: list[Place] = [place for place in self.made.routes if name in place.names]
            live = self.made.routes.live(name)
            assert [place.image for place in places] == ([] if live is None else [live])

    @invariant()
    def all_that_is_listed_can_be_asked_for(self) -> None:
        for number in self.made.routes.numbers():
            assert self.made.routes.choose("default", number).number == number


RoutesMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestRoutes = RoutesMachine.TestCase
