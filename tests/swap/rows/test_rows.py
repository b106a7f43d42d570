"""Requests to many generations: going live is a change of route, and every answer comes whole from one of them."""

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from kits.clock import Clock
from kits.crowd import crowd
from kits.rows import LONG, SHORT_ASK, Bench, Held, Listener, bench
from kits.sequences import Summing
from kits.waiting import until

from hotswapd.swap.berths.berths import Berths
from hotswapd.swap.errors import NoBerth
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.candidate import CANDIDATE
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.rows import Rows
from hotswapd.swap.rows.tickets import NoGeneration, Place, Progress, QueueFull

SHARED = tuple(range(30, 30 + 200))


@pytest.fixture
def one() -> Iterator[Bench]:
    with bench() as made:
        made.swap(0)
        yield made


def test_a_request_ends_with_the_generation_it_began_with(one: Bench) -> None:
    """Two swaps happen while a long answer is written; it is whole and right, and newer requests are too."""
    old = Held()
    ticket, _ = one.ask(SHORT_ASK, tokens=120, hear=old)
    assert old.begun.wait(LONG)
    one_after = one.stage(1), one.stage(2)
    middle_number = one.route(one_after[0], 1)
    middle = one.ask(SHARED, tokens=60)
    newest_number = one.route(one_after[1], 2)
    new = one.ask(SHORT_ASK, tokens=20)
    old.let_go.set()
    assert [ticket.generation, middle[0].generation, new[0].generation] == [1, middle_number, newest_number]
    assert one.right(ticket, old, SHORT_ASK, 120)
    assert one.right(*middle, SHARED, 60)
    assert one.right(*new, SHORT_ASK, 20)


def test_more_live_generations_than_requests_ever_waited_for(one: Bench) -> None:
    """Four answer in the same steps while one long answer of the first goes on."""
    long = Held()
    ticket, _ = one.ask(SHORT_ASK, tokens=200, hear=long)
    assert long.begun.wait(LONG)
    images = [one.stage(index) for index in (1, 2, 3)]
    newer = []
    for index, image in zip((1, 2, 3), images, strict=True):
        one.route(image, index)
        newer.append(one.ask((*SHORT_ASK, index), tokens=8))
    long.let_go.set()
    for (newer_ticket, heard), index in zip(newer, (1, 2, 3), strict=True):
        assert newer_ticket.generation == ticket.generation + index
        assert one.right(newer_ticket, heard, (*SHORT_ASK, index), 8)
        assert not long.ended.is_set()
    assert one.right(ticket, long, SHORT_ASK, 200)


def test_going_live_copies_nothing_and_waits_for_nobody(one: Bench) -> None:
    """It returns while a step is under way, and writes not a byte of any berth."""
    image = one.stage(1)
    memory = one.resident.berths.memory.clone()
    with one.resident.step():
        _, waiting = one.ask(SHORT_ASK, tokens=4)
        took = one.engine.route(image, 2)
        one.made[2] = 1
        assert one.live is image
        assert not waiting.ended.is_set()
        newer = one.ask(SHORT_ASK, tokens=4)
    assert 0 <= took < LONG
    assert waiting.wait().token_ids == one.truth(1, SHORT_ASK, 4)
    assert one.right(*newer, SHORT_ASK, 4)
    assert torch.equal(one.resident.berths.memory, memory)


def test_a_rollback_to_what_has_a_berth_stages_nothing(one: Bench) -> None:
    """The image that was live is still there, and answers as it did."""
    first = one.live
    one.swap(1)
    assert first.holders == 0
    kept = one.resident.berths.kept(1)
    assert kept is first
    one.resident.hold(kept)
    one.engine.route(kept, 1)
    one.resident.release(kept)
    assert one.right(*one.ask(SHARED), SHARED)
    assert one.ask(SHORT_ASK)[0].generation == 1


def test_two_generations_answer_in_one_batch_each_exactly(one: Bench) -> None:
    """By its number; who asks for none gets the live one."""
    one.open(1)
    assert one.rows.generations() == [1, 2]
    asked = [(one.ask(SHORT_ASK, tokens=24), one.ask(SHORT_ASK, tokens=24, generation=2)) for _ in range(4)]
    for live, beside in asked:
        assert (live[0].generation, beside[0].generation) == (1, 2)
        assert one.right(*live, SHORT_ASK, 24)
        assert one.right(*beside, SHORT_ASK, 24)


