"""How a change of a fleet grows with its replicas, in the simulator: seconds to live, and bytes of messages.

The code that decides is the product's; what a task takes and the network's delay are the simulator's, so the seconds
say how the protocol grows, not what a machine takes. Bytes are those of reports and orders, pickled as Ray does.
"""

import argparse
import json
import pickle
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kits.fleet_history import check_history
from kits.fleet_world import World

SIZES = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
SLOW_ONE_IN, SLOW = 50, 0.1
"""Two in a hundred replicas are that many seconds slower in each message, and ten times slower in what they do."""
_LIMIT = 60.0


@dataclass(frozen=True)
class Change:
    """One change: `seconds` from its beginning to the pointer; `to` and `of` are bytes to and from the watcher."""

    replicas: int
    slow: bool
    seconds: float
    messages: int
    to: int
    of: int
    pointer: int


class Counted:
    """What a watcher hears and answers, counted in bytes."""

    def __init__(self, world: World) -> None:
        watcher = world.new_watcher()
        self.to = self.of = 0
        self._hear = watcher.hear
        watcher.hear = self.hear  # type: ignore[method-assign]

    def hear(self, report: Any) -> Any:
        orders = self._hear(report)
        self.to += len(pickle.dumps(report))
        self.of += len(pickle.dumps(orders))
        return orders


def change(replicas: int, seed: int, *, slow: bool) -> Change:
    """Bring up a fleet, and make one adapter live in it. Raises RuntimeError if it does not go live."""
    world = World()
    world.random.seed(seed)
    counted = Counted(world)
    for at in range(replicas):
        made = world.new_replica()
        made.slow = SLOW if slow and at % SLOW_ONE_IN == 0 else 0.0
    ingress = world.new_ingress()
    world.run(3.0)
    began, messages, to, of = world.now, world.messages, counted.to, counted.of
    (watcher,) = world.watchers
    if not watcher.change({"default": "1" * 64}) or not world.run_until(lambda: not watcher.busy, _LIMIT):
        raise RuntimeError(f"{replicas} replicas: the change has not ended")
    taken = round(world.now - began, 3), world.messages - messages, counted.to - to, counted.of - of
    told = ingress.ask("default")
    world.run(3.0)
    check_history(world)
    if told.tag.digest != "1" * 64 or told.ended != "done":
        raise RuntimeError(f"{replicas} replicas: the change has not gone live")
    return Change(replicas, slow, *taken, len(world.disk.written[-1].dump()))


def changes(rounds: int) -> Iterator[Change]:
    """Measure every size, the median of so many."""
    for slow in (False, True):
        for replicas in SIZES:
            if slow and replicas < SLOW_ONE_IN:
                continue
            found = [change(replicas, seed, slow=slow) for seed in range(rounds)]
            yield sorted(found, key=lambda one: one.seconds)[rounds // 2]


def draw(found: list[Change], path: Path) -> None:
    """Write the figure; the file's ending says in which format."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "hotswapd"
    from matplotlib import pyplot

    figure, (seconds, size) = pyplot.subplots(1, 2, figsize=(10, 3.75))
    for slow, name in ((False, "all alike"), (True, "two in a hundred slow")):
        line = [one for one in found if one.slow is slow]
        seconds.plot([one.replicas for one in line], [one.seconds for one in line], marker="o", label=name)
    alike = [one for one in found if not one.slow]
    for part, name in (("to", "reports to the watcher"), ("of", "its orders")):
        size.plot([one.replicas for one in alike], [getattr(one, part) / 1e3 for one in alike], marker="o", label=name)
    seconds.set(
        title="From the candidate to live", xlabel="replicas", ylabel="s, simulated", xscale="log", ylim=(0, None)
    )
    size.set(title="Messages of a change", xlabel="replicas", ylabel="kB", xscale="log", yscale="log")
    for axes in (seconds, size):
        axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def main() -> None:
    """Print a table; write the figures and the picture, if they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    found = []
    for one in changes(asked.rounds):
        found.append(one)
        each = (one.to + one.of) / one.replicas / one.seconds
        print(
            f"| {one.replicas} | {'yes' if one.slow else 'no'} | {one.seconds:.1f} | {one.messages} | {each:.0f} |",
            flush=True,
        )
    if asked.json:
        asked.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    if asked.plot:
        draw(found, asked.plot)


if __name__ == "__main__":
    main()
