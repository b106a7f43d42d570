"""kill -9 at any moment, under a stream of new adapters and questions: nothing is lost, and no answer is wrong.

`make crash` does it five hundred times; a failure prints the seed that repeats its order of moments.
"""

import os
import random
import threading

import pytest
from kits.crashes import Crashes, asked_through_deaths
from kits.room import Room

KILLS = int(os.environ.get("HOTSWAPD_TEST_KILLS", "5"))
SEED = int(os.environ.get("HOTSWAPD_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
_EACH = 50
"""Kills after which a room is left for a fresh one, so that its history stays one that is read in a moment."""


def live_through(crashes: Crashes, chance: random.Random, kills: int) -> None:
    """Drop, wait a while, kill, look, start: so many times."""
    moment = threading.Event()
    for _ in range(kills):
        if chance.random() < 0.25:  # in the midst of a start
            crashes.room.start()
            moment.wait(chance.uniform(0.0, 2.0))
            crashes.room.process.kill()
            crashes.left_whole()
        crashes.comes_back()
        for _ in range(chance.randrange(1, 4)):
            crashes.drop()
            moment.wait(chance.uniform(0.0, 0.6))
        crashes.room.process.kill()
        crashes.left_whole()


@pytest.mark.slow
@pytest.mark.timeout(300 + 30 * KILLS)
@pytest.mark.parametrize("part", range((KILLS + _EACH - 1) // _EACH))
def test_killed_at_random_it_serves_what_the_pointer_names(room: Room, part: int) -> None:
    """In the midst of starts, copies, swaps and commits; in the end the last one dropped is live.

    One that was being tried in two of these deaths is in quarantine, as it should be.
    """
    print(f"HOTSWAPD_TEST_SEED={SEED}")
    crashes = Crashes(room)
    with asked_through_deaths(crashes):
        live_through(crashes, random.Random(SEED + part), min(_EACH, KILLS - part * _EACH))
        crashes.comes_back()
        crashes.drop()
        crashes.comes_to_rest(also=frozenset({"QUARANTINED"}))
    print(f"{len(crashes.uris)} adapters, {crashes.answers} answers")
