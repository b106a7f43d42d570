"""Several generations in one batch: their cost, the loop's own cost, going live, and swaps under load."""

from hotswapd.daemon.bench.mixing.filling import in_flight
from hotswapd.daemon.bench.mixing.gating import beside_a_gate
from hotswapd.daemon.bench.mixing.house import house
from hotswapd.daemon.bench.mixing.ratios import generations, loop, slots
from hotswapd.daemon.bench.mixing.routing import going_live
from hotswapd.daemon.bench.mixing.swapping import many_swaps
from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene

DTYPES = ("float32", "bfloat16")


def measure(scene: Scene) -> Findings:
    """Compare throughput in both dtypes; the rest, which no dtype changes, in float32, where every answer is exact."""
    found = Findings()
    for dtype in DTYPES:
        with house(scene, dtype) as opened:
            generations(opened, found, dtype)
            loop(opened, found, dtype)
            slots(opened, found, dtype)
            if dtype == "float32":
                going_live(opened, found)
                beside_a_gate(opened, found)
                in_flight(opened, found)
                many_swaps(opened, found)
    return found
