"""Restart to ready with a compiled model: with an empty compile cache, with a warm one, and without compiling."""

from hotswapd.daemon.bench.process import daemon
from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene

WHAT = {
    "eager": "start until ready, not compiled",
    "cold": "start until ready, compiled, with an empty compile cache",
    "warm": "start until ready, compiled, with a warm compile cache",
}


def measure(scene: Scene) -> Findings:
    """Start each kind; the warm one uses what the cold one left behind."""
    found = Findings()
    cache = scene.room / "compile-cache"
    for name, compiled in (("eager", "false"), ("cold", "true"), ("warm", "true"), ("warm", "true")):
        with daemon(scene, compiled, cache) as served:
            seconds = served.start(lambda _: None)
            served.stop()
        before = [one.samples for one in found.series if one.key == f"restart.{name}"]
        found.series = [one for one in found.series if one.key != f"restart.{name}"]
        found.add(f"restart.{name}", WHAT[name], "s", [*(before[0] if before else ()), seconds])
    return found
