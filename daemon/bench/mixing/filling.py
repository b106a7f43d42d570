"""How many tokens are in flight when the cache is full: one cache for all generations, against half of it for one.

Two lanes that each belong to a generation have half of the memory each, and between two swaps one of them has no
requests: what can be in flight is what fits into a half.
"""

from hotswapd.daemon.bench.samples import Findings, at_least
from hotswapd.swap.engine import Engine
from hotswapd.swap.rows.pages import PAGE

from .crowd import Crowd, answer_all
from .house import MOST, House, sizes


def in_flight(house: House, found: Findings) -> None:
    """Ask for more than fits into a cache, and into half of it, and compare the most that was held."""
    preset = house.scene.preset
    length = preset.prompt + preset.tokens
    whole = found.add("mixing.cache.one", "tokens in flight at most, in one cache", "", [_most(house, MOST * length)])
    half = found.add("mixing.cache.half", "the same in half of that cache", "", [_most(house, MOST * length // 2)])
    ratio = found.compare(whole, half, "tokens in flight: one cache, against a lane's half of it")
    sentence = "one cache holds at least 1.9 times the tokens in flight of a lane with half of it"
    found.goals.append(at_least("mixing.cache", sentence, ratio.median, 1.9))


def _most(house: House, tokens: int) -> float:
    """Return the most tokens that requests have held at once in a cache of so many."""
    resident = house.without.resident
    context = house.scene.preset.prompt + house.scene.preset.tokens
    engine = Engine(resident, sizes(house.scene, tokens, context))
    engine.open()
    try:
        return _fill(engine, house.crowd, 2 * tokens // context)
    finally:
        engine.close(60.0)


def _fill(engine: Engine, crowd: Crowd, requests: int) -> float:
    most = 0

    def look() -> None:
        nonlocal most
        loop = engine.rows.loop
        most = max(most, 0 if loop is None else loop.held_pages)

    answer_all(engine, crowd.asks([None] * requests), look)
    return float(most * PAGE)