def test_the_status_has_every_generation(one: Bench) -> None:
    """Its berth, its names, what it is used for, and its requests: those with a token are active."""
    held = Held()
    one.ask(SHORT_ASK, tokens=50, hear=held)
    assert held.begun.wait(LONG)
    one.swap(1)
    canary = one.open(2)
    lent = one.stage(3)
    try:
        with one.rows.lend(lent):
            waiting = one.ask(SHORT_ASK, 2, CANDIDATE)
            found = {status.use: status for status in one.rows.status()}
            assert set(found) == {"draining", "live", "canary", "candidate"}
            assert (found["draining"].generation, found["draining"].active) == (1, 1)
            assert (found["live"].names, found["live"].active, found["live"].waiting) == (("default",), 0, 0)
            assert (found["canary"].berth, found["canary"].generation) == (canary.berth, 3)
            assert (found["candidate"].generation, found["candidate"].waiting) == (-1, 1)
            assert len({status.berth for status in found.values()}) == 4
            held.let_go.set()
            waiting[1].wait()
    finally:
        held.let_go.set()
    one.resident.drop(lent)


def test_a_name_of_its_own_is_answered_by_its_own_generation(one: Bench) -> None:
    """Beside the default one, and told in how each request ended."""
    ends: list[Ended] = []
    one.rows.on_request_end = ends.append
    one.swap(1, name="support")
    asked = [one.ask(SHORT_ASK), one.ask(SHORT_ASK, name="support")]
    assert [ticket.generation for ticket, _ in asked] == [1, 2]
    for ticket, heard in asked:
        assert one.right(ticket, heard, SHORT_ASK)
    until(lambda: len(ends) == 2, "not all ends are told")
    assert {(end.generation, end.channel) for end in ends} == {(1, "default"), (2, "support")}
    one.rows.unroute("support")
    with pytest.raises(NoGeneration):
        one.ask(SHORT_ASK, name="support")


def test_several_routes_change_under_one_lock(one: Bench) -> None:
    """A request that comes meanwhile is taken before or after, never between; `then` is called before any is taken."""
    images = [one.stage(index) for index in (1, 2)]
    one.made |= {2: 1, 3: 2}
    locked: list[bool] = []
    took = one.rows.route_together(
        [(images[0], 2, "sales"), (images[1], 3, "support")], lambda: locked.append(one.rows._lock.locked())
    )
    assert (locked, took > 0.0) == ([True], True)
    for name, number in (("sales", 2), ("support", 3), ("default", 1)):
        ticket, heard = one.ask(SHORT_ASK, name=name)
        assert ticket.generation == number
        assert one.right(ticket, heard, SHORT_ASK)
    for image in images:
        one.resident.drop(image)


def test_a_candidate_answers_in_the_berth_that_is_lent_to_it(one: Bench) -> None:
    """While nobody else meets it; what is left at the end hears why."""
    image = one.stage(1)
    one.made[-1] = 1
    with one.rows.lend(image):
        asked = one.ask(SHORT_ASK, generation=CANDIDATE)
        assert one.right(*asked, SHORT_ASK)
        held = Held()
        one.ask(SHORT_ASK, 50, CANDIDATE, hear=held)
        assert held.begun.wait(LONG)
        assert one.ask(SHORT_ASK, tokens=2)[0].generation == 1
    held.let_go.set()
    assert "taken back" in str(held.wait().error)
    one.resident.drop(image)
    assert image not in one.resident.berths.images()


def test_without_a_free_berth_the_candidate_is_not_staged(one: Bench) -> None:
    """Each is needed by a request; nothing has changed, and it works once one of them has ended."""
    held = [Held() for _ in range(4)]
    for index in range(4):
        if index:
            one.swap(index)
        one.ask(SHORT_ASK, tokens=60, hear=held[index])
        if index == 0:
            assert held[0].begun.wait(LONG)
    memory = one.resident.berths.memory.clone()
    with pytest.raises(NoBerth):
        one.stage(0)
    assert not one.resident.berths.room()
    assert torch.equal(one.resident.berths.memory, memory)
    for one_held in held:
        one_held.let_go.set()
    for index, one_held in enumerate(held):
        assert one_held.wait().token_ids == one.truth(index + 1, SHORT_ASK, 60)
    one.await_room()
    one.swap(0)
    assert one.right(*one.ask(SHORT_ASK), SHORT_ASK)


def test_on_free_tells_when_a_berth_is_needed_no_more() -> None:
    """The worker that holds a candidate is woken by the last request of an old generation."""
    freed = threading.Event()
    with bench(berths=1) as made:
        made.swap(0)
        held = Held()
        made.ask(SHORT_ASK, tokens=20, hear=held)
        assert held.begun.wait(LONG)
        made.engine.route(made.resident.base_image, 0)
        assert not made.resident.berths.room()
        made.rows._on_free = freed.set
        held.let_go.set()
        assert freed.wait(LONG)
        assert made.resident.berths.room()


