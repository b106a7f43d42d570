"""``hotswapd bench``: choose what is measured, measure it, and say it on the terminal, in JSON and on a plot."""

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

from hotswapd.daemon.host.exits import Exit

from .presets import OF_A_REAL_BASE, PRESETS, TINY, Preset, build_base
from .samples import Findings
from .table import show

MEASUREMENTS = (
    "pause",
    "staging",
    "process",
    "serving",
    "disturbing",
    "scanning",
    "remembering",
    "restarting",
    "compiling",
    "comparing",
    "instructions",
)
# The last one runs under valgrind for minutes, so it must be asked for.
USUAL = MEASUREMENTS[:-1]


def run(arguments: Namespace) -> int:
    """Measure, and return 0, or 4 when something could not be measured. A goal that is not met is no failure."""
    unknown = sorted(set(arguments.only or ()) - set(MEASUREMENTS))
    if unknown:
        return _refuse(f"there is no measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    if arguments.plot and find_spec("matplotlib") is None:
        return _refuse("--plot needs matplotlib: pip install 'hotswapd[bench]'")
    _quieten()
    with tempfile.TemporaryDirectory(prefix="hotswapd-bench-", dir=arguments.room) as room:
        for result in bench(_preset(arguments), arguments.base, arguments.only or USUAL, Path(room)):
            if arguments.json:  # each time: what took hours must not be lost when the rest is broken off
                arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)
    if arguments.plot:
        import_module(f"{__package__}.plot").draw(result, arguments.plot)
    return Exit.UNAVAILABLE if result["failed"] else Exit.FINE


def bench(preset: Preset, base: str | None, only: tuple[str, ...], room: Path) -> Iterator[dict[str, Any]]:
    """Run the measurements one after the other, and give what there is after each; one that fails is in `failed`."""
    from .machine import describe
    from .scene import Scene

    began, clock, machine = time.time(), time.monotonic(), describe()
    if base is None:
        _say(f"building a {preset.name} base with random weights")
    scene = Scene.of(preset, base or str(build_base(preset, room / "base")), room)
    found, failed = Findings(), []
    for number, name in enumerate(only, start=1):
        _say(f"measuring: {name}")
        try:
            one = _measurement(name)(scene)
            found = Findings(found.series + one.series, found.goals + one.goals, found.skipped + one.skipped)
        except Exception as error:  # noqa: BLE001 - hours of other figures must not be lost with it
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
    """Take the preset named, else tiny's, or the times of a real base; with what the flags say."""
    default = OF_A_REAL_BASE if arguments.base else TINY
    preset = PRESETS[arguments.preset] if arguments.preset else default
    changes: Mapping[str, Any] = {
        "rounds": arguments.rounds,
        "window": arguments.window,
        "ranks": arguments.ranks and tuple(sorted(arguments.ranks)),
        "folders": arguments.folders,
        "rows": arguments.rows,
        "eager": arguments.eager or None,
    }
    return replace(preset, **{name: value for name, value in changes.items() if value is not None})


def _quieten() -> None:
    """Before torch is there: threads wait without spinning, as on a machine that others use too; no progress bars."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


def _say(sentence: str) -> None:
    sys.stderr.write(f"hotswapd bench: {sentence}\n")


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"hotswapd: {sentence}\n")
    return Exit.USAGE
