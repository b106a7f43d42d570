"""The schedule: who is in the next step, and with how many tokens."""

from typing import Any

import pytest
from kits.sequences import sequence

from hotswapd.swap.rows.pages import PAGE, Pages
from hotswapd.swap.rows.schedule import Piece, Schedule
from hotswapd.swap.rows.sequence import Sequence


class Planned:
    """A schedule whose steps are computed at once, each answer going on with a token of its own."""

    def __init__(self, pages: int = 64, **sizes: Any) -> None:
        limits = {"batch_tokens": 64, "beside_tokens": 64, "max_requests": 16, **sizes}
        self.pages = Pages(pages)
        self.schedule = Schedule(self.pages, **limits)

    def add(self, count: int, tokens: int = 4, first: int = 0, **how: Any) -> Sequence:
        """Add a request whose prompt is `count` tokens from `first` on."""
        one = sequence(range(first, first + count), tokens, **how)
        self.schedule.add(one)
        return one

    def step(self) -> dict[int, int]:
        """Compute a step; return the tokens that each request had in it, by its order."""
        pieces = self.schedule.plan()
        for piece in pieces:
            self._compute(piece)
        return {piece.sequence.order: piece.count for piece in pieces}

    def _compute(self, piece: Piece) -> None:
        one = piece.sequence
        one.note_computed(one.computed + piece.count, self.pages)
        if one.due:
            return
        one.tokens.append(1000 * one.order + one.made)
        if one.made >= one.ask.max_tokens:
            self.schedule.drop(one)

    def until(self, one: Sequence) -> int:
        """Step until this request has ended, and count the steps."""
        for steps in range(1, 1000):
            self.step()
            if one.ended:
                return steps
        pytest.fail("it never ended")


def test_every_answer_under_way_has_a_token_in_each_step() -> None:
    """Whatever prompts are read beside it."""
    planned = Planned(beside_tokens=16)
    writing = [planned.add(3, tokens=20, first=100 * n) for n in range(3)]
    planned.step()
    long = planned.add(200, first=5000)
    for _ in range(12):
        step = planned.step()
        assert all(step[one.order] == 1 for one in writing)
        assert step[long.order] == 16


def test_prompts_leave_room_for_answers() -> None:
    """A step with answers reads at most `beside_tokens` of prompts; one without reads a whole step of them."""
    planned = Planned(batch_tokens=64, beside_tokens=24)
    long = planned.add(300, first=5000)
    assert planned.step() == {long.order: 64}
    short = planned.add(2, tokens=30)
    planned.step()
    assert planned.step() == {short.order: 1, long.order: 24}


def test_a_step_is_never_larger_than_it_may_be() -> None:
    """Answers and prompts together, and as many answers as there are tokens in a step."""
    planned = Planned(batch_tokens=32, max_requests=32, beside_tokens=32)
    for n in range(30):
        planned.add(5 + 7 * (n % 4), tokens=6, first=1000 * n)
    while step := planned.step():
        assert sum(step.values()) <= 32
    assert planned.schedule.empty
    assert planned.pages.held == 0


def test_a_short_prompt_does_not_wait_for_a_long_one() -> None:
    """Prompts that are read at the same time share the step."""
    planned = Planned(batch_tokens=64)
    long, short = planned.add(400, first=5000), planned.add(20)
    step = planned.step()
    assert step[short.order] == 20
    assert step[long.order] == 32
    assert planned.until(short) < 10
    assert not long.made


def test_what_a_short_prompt_leaves_is_read_of_a_long_one() -> None:
    """The step is full whenever there is enough to read."""
    planned = Planned(batch_tokens=64)
    short, long = planned.add(4), planned.add(400, first=5000)
    assert planned.step() == {short.order: 4, long.order: 60}


def test_keys_take_turns() -> None:
    """One who sends many requests does not keep another one waiting behind all of them."""
    planned = Planned(max_requests=4)
    many = [planned.add(3, tokens=5 + n, first=100 * n, key="many") for n in range(12)]
    planned.step()
    few = planned.add(3, first=9000, key="few")
    planned.until(many[0])
    planned.step()
    assert few in planned.schedule.running
    assert sum(one in planned.schedule.waiting for one in many) == 8


def test_an_answer_that_was_begun_elsewhere_goes_on_before_new_ones() -> None:
    """Though others came before."""
    planned = Planned(max_requests=2)
    running = [planned.add(3, tokens=5 + 20 * n, first=100 * n, client="one") for n in range(2)]
    planned.step()
    new = [planned.add(3, first=1000 + 100 * n, client="one") for n in range(3)]
    given = planned.add(6, tokens=9, first=5000, client="one", given=3)
    planned.until(running[0])
    assert given.order in planned.step()
    assert given in planned.schedule.running
    assert any(one in planned.schedule.waiting for one in new)


def test_a_client_has_one_share_whatever_it_says_of_itself() -> None:
    """Many keys of one client do not keep another client waiting for any of them."""
    planned = Planned(max_requests=4)
    many = [planned.add(3, tokens=5 + n, first=100 * n, key=f"user {n}", client="many") for n in range(12)]
    planned.step()
    few = planned.add(3, first=9000, key="user 0", client="few")
    assert few.order in planned.step()
    assert sum(one in planned.schedule.running for one in many) == 3


def test_one_key_is_served_in_the_order_of_coming() -> None:
    """The first is admitted first."""
    planned = Planned(max_requests=2)
    asked = [planned.add(3, first=100 * n) for n in range(6)]
    ended: list[Sequence] = []
    while planned.step():
        ended += [one for one in asked if one.ended and one not in ended]
    assert ended == asked


