"""``hotswapd bench``: choose what to measure, measure it, and report it on the terminal, in JSON and as a plot."""

import json
import os
import sys
import tempfile
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hotswapd.daemon.demo.model import NoDemoModel
from hotswapd.daemon.host.exits import Exit

from .presets import DEMO, OF_A_REAL_BASE, PRESETS, TINY, Preset, build_base
from .samples import Findings
from .table import show

MEASUREMENTS = (
    "pause",
    "staging",
    "process",
    "serving",
    "disturbing",
    "watching",
    "scanning",
    "remembering",
    "restarting",
    "compiling",
    "comparing",
    "mixing",
    "channels",
    "retraining",
    "fleet",
    "instructions",
)
_OF_THE_DEMO = (("mixing",), ("fleet",))
# The last five take many minutes, or a Ray, a real model or valgrind: they run only if they are asked for.
USUAL = MEASUREMENTS[:-5]


def run(arguments: Namespace) -> int:
    """Measure, and return 0, or 4 if something could not be measured. A goal that is not met is not a failure."""
    unknown = sorted(set(arguments.only or ()) - set(MEASUREMENTS))
    if unknown:
        return _refuse(f"no such measurement: {', '.join(unknown)}; choose from {', '.join(MEASUREMENTS)}")
    if arguments.plot and find_spec("matplotlib") is None:
        return _refuse("--plot needs matplotlib: pip install 'hotswapd[bench]'")
    _quieten()
    with tempfile.TemporaryDirectory(prefix="hotswapd-bench-", dir=arguments.room) as room:
        try:
            for result in bench(_preset(arguments), arguments.base, arguments.only or USUAL, Path(room)):
                if arguments.json:  # each time: hours of measuring must not be lost if the rest is interrupted
                    arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        except NoDemoModel as error:
            return _refuse(str(error))
    show(result)
    if arguments.plot:
        import_module(f"{__package__}.plot").draw(result, arguments.plot)
    return Exit.UNAVAILABLE if result["failed"] else Exit.FINE


def bench(preset: Preset, base: str | None, only: tuple[str, ...], room: Path) -> Iterator[dict[str, Any]]:
    """Run the measurements one after the other, and yield the whole result after each; failures are in `failed`."""
    from .machine import describe
    from .scene import Scene

    began, clock, machine = time.time(), time.monotonic(), describe()
    if base is None:
        _say(f"preparing the {preset.name} base")
    scene = Scene.of(preset, base or str(build_base(preset, room / "base")), room)
    found, failed = Findings(), []
    for number, name in enumerate(only, start=1):
        _say(f"measuring: {name}")
        try:
            one = _measurement(name)(scene)
            found = Findings(found.series + one.series, found.goals + one.goals, found.skipped + one.skipped)
        except Exception as error:  # noqa: BLE001 - the other measurements must not be lost with it
            traceback.print_exc()
            failed.append(f"{name}: {type(error).__name__}: {error}")
        yield {
            "version": 1,
            "preset": asdict(preset) | {"base": base, "dtype": str(scene.dtype), "device": str(scene.device)},
            "machine": machine,
            "measured": list(only[:number]),
            "began": began,
            "seconds": time.monotonic() - clock,
            **found.record(),
            "failed": list(failed),
        }


def _measurement(name: str) -> Callable[[Any], Findings]:
    measure: Callable[[Any], Findings] = import_module(f"{__package__}.measure.{name}").measure
    return measure


def _preset(arguments: Namespace) -> Preset:
    """Return the named preset, else the one that suits what is measured, overridden by the flags."""
    default = OF_A_REAL_BASE if arguments.base else DEMO if tuple(arguments.only or ()) in _OF_THE_DEMO else TINY
    preset = PRESETS[arguments.preset] if arguments.preset else default
    changes: Mapping[str, Any] = {
        "rounds": arguments.rounds,
        "window": arguments.window,
        "ranks": arguments.ranks and tuple(sorted(arguments.ranks)),
        "folders": arguments.folders,
        "rows": arguments.rows,
        "swaps": arguments.swaps,
        "channels": arguments.channels,
        "eager": arguments.eager or None,
    }
    return replace(preset, **{name: value for name, value in changes.items() if value is not None})


def _quieten() -> None:
    """Set what must be set before torch is imported: threads that wait without spinning, and no progress bars."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


def _say(sentence: str) -> None:
    sys.stderr.write(f"hotswapd bench: {sentence}\n")


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"hotswapd: {sentence}\n")
    return Exit.USAGE
