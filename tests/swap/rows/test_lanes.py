"""Lanes: each answer comes whole from one generation, and every way to kill or poison a lane is closed."""

import random
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from kits.crowd import crowd
from kits.rows import LONG, Bench, bench

from hotswapd.swap.rows.lanes import LanesFull, NoGeneration, NoLane
from hotswapd.swap.rows.tickets import Ended, LaneRequest, Progress

SHARED = tuple(range(30, 30 + 200))
SHORT = (5, 6, 7)


@pytest.fixture
def one() -> Iterator[Bench]:
    with bench() as made:
        yield made


def test_a_request_ends_with_the_generation_it_began_with(one: Bench) -> None:
    """Two swaps happen while a long answer is written; it is whole and right, and newer requests are too."""
    with bench(lanes=3) as three:
        three.swap(0)
        ticket, old = three.ask(SHORT, tokens=120)
        assert old.begun.wait(LONG)
        three.swap(1)
        middle = three.ask(SHARED, tokens=60)
        three.swap(2)
        new = three.ask(SHORT, tokens=20)
        assert [ticket.generation, middle[0].generation, new[0].generation] == [1, 2, 3]
        assert three.right(ticket, old, SHORT, 120)
        assert three.right(*middle, SHARED, 60)
        assert three.right(*new, SHORT, 20)


def test_the_prefix_cache_never_crosses_generations(one: Bench) -> None:
    """A 200-token prompt that one generation has cached is computed anew for the next, also in a lane used again."""
    for index in (0, 1, 2, 3, 0):
        one.swap(index)
        first, second = one.ask(SHARED), one.ask(SHARED)
        assert one.right(*first, SHARED)
        assert one.right(*second, SHARED)


def test_a_lane_keeps_its_capacity_over_many_uses(one: Bench) -> None:
    """Clearing a lane gives every block back, those kept as prefix cache too."""
    before = one.lanes.longest
    for use in range(12):
        one.swap(use % 4)
        assert one.right(*one.ask(SHARED), SHARED)
    for seat in one.lanes._seats:
        if seat is not one.lanes._current:
            assert seat.lane.clear()
            assert seat.lane.longest == before


def test_more_swaps_than_lanes_hold_the_candidate(one: Bench) -> None:
    """With every lane busy a swap raises NoLane, changes nothing, and works once a lane is free."""
    one.swap(0)
    _, first = one.ask(SHORT, tokens=200)
    assert first.begun.wait(LONG)
    one.swap(1)
    second = one.ask(SHORT, tokens=200)
    arena = one.resident.live.buffer.clone()
    with pytest.raises(NoLane):
        one.swap(2)
    assert one.resident.live.generation == 2
    assert torch.equal(one.resident.live.buffer, arena)
    assert not one.lanes.room()
    first.wait()
    assert one.lanes.room()
    one.swap(2)
    assert one.right(*second, SHORT, 200)


def test_on_free_says_when_a_lane_has_room_again() -> None:
    """The worker that holds a candidate is woken by the last request of an old generation."""
    freed = threading.Event()
    with bench() as made:
        made.lanes._on_free = freed.set
        made.swap(0)
        _, listener = made.ask(SHORT, tokens=60)
        assert listener.begun.wait(LONG)
        made.swap(1)
        assert freed.wait(LONG)


def test_only_a_draining_generation_can_be_asked_for(one: Bench) -> None:
    """`@gN` reaches a generation while its lane has requests; then it is a NoGeneration that lists what there is."""
    one.swap(0)
    _, listener = one.ask(SHORT, tokens=200)
    assert listener.begun.wait(LONG)
    one.swap(1)
    again = one.ask(SHARED, generation=1)
    assert again[0].generation == 1
    assert one.right(*again, SHARED)
    listener.wait()
    with pytest.raises(NoGeneration) as caught:
        one.ask(SHORT, generation=1)
    assert caught.value.available == (2,)


def test_a_rollback_takes_over_the_lane_that_has_its_image(one: Bench) -> None:
    """Going back needs no free lane when the old one is still there with its cache."""
    first = one.swap(0)
    _, listener = one.ask(SHORT, tokens=120)
    assert listener.begun.wait(LONG)
    one.swap(1)
    one.resident.commit(first, 1, one.lanes.go_live)
    assert one.resident.live.generation == 1
    assert one.right(*one.ask(SHARED), SHARED)
    listener.wait()


def test_max_drain_ends_old_requests_with_a_sentence(one: Bench) -> None:
    """After max_drain the requests of a retired generation hear why they end, and the lane is free."""
    one.swap(0)
    _, listener = one.ask(SHORT, tokens=400)
    assert listener.begun.wait(LONG)
    one.swap(1)
    assert one.lanes.end_overdue(0) == 0
    while not one.lanes.end_overdue(1e-9):
        pass
    assert "retired" in str(listener.wait().error)
    assert one.lanes.room()