def test_max_drain_ends_old_requests_with_a_sentence(one: Bench) -> None:
    """After max_drain the requests of a retired generation hear why they end, and its berth is free."""
    held = Held()
    ticket, _ = one.ask(SHORT_ASK, tokens=400, hear=held)
    assert held.begun.wait(LONG)
    one.swap(1)
    assert one.rows.end_overdue(0) == 0
    assert one.rows.end_overdue(3600.0) == 0
    while not one.rows.end_overdue(1e-9):
        pass
    held.let_go.set()
    assert "retired" in str(held.wait().error)
    assert isinstance(ticket.place, Place)
    assert ticket.place.image.holders == 0
    assert one.right(*one.ask(SHORT_ASK), SHORT_ASK)


def test_max_drain_goes_by_the_clock_that_was_given() -> None:
    """One that leaves out the time in which the process was frozen."""
    clock, berths = Clock(100.0), Berths(8, 2, torch.device("cpu"))
    rows = Rows(berths, max_queue=4, clock=clock)
    rows.loop = Summing().loop
    images = [berths.take(str(number)) for number in (1, 2)]
    rows.route(images[0], 1)
    heard = Listener()
    rows.submit(Ask(SHORT_ASK, 3), heard)
    rows.route(images[1], 2)
    clock.advance(10.0)
    assert rows.end_overdue(20.0) == 0
    clock.advance(20.0)
    assert rows.end_overdue(20.0) == 1
    assert heard.last.finish == "error"


def test_a_generation_that_was_closed_takes_no_new_requests(one: Bench) -> None:
    """What it has goes on; it cannot be asked for, and is not listed."""
    held = Held()
    ticket, _ = one.ask(SHORT_ASK, tokens=100, hear=held)
    assert held.begun.wait(LONG)
    one.swap(1)
    one.rows.close(1)
    with pytest.raises(NoGeneration) as caught:
        one.ask(SHORT_ASK, generation=1)
    assert caught.value.available == (2,)
    held.let_go.set()
    assert one.right(ticket, held, SHORT_ASK, 100)


def test_a_cancelled_request_is_heard_of_once(one: Bench) -> None:
    """Canary and watch learn of what was cancelled: its generation, its tokens so far, and no second end."""
    heard: list[Ended] = []
    one.rows.on_request_end = heard.append
    held = Held(at=3)
    ticket, _ = one.ask(SHORT_ASK, tokens=400, hear=held, tag="mine")
    until(lambda: len(held.last.token_ids) == 3, "it does not begin")
    one.rows.cancel(ticket)
    one.rows.cancel(ticket)
    held.let_go.set()
    assert [(end.finish, end.generation, end.tag) for end in heard] == [("cancelled", 1, "mine")]
    assert heard[0].token_ids == one.truth(1, SHORT_ASK, 3)
    assert one.right(*one.ask(SHORT_ASK), SHORT_ASK)
    assert len(held.last.token_ids) == 3


def test_a_request_is_counted_before_its_end_is_told(one: Bench) -> None:
    """Whoever reads the counts once the answer is whole finds it there."""
    order: list[str] = []
    one.rows.on_request_end = lambda ended: order.append(f"counted {len(ended.token_ids)}")
    done = threading.Event()

    def hear(progress: Progress) -> None:
        if progress.finish is not None:
            order.append("told")
            done.set()

    one.rows.submit(Ask(SHORT_ASK, 3, ignore_eos=True), hear)
    assert done.wait(LONG)
    assert order == ["counted 3", "told"]


def test_cancelled_requests_leave_nothing_behind(one: Bench) -> None:
    """After 300 requests that were cancelled at once or mid-way no page, request or thread is left."""
    threads = set(threading.enumerate())
    for number in range(300):
        ticket, listener = one.ask((1 + number % 200, 2, 3), tokens=300)
        if number % 10 == 0:
            assert listener.begun.wait(LONG)
        one.rows.cancel(ticket)
    assert one.right(*one.ask(SHORT_ASK), SHORT_ASK)
    until(lambda: one.loop.held_pages == 0, "pages are held by nobody")
    assert one.rows.status()[0].active == one.rows.status()[0].waiting == 0
    assert not one.engine.busy()
    assert set(threading.enumerate()) <= threads


ACTS: dict[str, Callable[[Bench], object]] = {
    "route": lambda one: one.rows.route(one.resident.base_image, 0),
    "close": lambda one: one.rows.close(99),
    "status": lambda one: one.rows.status(),
    "generations": lambda one: one.rows.generations(),
    "live": lambda one: one.rows.live(),
    "image": lambda one: one.rows.image(99),
}


@pytest.mark.parametrize("act", ACTS)
def test_whoever_looks_at_the_routes_waits_for_the_lock(one: Bench, act: str) -> None:
    """So nobody sees or makes a place that is half changed."""
    began, done = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        ACTS[act](one)
        done.set()

    with one.rows._lock:
        other = threading.Thread(target=work)
        other.start()
        assert began.wait(LONG)
        assert not done.wait(0.2)
    other.join(LONG)
    assert done.is_set()


