"""The ways in which one HTTP API is answered: by the model of the server's own process, or by a fleet's replicas."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hotswapd.daemon.serve.split import Split
from kits.serving import Served, served

WAYS = ("process", "fleet")


@contextmanager
def served_by(way: str, room: Path, split: Split | None = None, **spec: Any) -> Iterator[Served]:
    """Serve a tiny model one of these ways; `split` is for a process: a fleet's pointer knows the channels.

    Skips the test if it is the fleet's turn and Ray is not installed.
    """
    if way == "process":
        with served(split, **spec) as made:
            yield made
        return
    from kits.fleet_serving import fleet_served

    with fleet_served(room, **spec) as made:
        yield made
