"""What disturbs requests under way: tokens/s with one disturbance, compared with none in the same round."""

import random
from typing import Any

from hotswapd.daemon.bench.load import Load
from hotswapd.daemon.bench.samples import Findings, Goal, Series, at_least
from hotswapd.daemon.bench.scene import Scene, size_of
from hotswapd.swap.berths.pace import Pace
from hotswapd.swap.gates.reading import score
from hotswapd.swap.gates.spec import Example, Limits
from hotswapd.swap.gates.turns import GateTurns, Surroundings

from .serving import Change, Server, window

WHAT = {
    "never": "nothing else happens",
    "swap": "one swap in each window",
    "gate": "a dataset is read all the time",
    "staging": "the largest adapter is staged all the time",
}
LEAST = {"swap": 0.90, "gate": 0.80, "staging": 0.95}
_AT_ONCE = 1e-3
_TEXT = 512
_ROUNDS_A_WINDOW = 2


def measure(scene: Scene) -> Findings:
    """Load one engine in windows, every way once a round, starting each round with another one."""
    server = Server(scene)
    ways = _ways(scene, server)
    names = list(ways)
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    try:
        for number in range(1 + max(1, scene.preset.rounds // _ROUNDS_A_WINDOW)):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                found = window(scene, server, *ways[name])
                if number:  # the first round only warms up
                    taken[name].append(found)
    finally:
        server.stop()
    return _findings(scene, taken)


def _ways(scene: Scene, server: Server) -> dict[str, tuple[float, Change]]:
    """Return for each way how often something is done (seconds between two times), and what."""
    resident = server.engine.resident
    plan = resident.admit(scene.adapter(scene.rank, 0))

    def swap(_: Server, __: Load) -> None:
        server.swap()

    def stage(_: Server, __: Load) -> None:
        resident.drop(resident.stage(plan, "", Pace(server.engine.busy)))

    return {
        "never": (0.0, swap),
        "swap": (scene.preset.window, swap),
        "gate": (_AT_ONCE, _gate(server)),
        "staging": (_AT_ONCE, stage),
    }


def _gate(server: Server) -> Change:
    """Read one text with the live generation, as a candidate's gates do with the defaults of [verify]."""
    engine = server.engine
    vocabulary = engine.resident.model.config.get_text_config().vocab_size
    text = Example(tuple(random.Random(0).choices(range(vocabulary), k=_TEXT)))  # noqa: S311 - any tokens will do

    def read(_: Server, __: Load) -> None:
        turns = GateTurns(engine.resident, Limits(), Surroundings(engine.busy))
        turns.be_long()
        score(turns, engine.rows.live() or engine.resident.base_image, [text])

    return read


def _findings(scene: Scene, taken: dict[str, list[dict[str, Any]]]) -> Findings:
    found = Findings()
    facts = {
        "window_seconds": scene.preset.window,
        "file_bytes": size_of(scene.adapter(scene.rank, 0)),
        "rank": scene.rank,
    }
    series = {}
    for name, windows in taken.items():
        counts = {
            "errors": sum(one["errors"] for one in windows),
            "times": sum(len(one["swaps"]) for one in windows),
        }
        rates = [one["tokens"] for one in windows]
        series[name] = found.add(f"beside.{name}.tokens", f"tokens/s, {WHAT[name]}", "1/s", rates, **facts, **counts)
    for name, least in LEAST.items():
        against = found.compare(series[name], series["never"], f"tokens/s, {WHAT[name]}, against none")
        if name != "staging" or scene.device.type == "cuda":  # on a CPU both need the same cores
            found.goals.append(_goal(name, against, least))
    speeds = [facts["file_bytes"] / one / 1e6 for window in taken["staging"] for one in window["swaps"]]
    found.add("beside.staging.rate", "staging under load", "MB/s", speeds, **facts)
    speeds = [_TEXT / one for window in taken["gate"] for one in window["swaps"]]
    found.add("beside.gate.rate", "tokens of the dataset read under load", "1/s", speeds, **facts)
    return found


def _goal(name: str, against: Series, least: float) -> Goal:
    """Compare the lower end of the interval with the goal, or the median if there are too few samples for one."""
    interval = against.interval
    what = f"the median, at {interval[2]:.1%} confidence," if interval else "the median"
    sentence = f"of tokens/s, {WHAT[name]}, against none: {what} is at least {least:.0%}"
    return at_least(f"beside.{name}", sentence, interval[0] if interval else against.median, least)
