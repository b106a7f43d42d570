"""Instructions, because seconds are too noisy: valgrind counts those of staging, going live and a copy on a CPU."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene

_LIMIT = 3000.0
_TIMES = 3


def measure(scene: Scene) -> Findings:
    """Run the driver with and without repeating a step; the difference is what the step costs."""
    found = Findings()
    if shutil.which("valgrind") is None:
        found.skipped.append("instructions: valgrind is not installed")
        return found
    adapter = scene.adapter(scene.rank, 0)
    none = _count(scene, adapter, "none", 0)
    for step in ("stage", "route", "copy", "load"):
        extra = (_count(scene, adapter, step, _TIMES) - none) / _TIMES
        found.add(f"instructions.{step}", f"instructions of one {step}", "", [extra], file=str(adapter.name))
    return found


def _count(scene: Scene, adapter: Path, step: str, times: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    driver = [sys.executable, "-m", "hotswapd.daemon.bench.driver", scene.base, str(adapter), step, str(times)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run([*command, *driver], check=True, capture_output=True, text=True, timeout=_LIMIT, env=environ)
    collected = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if collected is None:
        raise RuntimeError(f"valgrind gave no count: {done.stderr[-300:]}")
    return int(collected.group(1))