def test_a_full_cache_puts_the_newest_back() -> None:
    """The oldest goes on; what was put back goes on later, from what the cache still has of it, and loses nothing."""
    planned = Planned(pages=6, max_requests=8)
    asked = [planned.add(20, tokens=40, first=100 * n) for n in range(3)]
    planned.until(asked[0])
    assert planned.schedule.put_back > 0
    assert asked[0].made == 40
    assert not asked[2].ended
    planned.until(asked[2])
    assert all(one.made == 40 for one in asked)
    assert all(one.tokens[20:] == [1000 * one.order + n for n in range(40)] for one in asked)
    assert planned.pages.held == 0


def test_a_client_that_fills_the_cache_gives_way() -> None:
    """Another one's request begins in the next step; who was put back loses nothing."""
    planned = Planned(pages=12)
    many = [planned.add(30, tokens=60, first=100 * n, client="many") for n in range(6)]
    for _ in range(3):
        planned.step()
    few = planned.add(30, first=9000, client="few")
    assert few.order in planned.step()
    assert planned.schedule.put_back == 1
    for one in many:
        planned.until(one)
        assert one.tokens[30:] == [1000 * one.order + n for n in range(60)]
    assert planned.pages.held == 0


def test_nobody_is_put_back_for_somebody_who_has_as_much() -> None:
    """Two clients with the same share do not put each other back by turns."""
    planned = Planned(max_requests=4)
    for n in range(12):
        planned.add(30, tokens=60, first=100 * n, client=f"client {n % 2}")
    for _ in range(20):
        planned.step()
    assert planned.schedule.put_back == 0
    assert len(planned.schedule.waiting) == 8


def test_a_name_that_fills_the_cache_gives_way_to_another() -> None:
    """Whoever asks for it: names take turns before clients do."""
    planned = Planned(max_requests=4)
    for n in range(12):
        planned.add(3, tokens=20, first=100 * n, name="crowded", client=f"client {n}")
    planned.step()
    quiet = planned.add(3, first=9000, name="quiet", client="client 0")
    assert quiet.order in planned.step()


def test_nobody_is_put_back_in_vain() -> None:
    """What does not fit whatever gives way waits, and the others go on."""
    planned = Planned(pages=12, max_requests=4)
    planned.add(90, tokens=60, first=0, client="one")
    planned.add(30, tokens=4, first=1000, client="many")
    planned.add(30, tokens=4, first=2000, client="many")
    planned.step()
    planned.add(170, first=9000, client="large")
    planned.step()
    assert planned.schedule.put_back == 0


def test_the_longest_request_that_fits_is_served_alone() -> None:
    """It fills the cache to its last page."""
    planned = Planned(pages=4)
    one = planned.add(4 * PAGE - 8, tokens=8)
    other = planned.add(4 * PAGE - 8, tokens=8, first=500)
    planned.until(other)
    assert one.ended
    assert planned.pages.held == 0


def test_a_prompt_that_is_being_read_is_waited_for() -> None:
    """Several answers to one prompt: it is computed once, but for what does not fill a page."""
    planned = Planned(batch_tokens=32)
    forks = [planned.add(6 * PAGE + 3) for _ in range(4)]
    counted = dict.fromkeys((one.order for one in forks), 0)
    while step := planned.step():
        for order, count in step.items():
            counted[order] += count
    assert counted[forks[0].order] == 6 * PAGE + 3 + 3
    assert all(counted[one.order] == 3 + 3 for one in forks[1:])


def test_a_prompt_whose_reader_goes_is_read_by_the_next() -> None:
    """Nobody waits for one who was cancelled."""
    planned = Planned(batch_tokens=16)
    first, second = planned.add(5 * PAGE), planned.add(5 * PAGE)
    planned.step()
    planned.step()
    assert second not in planned.schedule.running
    planned.schedule.drop(first)
    planned.until(second)
    assert second.made == 4
    assert planned.pages.held == 0


def test_another_tenants_prompt_is_not_waited_for() -> None:
    """Nothing of it could be used."""
    planned = Planned(batch_tokens=32)
    planned.add(5 * PAGE, cache_salt="a")
    other = planned.add(5 * PAGE, cache_salt="b")
    planned.step()
    assert other in planned.schedule.running


def test_prompt_logprobs_read_the_whole_prompt() -> None:
    """Also when its pages are in the cache: their logits are not."""
    planned = Planned()
    planned.until(planned.add(3 * PAGE))
    again = planned.add(3 * PAGE, prompt_logprobs=0)
    assert planned.step() == {again.order: 3 * PAGE}


def test_a_plain_prompt_is_read_in_one_piece() -> None:
    """Also one that is longer than a step: the model's own cache takes no pieces."""
    planned = Planned(batch_tokens=32, whole=True)
    long, other = planned.add(100, first=500), planned.add(100, first=5000)
    assert planned.step() == {long.order: 100}
    step = planned.step()
    assert step[long.order] == 1
    while not other.ended:
        assert step.get(other.order, 0) in (0, 1, 100)
        step = planned.step()


def test_beginning_again_forgets_what_was_computed() -> None:
    """All of a request's tokens are computed anew, and its answer goes on behind what it has."""
    planned = Planned()
    one = planned.add(20, tokens=6)
    planned.step()
    planned.step()
    planned.schedule.begin_again()
    planned.pages.forget()
    assert (one.computed, one.made, one.pages) == (0, 2, [])
    assert planned.step() == {one.order: 22}
    planned.until(one)
    assert one.made == 6


def test_dropping_frees_the_pages_wherever_it_is() -> None:
    """Waiting or under way."""
    planned = Planned(max_requests=1)
    one, waiting = planned.add(40), planned.add(40, first=500)
    planned.step()
    assert planned.pages.held > 0
    for gone in (one, waiting):
        planned.schedule.drop(gone)
    assert planned.schedule.empty
    assert planned.pages.held == 0
