"""What honest load and hostile clients make the watch say: simulated, many windows of each kind."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kits.generations import Generations

from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.swap.gates.spec import Outcome
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.paces import load_of

WINDOWS = 40
GOOD, STUCK = tuple(range(40)), (7,) * 40
Requests = Iterator[Ended]


def request(
    rng: random.Random, client: int, rows: int = 4, length: int = 40, context: int = 60, slow: float = 1.0, **how: Any
) -> Ended:
    """End one: a step costs something for itself, for each row, and for what it looks back at; and it varies."""
    seconds = slow * (0.01 + 0.002 * rows + 1e-6 * rows * context) * rng.lognormvariate(0.0, 0.3)
    paces = ((load_of(rows, rows * context), seconds),)
    fields = {"token_ids": GOOD[:length], "client": f" 192.0.2.{client}", "prompt": (client, 1), "paces": paces}
    return Ended(**{"generation": 2, "finish": "stop", "non_finite": False, "seconds": 1.0, **fields, **how})


def one_user(rng: random.Random) -> Requests:
    return (request(rng, 1, rows=1) for _ in range(100))


def five_hundred_users(rng: random.Random) -> Requests:
    return (request(rng, at % 200, rows=256) for at in range(1000))


def cold_start(rng: random.Random) -> Requests:
    return (request(rng, at % 9, slow=30.0 if at < 8 else 1.0) for at in range(200))


def long_prompts(rng: random.Random) -> Requests:
    return (request(rng, at % 9, context=4000, rows=rng.choice((4, 1024))) for at in range(200))


def short_answers(rng: random.Random) -> Requests:
    return (request(rng, at % 9, length=rng.randrange(1, 4)) for at in range(200))


def code_and_tables(rng: random.Random) -> Requests:
    """Rows of dashes and spaces: one answer in ten ends in one token over and over, whoever answers."""
    return (request(rng, at % 9, token_ids=STUCK if rng.random() < 0.1 else GOOD) for at in range(300))


def another_language(rng: random.Random) -> Requests:
    """One that the base does not know either: most answers are degenerate, and so are the base's."""
    return (request(rng, at % 9, token_ids=STUCK if rng.random() < 0.7 else GOOD) for at in range(300))


def overflowing_queue(rng: random.Random) -> Requests:
    """What is refused never becomes a request; what waits too long is cancelled."""
    return (request(rng, at % 50, rows=64, finish=rng.choice(("stop", "cancelled"))) for at in range(400))


def impatient_users(rng: random.Random) -> Requests:
    return (request(rng, at % 9, finish="cancelled", token_ids=()) for at in range(300))


def creative_sampling(rng: random.Random) -> Requests:
    return (request(rng, at % 9, token_ids=STUCK, usual=False) for at in range(300))


HONEST = (
    one_user,
    five_hundred_users,
    cold_start,
    long_prompts,
    short_answers,
    code_and_tables,
    another_language,
    overflowing_queue,
    impatient_users,
    creative_sampling,
)


def flood(**how: Any) -> Callable[[random.Random], Requests]:
    """A client that owns a third of the traffic or nearly all of it, among others that are well."""

    def requests(rng: random.Random) -> Requests:
        share = rng.choice((1 / 3, 0.9))
        for at in range(400):
            hostile = rng.random() < share
            yield request(rng, 250, **how) if hostile else request(rng, at % 9)

    return requests


HOSTILE = {
    "degenerate prompts": flood(token_ids=STUCK),
    "extreme sampling": flood(token_ids=STUCK, usual=False),
    "failing requests": flood(finish="error"),
    "leaving early": flood(finish="cancelled", token_ids=()),
    "long prompts": flood(context=4000, rows=1024),
}


def verdicts(requests: Callable[[random.Random], Requests], bad: set[int]) -> list[Outcome]:
    """Judge many windows."""
    return [window(requests, bad, seed) for seed in range(WINDOWS)]


def window(requests: Callable[[random.Random], Requests], bad: set[int], seed: int) -> Outcome:
    """Judge every ten requests, and at the end; the previous generation had one quiet user."""
    rng, now = random.Random(seed), [0.0]
    watch = LiveWatch(Watch(), clock=lambda: now[0], running=lambda: now[0], ask=Generations(bad, range(3)))
    watch.began(1, 0.0)
    for _ in range(60):
        watch.ended(request(rng, 1, rows=rng.choice((1, 4)), generation=1))
    watch.began(2, 0.0)
    for at, ended in enumerate(requests(rng)):
        watch.ended(ended)
        verdict = watch.judge() if at % 10 == 9 else None
        if verdict is not None:
            return verdict.outcome
    now[0] = 600.0
    verdict = watch.judge()
    assert verdict is not None
    return verdict.outcome


@pytest.mark.parametrize("load", HONEST)
def test_honest_load_rolls_nothing_back(load: Callable[[random.Random], Requests]) -> None:
    """Ten kinds of it, none of 40 windows each; in one of them every generation is degenerate."""
    assert verdicts(load, {0, 1, 2} if load is another_language else set()) == [Outcome.PASSED] * WINDOWS


@pytest.mark.parametrize("strategy", HOSTILE)
def test_no_hostile_client_rolls_anything_back(strategy: str) -> None:
    """Not with a third of the traffic, nor with nine tenths, and not even if its prompts do make the adapter repeat."""
    assert verdicts(HOSTILE[strategy], {2}) == [Outcome.PASSED] * WINDOWS


def test_a_bad_generation_is_rolled_back_all_the_same() -> None:
    """One that the requests of all but one client show, also where a third are that client's and are well."""
    shown = flood()

    def requests(rng: random.Random) -> Requests:
        for ended in shown(rng):
            mine = ended.client.endswith("250") and rng.random() < 0.35
            yield ended if mine else request(rng, rng.randrange(9), token_ids=STUCK)

    assert verdicts(requests, {2}) == [Outcome.FAILED] * WINDOWS