def test_the_queue_is_bounded_by_us() -> None:
    """Beyond max_queue waiting requests the next one is refused at once, and no thread is blocked."""
    with bench(max_queue=3) as made, made.resident.step():
        for _ in range(3):
            made.ask(SHORT_ASK)
        with pytest.raises(QueueFull):
            made.ask(SHORT_ASK)


def test_a_full_queue_takes_an_answer_that_was_begun_elsewhere() -> None:
    with bench(max_queue=1) as made, made.resident.step():
        made.ask(SHORT_ASK)
        _, listener = made.ask(SHORT_ASK, given=1)
    assert listener.wait().finish == "length"


def test_a_cache_smaller_than_the_context_bounds_what_is_let_in() -> None:
    """A request that would never fit is refused; the longest that fits is answered."""
    with bench(cache_tokens=192) as made:
        assert (made.engine.context, made.engine.cache_tokens) == (192, 192)
        with pytest.raises(BadAsk) as caught:
            made.engine.complete(Ask((1,) * made.engine.context, 1))
        assert caught.value.code == "context_length_exceeded"
        ticket, listener = made.ask((1,) * (made.engine.context - 4), tokens=4)
        assert made.right(ticket, listener, (1,) * (made.engine.context - 4), 4)


def test_a_seed_answers_the_same_alone_and_in_a_mix(one: Bench) -> None:
    """Sampled answers are reproducible whatever shares the batch, and greedy ones stay exact beside them."""
    how: dict[str, Any] = {"temperature": 0.9, "top_p": 0.95, "seed": 11}
    alone = one.ask(SHORT_ASK, tokens=20, **how)[1].wait().token_ids
    one.open(1)
    with one.resident.step():
        beside = [one.ask((9, n), tokens=30, generation=1 + n % 2, temperature=1.3, seed=n) for n in range(6)]
        greedy = one.ask(SHARED, tokens=20)
        mixed = one.ask(SHORT_ASK, tokens=20, **how)[1]
    assert mixed.wait().token_ids == alone
    assert one.right(*greedy, SHARED, 20)
    assert len({listener.wait().token_ids for _, listener in beside}) > 1


def test_absurd_arguments_are_made_harmless(one: Bench) -> None:
    """Temperature 0 and a top_k above the vocabulary are answered, and the loop lives on."""
    assert one.right(*one.ask(SHORT_ASK, temperature=0, top_k=10_000), SHORT_ASK)
    assert one.ask(SHORT_ASK, temperature=0.5, top_k=10_000)[1].wait().finish == "length"
    assert one.ask(SHORT_ASK, temperature=1e30, top_p=1e-30, min_p=1.0)[1].wait().finish == "length"
    assert one.right(*one.ask(SHORT_ASK), SHORT_ASK)


def test_shutdown_lets_answers_end(one: Bench) -> None:
    """Within its bound an answer under way is whole."""
    ticket, heard = one.ask(SHORT_ASK, tokens=100)
    one.engine.close(seconds=LONG)
    assert heard.ended.is_set()
    assert one.right(ticket, heard, SHORT_ASK, 100)
    with pytest.raises(NoGeneration):
        one.ask(SHORT_ASK)


def test_shutdown_is_bounded_and_the_rest_hears_why(one: Bench) -> None:
    """An answer that would take longer hears an error, no thread is left, and nothing new is taken."""
    with one.resident.step():  # nothing can be computed, so no answer can end
        _, heard = one.ask(SHORT_ASK, tokens=400)
        closing = threading.Thread(target=one.engine.close, args=(0.2,))
        closing.start()
        until(lambda: one.rows.live() is None, "the routes do not close")
        with pytest.raises(NoGeneration):
            one.ask(SHORT_ASK)
        until(lambda: one.loop._ending, "the loop is not told to end")
    closing.join(LONG)
    assert heard.wait().error == "the process is ending"
    assert not one.loop.alive


@pytest.mark.slow
def test_no_answer_is_mixed_under_load_and_swaps(one: Bench) -> None:
    """Clients with long and short prompts that share prefixes, and swaps all the while: 0 failed, 0 mixed."""
    answers: list[Any] = []
    draw = random.Random(1)

    def ask(_: int) -> None:
        prompt = (*SHARED[: draw.choice((8, 80, 200))], draw.randrange(8))
        ticket, listener = one.ask(prompt, tokens=12)
        listener.wait()
        answers.append((ticket, listener, prompt))

    with crowd(4, ask):
        for number in range(25):
            one.await_room()
            one.swap(number % 4)
    assert len({ticket.generation for ticket, _, _ in answers}) > 5
    assert all(one.right(ticket, listener, prompt, 12) for ticket, listener, prompt in answers)
    until(lambda: one.loop.held_pages == 0, "pages are held by nobody")
    assert one.resident.recompiles == 0
