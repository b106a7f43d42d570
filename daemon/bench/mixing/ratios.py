"""One way's tokens per second against another's: generations in one batch, the loop and the plain step, slots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hotswapd.daemon.bench.samples import Findings, Series, at_least, interleave

from .crowd import Took, timed
from .house import FULL, MOST, House
from .plain import generate

Way = Callable[[], Took]
_CLIENTS = (1, 4, MOST)
_BUSY = 8
"""Requests that are under way all the time where generations are compared."""


@dataclass(frozen=True, slots=True)
class Promise:
    """That one way gives at least so much of what another gives, in tokens per second of CPU time."""

    of: str
    to: str
    least: float
    sentence: str


def generations(house: House, found: Findings, dtype: str) -> None:
    """Compare two and four generations in one batch with one, for as many requests."""
    ways: dict[str, Way] = {
        name: _answer(house, [1 + number % count for number in range(_BUSY)])
        for name, count in (("one", 1), ("two", 2), ("four", 4))
    }
    promises = (
        Promise("two", "one", 0.95, "two generations give at least 95 % of the tokens of one"),
        Promise("four", "one", 0.90, "four generations give at least 90 % of the tokens of one"),
    )
    compare(found, f"mixing.{dtype}.generations", ways, promises, house.scene.preset.rounds)


def loop(house: House, found: Findings, dtype: str) -> None:
    """Compare the engine, with the base and with an adapter, with transformers' plain step for as many requests."""
    for clients in _CLIENTS:
        ways: dict[str, Way] = {
            "plain": _plain(house, clients),
            "base": _answer(house, [0] * clients),
            "adapter": _answer(house, [1] * clients),
        }
        promises = (
            Promise("base", "plain", 0.70, f"{clients} clients: at least 70 % of the plain step"),
            Promise("adapter", "plain", 0.65, f"{clients} clients with an adapter: at least 65 % of the plain step"),
        )
        compare(found, f"mixing.{dtype}.loop{clients}", ways, promises, house.scene.preset.rounds)


def slots(house: House, found: Findings, dtype: str) -> None:
    """Compare the base with and without slots, and an adapter on all linear modules, on the same loop."""
    ways: dict[str, Way] = {
        "none": lambda: house.crowd.answer(house.without, [None] * _BUSY),
        "base": _answer(house, [0] * _BUSY),
        "all_linear": _answer(house, [FULL] * _BUSY),
    }
    promises = (
        Promise("base", "none", 0.99, "rows without an adapter give at least 99 % of a model without slots"),
        Promise("all_linear", "none", 0.88, "rank 16 on all linear modules gives at least 88 % of the bare base"),
    )
    compare(found, f"mixing.{dtype}.slots", ways, promises, house.scene.preset.rounds)


def compare(
    found: Findings, key: str, ways: Mapping[str, Way], promises: tuple[Promise, ...], rounds: int
) -> dict[str, Series]:
    """Run the ways in turn and add what they give, by CPU time and by the clock, and what becomes of the promises."""
    taken = interleave(ways, rounds)
    what = key.removeprefix("mixing.")
    cpu, wall = (
        {
            name: found.add(f"{key}.{name}.{unit}", f"tokens per second {words}, {what} {name}", "1/s", samples(each))
            for name, each in taken.items()
        }
        for unit, words, samples in (("cpu", "of CPU time", _per_cpu_second), ("wall", "by the clock", _per_second))
    )
    ratios = {}
    for one in promises:
        found.compare(wall[one.of], wall[one.to], f"{what}: {one.of} to {one.to}, by the clock")
        ratios[one.of] = found.compare(cpu[one.of], cpu[one.to], f"{what}: {one.of} to {one.to}, by CPU time")
        sentence = f"{one.sentence} ({key.split('.')[1]})"
        found.goals.append(at_least(f"{key}.{one.of}", sentence, ratios[one.of].median, one.least))
    return ratios


def _answer(house: House, numbers: list[int]) -> Way:
    return lambda: house.crowd.answer(house.engine, numbers)


def _plain(house: House, clients: int) -> Way:
    def once() -> Took:
        crowd = house.crowd
        prompts = crowd.prompts(clients)
        return timed(clients * crowd.tokens, lambda: generate(house.plain, prompts, crowd.tokens))

    return once


def _per_cpu_second(each: list[Took]) -> list[float]:
    return [one.per_cpu_second for one in each]


def _per_second(each: list[Took]) -> list[float]:
    return [one.per_second for one in each]