def test_a_lane_has_room_once_its_last_request_is_cancelled(one: Bench) -> None:
    """Where `room` says yes a swap succeeds: a lane lets go of cancelled requests while it is being cleared."""
    one.swap(0)
    for number in range(30):
        waiting = [one.ask((*SHARED, number), tokens=100) for _ in range(3)]
        assert waiting[0][1].begun.wait(LONG)
        one.swap(number % 4)
        for ticket, _ in waiting:
            one.lanes.cancel(ticket)
        assert one.lanes.room()
        one.swap((number + 1) % 4)
        assert one.right(*one.ask(SHARED), SHARED)


def test_a_cancelled_request_is_heard_of_once(one: Bench) -> None:
    """Canary and watch learn of what was cancelled: its generation, its tokens so far, and no second end."""
    one.swap(0)
    heard: list[Ended] = []
    one.lanes.on_request_end = heard.append
    ticket, listener = one.ask(SHORT, tokens=400)
    assert listener.begun.wait(LONG)
    one.lanes.cancel(ticket)
    one.lanes.cancel(ticket)
    assert [(ended.finish, ended.generation) for ended in heard] == [("cancelled", 1)]
    assert heard[0].token_ids == one.truth(1, SHORT, len(heard[0].token_ids))


def test_a_request_is_counted_before_its_end_is_told(one: Bench) -> None:
    """Whoever reads the counts once the answer is whole finds it there."""
    one.swap(0)
    order: list[str] = []
    one.lanes.on_request_end = lambda ended: order.append(f"counted {len(ended.token_ids)}")

    def hear(progress: Progress) -> None:
        if progress.finish is not None:
            order.append("told")
            done.set()

    done = threading.Event()
    one.lanes.submit(LaneRequest(SHORT, 3), hear)
    assert done.wait(LONG)
    assert order == ["counted 3", "told"]


def test_cancelled_requests_leave_nothing_behind(one: Bench) -> None:
    """After 300 requests that were cancelled at once or mid-way no block, request or thread is left."""
    one.swap(0)
    threads = threading.active_count()
    for number in range(300):
        ticket, listener = one.ask((1 + number % 200, 2, 3), tokens=300)
        if number % 10 == 0:
            assert listener.begun.wait(LONG)
        one.lanes.cancel(ticket)
    assert one.right(*one.ask(SHORT), SHORT)
    assert one.lanes.referenced_blocks() == 0
    assert one.lanes.status()[0].active == one.lanes.status()[0].waiting == 0
    assert threading.active_count() == threads


ACTS: dict[str, Callable[[Bench], object]] = {
    "go_live": lambda one: one.lanes.go_live(one.resident.live),
    "withdraw": lambda one: one.lanes.withdraw(99),
    "status": lambda one: one.lanes.status(),
    "generations": lambda one: one.lanes.generations(),
    "room": lambda one: one.lanes.room(),
    "image": lambda one: one.lanes.image(99),
}


@pytest.mark.parametrize("act", ACTS)
def test_whoever_looks_at_the_seats_waits_for_the_lock(one: Bench, act: str) -> None:
    """So nobody sees or makes a seat that is half changed."""
    one.swap(0)
    with one.lanes._lock:
        other = threading.Thread(target=ACTS[act], args=(one,))
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join(LONG)
    assert not other.is_alive()


def test_the_queue_is_bounded_by_us() -> None:
    """Beyond max_queue waiting requests the next one is refused at once, and no thread is blocked."""
    with bench(max_queue=3) as made, made.resident.turn(made.resident.live):
        for _ in range(3):
            made.ask(SHORT)
        with pytest.raises(LanesFull):
            made.ask(SHORT)


def test_a_seed_answers_the_same_alone_and_in_a_mix(one: Bench) -> None:
    """Sampled answers are reproducible whatever shares the batch, and greedy ones stay exact beside them."""
    one.swap(0)
    alone = one.ask(SHORT, tokens=20, temperature=0.9, top_p=0.95, seed=11)[1].wait().token_ids
    crowd = [one.ask((9, number), tokens=30, temperature=1.3, seed=number) for number in range(6)]
    greedy = one.ask(SHARED, tokens=20)
    mixed = one.ask(SHORT, tokens=20, temperature=0.9, top_p=0.95, seed=11)[1].wait().token_ids
    assert alone == mixed
    assert one.right(*greedy, SHARED, 20)
    assert len({listener.wait().token_ids for _, listener in crowd}) > 1


def test_arguments_that_would_kill_the_loop_are_made_harmless(one: Bench) -> None:
    """Temperature 0 and a top_k above the vocabulary are answered, and the lane lives on."""
    one.swap(0)
    assert one.right(*one.ask(SHORT, temperature=0, top_k=10_000), SHORT)
    assert one.ask(SHORT, temperature=0.5, top_k=10_000)[1].wait().finish == "length"
    assert one.right(*one.ask(SHORT), SHORT)


def test_the_cache_has_the_size_that_was_asked_for() -> None:
    """Left to itself each loop would take most of the free memory."""
    with bench(cache_tokens=1024) as made:
        cache = made.lanes._seats[0].lane._processor.cache
        assert cache.num_blocks * 64 == 1024
        assert cache.max_batch_tokens == 128


@pytest.mark.slow
def test_no_answer_is_mixed_under_load_and_swaps(one: Bench) -> None:
    """Clients with long and short prompts that share prefixes, and swaps all the while: 0 failed, 0 mixed."""
    answers = []
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
