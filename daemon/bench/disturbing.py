"""What staging costs those who are being answered: tokens per second while an adapter is staged over and over."""

from .load import Load
from .samples import Findings, at_least
from .scene import Scene, size_of
from .serving import Server, window

_AT_ONCE = 1e-3


def measure(scene: Scene) -> Findings:
    """Load one engine in pairs of windows, one with staging and one without, each pair beginning with the other one."""
    server = Server(scene)
    plan = server.engine.resident.admit(scene.adapter(scene.rank, 0))
    taken: dict[bool, list[float]] = {False: [], True: []}
    staged: list[float] = []
    errors = 0

    def stage(_: Server, __: Load) -> None:
        resident = server.engine.resident
        resident.drop(resident.stage(plan))

    try:
        for pair in range(1 + max(1, scene.preset.rounds // 2)):
            for staging in (pair % 2 == 0, pair % 2 == 1):
                found = window(scene, server, _AT_ONCE if staging else 0.0, stage)
                errors += found["errors"]
                if pair:  # the first only warms up
                    taken[staging].append(found["tokens"])
                    staged += found["swaps"] if staging else []
    finally:
        server.stop()
    return _findings(scene, taken, staged, errors)


def _findings(scene: Scene, taken: dict[bool, list[float]], staged: list[float], errors: int) -> Findings:
    found = Findings()
    size = size_of(scene.adapter(scene.rank, 0))
    facts = {"window_seconds": scene.preset.window, "file_bytes": size, "rank": scene.rank, "errors": errors}
    quiet = found.add("staged.never.tokens", "tokens per second, nothing staged", "1/s", taken[False], **facts)
    busy = found.add(
        "staged.always.tokens", "tokens per second while an adapter is staged", "1/s", taken[True], **facts
    )
    rates = [size / seconds / 1e6 for seconds in staged]
    found.add("staged.rate", "staging under load", "MB/s", rates, **facts)
    against = found.compare(busy, quiet, "tokens/s while an adapter is staged all the time, against none")
    if scene.device.type == "cuda":  # on a CPU both want the same cores
        sentence = "tokens/s while an adapter is staged all the time are at least 95 % of those without"
        found.goals.append(at_least("staged.undisturbed", sentence, against.median, 0.95))
    return found
