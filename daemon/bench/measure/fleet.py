"""What an ingress and Ray Serve add to an answer: a fleet of one replica beside one daemon, by turns.

The fleet is asked in two ways: through Serve's own proxy, and at the port that each ingress has besides.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from hotswapd.daemon.bench.cpu import cpu_seconds
from hotswapd.daemon.bench.process import BenchDaemon, daemon
from hotswapd.daemon.bench.samples import Findings, Series, at_least, at_most, interleave
from hotswapd.daemon.bench.scene import Scene
from hotswapd.daemon.bench.streams import Streams
from hotswapd.daemon.demo.process import free_port

_NAME = "bench"
_STREAMS = 8
_FIRSTS = 20
"""Answers of each way in a round whose first token is timed, one by turns: the time that a model takes for a prompt
differs from one moment to the next by more than what an ingress adds."""
_FEW = 2
"""Tokens of such an answer: more would only take longer."""
_FIRST, _TOKENS = 0.010, 0.95
_STORE = 100 << 20

_WAYS = {
    "alone": "one daemon",
    "fleet": "Serve's proxy, ingress and one replica",
    "ingress": "ingress at its own port, as a load balancer asks it, and one replica",
}

Load = tuple[float, float]
"""Tokens per second of eight streams, and CPU seconds per token."""


def measure(scene: Scene) -> Findings:
    """Ask both the same, by turns; without Ray nothing is measured."""
    found = Findings()
    if find_spec("ray") is None:
        found.skipped.append("fleet: a fleet runs on Ray Serve, which is not installed: pip install 'hotswapd[ray]'")
        return found
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as Ray has it for a replica: so the daemon computes with as many
    os.environ.setdefault("RAY_worker_niceness", "0")  # and so a replica has the processor as the daemon has it
    with _alone(scene) as (alone, pid), _fleet(scene) as (port, direct):
        here, preset = os.getpid(), scene.preset
        prompts = count()  # one replica answers two of the ways, and would remember what the other has asked
        ports = {"alone": alone, "fleet": port, "ingress": direct}
        cpu = dict.fromkeys(ports, lambda: cpu_seconds([here], [pid]) - time.process_time())
        cpu["alone"] = lambda: cpu_seconds([pid])
        firsts = interleave({name: _first(scene, at, prompts) for name, at in ports.items()}, preset.rounds * _FIRSTS)
        loads = interleave({name: _load(scene, at, cpu[name], prompts) for name, at in ports.items()}, preset.rounds)
    report(found, firsts, loads)
    return found


def _first(scene: Scene, port: int, turns: Iterator[int]) -> Callable[[], float]:
    """Return what times the first token of an answer; each turn asks what nobody has asked before."""
    streams = Streams(port, _NAME, scene.preset.prompt, _FEW)
    return lambda: streams.first(next(turns) * _STREAMS)


def _load(scene: Scene, port: int, cpu: Callable[[], float], turns: Iterator[int]) -> Callable[[], Load]:
    """Return what asks for eight answers at once."""
    streams = Streams(port, _NAME, scene.preset.prompt, scene.preset.tokens)

    def load() -> Load:
        before = cpu()
        rate = streams.at_once(_STREAMS, next(turns) * _STREAMS)
        return rate, (cpu() - before) / (_STREAMS * streams.tokens)

    return load


@contextmanager
def _alone(scene: Scene) -> Iterator[tuple[int, int]]:
    """Run one daemon; yield its port and its process."""
    with daemon(scene, more=_named()) as served:
        served.start(lambda _: None)
        yield served.port, served.pid


@contextmanager
def _fleet(scene: Scene) -> Iterator[tuple[int, int]]:
    """Run a fleet of one replica and one ingress on a Ray of its own; yield its port, and the ingress's own."""
    import ray
    from ray import serve

    from hotswapd.daemon.fleet.serving.cluster import serve_env

    with tempfile.TemporaryDirectory(
        prefix="hotswapd-ray-", ignore_cleanup_errors=True
    ) as room:  # Ray's sockets: short
        direct = free_port()
        ports = {"MIN": direct, "MAX": direct + 1}  # the last one is never taken
        own = {f"RAY_SERVE_DIRECT_INGRESS_{bound}_HTTP_PORT": str(port) for bound, port in ports.items()}
        env = {"env_vars": serve_env(os.environ) | own}
        ray.init(
            num_cpus=4,
            include_dashboard=False,
            object_store_memory=_STORE,
            _temp_dir=room,
            log_to_driver=False,
            logging_level="error",
            runtime_env=env,
        )
        try:
            # what "auto" is here: where that is no GPU, no replica may ask Ray for one
            device = {"model": {"device": scene.device.type}}
            with daemon(scene, more=_named() | device | {"fleet": _sizes(Path(room))}) as described:
                _bring_up(described)
                yield described.port, direct
        finally:
            serve.shutdown()
            ray.shutdown()


def _named() -> dict[str, dict[str, object]]:
    return {"serve": {"model_names": [_NAME]}}


def _sizes(room: Path) -> dict[str, object]:
    return {"replicas": 1, "ingresses": 1, "shared": str(room / "shared")}


def _bring_up(described: BenchDaemon) -> None:
    """Bring up the fleet that a daemon's configuration describes; the daemon itself is not started."""
    from hotswapd.daemon.config.fleet_settings import fleet_settings
    from hotswapd.daemon.fleet.serving.cluster import bring_up

    bring_up(fleet_settings(described.config, os.environ))


def report(found: Findings, firsts: dict[str, list[float]], loads: dict[str, list[Load]]) -> None:
    """Add what all rounds have shown, and what each way to the fleet has more than one daemon within each round."""
    for name, what in _WAYS.items():
        rates, cpu = zip(*loads[name], strict=True)
        found.add(f"fleet.first.{name}", f"{what}: to the first token of one stream", "s", firsts[name])
        found.add(f"fleet.tokens.{name}", f"{what}: tokens per second of {_STREAMS} streams", "1/s", rates)
        found.add(f"fleet.cpu.{name}", f"{what}: CPU time of a token, of all processes", "s", cpu)
    for name in ("fleet", "ingress"):
        added = _added(found, name, zip(firsts[name], firsts["alone"], strict=True))
        kept = _kept(found, name, list(zip(loads[name], loads["alone"], strict=True)))
    sentence = f"ingress and Serve keep the tokens per second of {_STREAMS} streams"
    least = at_least("fleet.tokens", sentence, kept.median, _TOKENS)
    most = at_most("fleet.first", "ingress and Serve add little to the first token", added.median, _FIRST, "s")
    found.goals += [most, least]


def _added(found: Findings, name: str, pairs: Iterable[tuple[float, float]]) -> Series:
    """Add by how much the first token of one way comes later than one daemon's, and return it."""
    what = f"what is added to the first token: {_WAYS[name]}"
    return found.add(f"fleet.first.added.{name}", what, "s", [one - alone for one, alone in pairs])


def _kept(found: Findings, name: str, pairs: Sequence[tuple[Load, Load]]) -> Series:
    """Add what a token costs one way, of one daemon's; return the share of one daemon's tokens per second."""
    rate, cpu = zip(*((a[0] / b[0], a[1] / b[1]) for a, b in pairs), strict=True)
    found.add(f"fleet.cpu.ratio.{name}", f"CPU time of a token, of one daemon's: {_WAYS[name]}", "x", cpu)
    return found.add(f"fleet.tokens.kept.{name}", f"tokens per second, of one daemon's: {_WAYS[name]}", "x", rate)
