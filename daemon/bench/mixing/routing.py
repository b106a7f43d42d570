"""Going live and back while requests are being answered: how long the change of route takes, and what it copies."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hotswapd.daemon.bench.samples import Findings, at_most

from .house import House

_TIMES_A_ROUND = 40
_BUSY = 8
_LONGEST = 100e-6
_APART = 2e-3
"""Seconds between two changes, so that steps come in between."""


class Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes that torch's operations on this thread return: whatever is copied there is among them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and count what it returns."""
        del types
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, tuple | list) else (found,):
            self.bytes += one.nbytes if isinstance(one, torch.Tensor) else 0
        return found


def going_live(house: House, found: Findings) -> None:
    """Go live with another generation and back again, over and over, under requests."""
    times = _TIMES_A_ROUND * house.scene.preset.rounds
    taken: dict[str, list[float]] = {"live": [], "rollback": []}
    with requests(house), Counted() as counted:
        for number in range(2 * times):
            way, image = ("live", 1) if number % 2 == 0 else ("rollback", 0)
            taken[way].append(house.engine.route(house.images[image], image + 1))
            time.sleep(_APART)
    whole = sorted(taken["live"] + taken["rollback"])
    for way, seconds in taken.items():
        found.add(f"mixing.route.{way}", f"the change of route under requests: {way}", "s", seconds)
    late = found.add("mixing.route.p99", "the 99th percentile of both", "s", [whole[(99 * len(whole)) // 100]])
    copied = found.add("mixing.route.copied", "bytes that all changes have copied", "bytes", [float(counted.bytes)])
    found.goals += [
        at_most("mixing.route", "99 of 100 changes of route take under 100 us", late.median, _LONGEST, "s"),
        at_most("mixing.copied", "going live and back copies nothing", copied.median, 0.0, "bytes"),
    ]


@contextmanager
def requests(house: House) -> Iterator[None]:
    """Keep requests under way, for what is live at their start, until the end of the body."""
    done, broken = threading.Event(), []

    def again() -> None:
        try:
            while not done.is_set():
                house.crowd.answer(house.engine, [None] * _BUSY)
        except Exception as error:  # noqa: BLE001 - it is raised again, on the thread that measures
            broken.append(error)

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if broken:
        raise broken[0]
