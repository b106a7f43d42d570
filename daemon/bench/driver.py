"""One step of a swap, repeated, without a model: ``python -m ... BASE ADAPTER STEP TIMES``.

For counting instructions: everything except STEP (none, stage, route, copy, load) is the same in every run.
"""

import sys
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path

import torch
from safetensors.torch import load_file

from hotswapd.swap.adapter.admission import admit
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.berths.berths import Berths
from hotswapd.swap.berths.filling import fill_host_image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.resident.base import base_config
from hotswapd.swap.rows.rows import Rows

from .scene import WEIGHTS


def drive(base: str, adapter: Path, step: str, times: int) -> None:
    """Prepare what all steps need, then run one of them."""
    oracle = MetaOracle(base_config(base))
    manifest = read_manifest(adapter)
    contract = Contract(("*",), oracle.slots, int(manifest.config["r"]), "float32")
    layout, plan = Layout.of(contract, torch.float32), admit(manifest, contract, oracle)
    berths = Berths(layout.size, 2, torch.device("cpu"))
    images, rows = cycle([berths.take("a"), berths.take("b")]), Rows(berths, max_queue=1)
    image, beside = berths.memory
    numbers = count(1)
    steps: dict[str, Callable[[], object]] = {
        "none": lambda: None,
        "stage": lambda: fill_host_image(image, plan, layout),
        "route": lambda: rows.route(next(images), next(numbers)),
        "copy": lambda: beside.copy_(image),
        "load": lambda: [tensor.clone() for tensor in load_file(adapter / WEIGHTS).values()],
    }
    for warm in steps.values():
        warm()
    for _ in range(times):
        steps[step]()


if __name__ == "__main__":
    drive(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
