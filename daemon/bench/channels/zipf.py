"""Many channels by Zipf's law: on few berths, all in berths, and with PEFT on demand, over the same trace in turns."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from hotswapd.daemon.bench.samples import Findings, Series, at_least, interleave
from hotswapd.daemon.bench.scene import Scene

from .berthed import berthed
from .on_demand import OnDemand
from .traffic import Played, Trace, Wanted

BERTHS = 16
_EACH_ROUND = 60
"""Requests of a round."""
WHAT = {
    "few": f"{BERTHS} berths, the others in host memory",
    "store": f"{BERTHS} berths, the others in the store",
    "resident": "a berth for each channel",
    "peft_disk": "hotswap_adapter on demand, from files",
    "peft_memory": "hotswap_adapter on demand, from tensors",
}


class Way(Protocol):
    """One way to answer for many channels."""

    @property
    def held(self) -> int:
        """Bytes that adapters take."""
        ...

    def play(self, piece: Sequence[Wanted]) -> Played:
        """Answer a piece of the trace."""
        ...


def by_zipf(scene: Scene, base: Any, adapters: Sequence[Path], found: Findings) -> None:
    """Play the same pieces of a trace with each way."""
    vocabulary = int(base.model.config.get_text_config().vocab_size)
    trace = Trace(len(adapters), vocabulary, scene.preset.prompt)
    pieces = [trace.piece(_EACH_ROUND) for _ in range(scene.preset.rounds + 1)]
    with _opened(scene, base, adapters) as ways:
        taken = interleave({name: _once(way, iter(pieces)) for name, way in ways.items()}, scene.preset.rounds)
        held = {name: way.held for name, way in ways.items()}
    _add(found, taken, held, len(adapters))


@contextmanager
def _opened(scene: Scene, base: Any, adapters: Sequence[Path]) -> Iterator[dict[str, Way]]:
    tokens = scene.preset.tokens
    with ExitStack() as stack:
        yield {
            "few": stack.enter_context(berthed(scene, base, adapters, BERTHS)),
            "store": stack.enter_context(berthed(scene, base, adapters, BERTHS, host=1)),
            "resident": stack.enter_context(berthed(scene, base, adapters, len(adapters) + 1)),
            "peft_disk": OnDemand(base.model, adapters, tokens, memory=False),
            "peft_memory": OnDemand(base.model, adapters, tokens, memory=True),
        }


def _once(way: Way, pieces: Iterator[Sequence[Wanted]]) -> Callable[[], Played]:
    """Return what plays the next piece each time that it is called."""
    return lambda: way.play(next(pieces))


def _add(found: Findings, taken: dict[str, list[Played]], held: dict[str, int], channels: int) -> None:
    rates: dict[str, Series] = {}
    for name, pieces in taken.items():
        key, what, facts = f"channels.zipf.{name}", WHAT[name], {"channels": channels, "requests": _EACH_ROUND}
        rates[name] = found.add(f"{key}.requests", f"requests per second, {what}", "1/s", _rates(pieces), **facts)
        firsts = [second for one in pieces for second in one.first]
        found.add(f"{key}.first", f"time to the first token, {what}", "s", firsts, **facts)
        found.add(f"{key}.hits", f"share of requests that found their channel, {what}", "", _hits(pieces), **facts)
        found.add(f"{key}.held", f"bytes that adapters take, {what}", "bytes", [held[name]], **facts)
    for other in ("resident", "store", "peft_disk", "peft_memory"):
        against = found.compare(rates["few"], rates[other], f"requests/s, {WHAT['few']}, to {WHAT[other]}")
        if other.startswith("peft"):
            sentence = f"at least as many requests per second as {WHAT[other]}"
            found.goals.append(at_least(f"channels.zipf.{other}", sentence, against.median, 1.0))
    exact = [
        one == other
        for ours, theirs in zip(taken["few"], taken["peft_memory"], strict=True)
        for one, other in zip(ours.answers, theirs.answers, strict=True)
    ]
    share = found.add("channels.zipf.exact", "share of answers that are PEFT's, token by token", "", [_mean(exact)])
    found.goals.append(at_least("channels.zipf.exact", "every answer is PEFT's, token by token", share.median, 1.0, ""))


def _rates(pieces: Sequence[Played]) -> list[float]:
    return [one.rate for one in pieces]


def _hits(pieces: Sequence[Played]) -> list[float]:
    return [one.hit_rate for one in pieces]


def _mean(each: Sequence[bool]) -> float:
    return sum(each) / len(each)
