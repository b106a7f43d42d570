"""What the watch and the replay gate's sample cost while requests are served: with them, and without them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from hotswapd.daemon.bench.mixing.crowd import Crowd, Took, answer_all
from hotswapd.daemon.bench.samples import Findings, at_least, at_most, interleave
from hotswapd.daemon.bench.scene import Scene
from hotswapd.daemon.config.verify import Watch
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.swap.engine import Engine
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.paces import Paces, load_of

from .serving import Server

_REQUESTS = 32
"""Requests of one sample, all at once."""
_CLIENTS = 200
_STEPS = 20_000
"""Steps that are noted to find what noting one takes."""
_MOST = 0.02
"""Share of the tokens per second that they may cost together."""


class _Counted:
    """Counts the tokens of ended requests, and the seconds of CPU time that somebody who hears of each has taken."""

    def __init__(self, hear: Callable[[Ended], None] = lambda _: None) -> None:
        self.requests = self.tokens = 0
        self.seconds = 0.0
        self._hear = hear

    def __call__(self, ended: Ended) -> None:
        self.requests += 1
        self.tokens += len(ended.token_ids)
        began = time.thread_time()
        self._hear(ended)
        self.seconds += time.thread_time() - began


def measure(scene: Scene) -> Findings:
    """Answer the same requests with watch and sample and without them, in turn."""
    server = Server(scene)
    vocabulary = server.engine.resident.model.config.get_text_config().vocab_size
    crowd = Crowd(vocabulary, scene.preset.prompt, scene.preset.tokens)
    watch = LiveWatch(Watch(seconds=1e9))
    watch.began(1, time.time())
    heard: list[_Counted] = []
    shares: list[float] = []

    def on() -> Took:
        heard.append(_Counted(watch.ended))
        took = _answered(server.engine, crowd, heard[-1])
        shares.append((heard[-1].seconds + _noting() * took.tokens) / took.cpu)
        return took

    try:
        ways = {"on": on, "off": lambda: _answered(server.engine, crowd, _Counted())}
        taken = interleave(ways, scene.preset.rounds)
        assert len(watch.sample), "nothing was sampled"
    finally:
        server.stop()
    return _findings(taken["on"], taken["off"], heard[1:], shares[1:])  # the first of each has warmed up


def _answered(engine: Engine, crowd: Crowd, heard: _Counted) -> Took:
    """Answer requests of many clients, as users ask them, and time them by the tokens that there were."""
    engine.rows.on_request_end = heard
    asks = [_usual(ask, at) for at, ask in enumerate(crowd.asks([None] * _REQUESTS))]
    cpu, wall = time.process_time(), time.perf_counter()
    answer_all(engine, asks)
    return Took(heard.tokens, time.process_time() - cpu, time.perf_counter() - wall)


def _usual(ask: Ask, at: int) -> Ask:
    return replace(ask, ignore_eos=False, client=f" 192.0.2.{at % _CLIENTS}")


def _noting() -> float:
    """Return the seconds of CPU time that a step costs a request because its pace is noted."""
    paces = Paces()
    began = time.thread_time()
    for at in range(_STEPS):
        paces.add(load_of(_REQUESTS, at), 0.01)
    return (time.thread_time() - began) / _STEPS


def _findings(on: Sequence[Took], off: Sequence[Took], heard: Sequence[_Counted], shares: Sequence[float]) -> Findings:
    found = Findings()
    facts = {"requests": _REQUESTS, "clients": _CLIENTS}
    series = {
        name: found.add(f"watching.{name}.cpu", f"tokens per second of CPU time, {what}", "1/s", samples, **facts)
        for name, what, samples in (
            ("on", "with watch and sample", [one.per_cpu_second for one in on]),
            ("off", "without them", [one.per_cpu_second for one in off]),
        )
    }
    ratio = found.compare(
        series["on"], series["off"], "tokens per second of CPU time, with watch and sample to without"
    )
    each = [one.seconds / one.requests for one in heard]
    found.add("watching.request", "CPU time of counting and sampling one request", "s", each, **facts)
    share = found.add("watching.share", "share of the CPU time in watch, sample and the noting of paces", "", shares)
    sentence = f"of tokens per second, with watch and sample to without: the median is at least {1 - _MOST:.0%}"
    found.goals.append(at_least("watching.ratio", sentence, ratio.median, 1 - _MOST))
    sentence = f"watch, sample and the noting of paces take at most {_MOST:.0%} of the CPU time"
    found.goals.append(at_most("watching.share", sentence, share.median, _MOST, ""))
    return found
