"""What must hold after every test, what tests in several folders begin with, and how long each may take."""

import gc
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG

if TYPE_CHECKING:
    from kits.room import Room

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before anything imports torch. On models as tiny as ours a second thread gains nothing and waits by spinning: with two
# threads the quick tests took 363 s of processor time, with one 145 s.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)
# readline, which pytest imports, tells them to every process that is started without an environment of its own: to the
# workers of pytest-xdist, and then their terminals are not as wide as a test makes them.
_CACHE = tempfile.TemporaryDirectory(prefix="hotswapd-cache-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name
# What `check` remembers of a base is for this run alone.
hypothesis.settings.register_profile("hotswapd", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("hotswapd")
# How long an example takes says how busy the machine is.
for _part in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _part, 60.0)
# httpx gives a server five seconds where a test says nothing else: on a busy machine one of ours took longer.
_HERE = Path(__file__).parent
_PROCESS_FOLDERS = {"process", "proof", "systemd", "gpu", "ship"}
_PROCESS_FIXTURES = {"room"}
_SERVER_FIXTURES = {"seaweed_url", "browser"}
_LONG, _SHARED = 600, 300
"""Seconds: for tests that are slow, or have processes or servers; for those that may make a shared fixture."""
_REPLACED = {"transformers.modeling_utils": ("PreTrainedModel", "tie_weights", "init_weights")} | {
    "torch.nn": ("Module", "register_parameter", "register_buffer")
}
"""What transformers and PEFT replace for everybody while one model is loaded: class and methods."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out what is slow and what needs a process or a server")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # one of several processes: pytest-xdist's name for its directory costs sockets
        place = Path(config.option.basetemp)  # the length that their paths may have
        config.option.basetemp = place.with_name(place.name.removeprefix("popen-"))
    if config.getoption("quick"):
        platform.processor()  # asks a program once, and remembers what it said
        subprocess.Popen.__init__ = _skip_this_test  # type: ignore[method-assign]


def _skip_this_test(*_: object, **__: object) -> None:
    pytest.skip("it starts a process: `make unit` runs it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by its folder and its fixtures, and give it its time; in a quick run, keep the quick ones."""
    for item in items:
        _mark(item)
    if config.getoption("quick"):
        left_out = [item for item in items if any(map(item.get_closest_marker, ("process", "servers", "slow")))]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish() -> None:
    """Keep the collector of garbage out of what the imports have made: a look at all of it takes seconds."""
    gc.collect()
    gc.freeze()


def _mark(item: pytest.Item) -> None:
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.path.relative_to(_HERE).parts[0] in _PROCESS_FOLDERS or fixtures & _PROCESS_FIXTURES:
        item.add_marker(pytest.mark.process)
    if fixtures & _SERVER_FIXTURES:
        item.add_marker(pytest.mark.servers)
    if item.get_closest_marker("timeout") is None:
        if any(map(item.get_closest_marker, ("process", "servers", "slow"))):
            item.add_marker(pytest.mark.timeout(_LONG))
        elif _shares(item):
            item.add_marker(pytest.mark.timeout(_SHARED))


def _shares(item: pytest.Item) -> bool:
    """Report whether a fixture of ours that several tests share may be made at this test's expense."""
    known = getattr(item, "_fixtureinfo", None)  # pytest has no public way to ask for a fixture's scope
    definitions = known.name2fixturedefs.values() if known is not None else ()
    return any(found[-1].scope != "function" and found[-1].baseid for found in definitions)


@pytest.fixture(autouse=True)
def _models_can_still_be_loaded() -> Iterator[None]:
    """Fail at the test that loaded two models at once, and not only at those that load one after it."""
    yield
    for module, (name, *methods) in _REPLACED.items():
        kind: Any = getattr(sys.modules.get(module), name, None)  # None: no test has asked for it yet
        for method in methods if kind else ():
            there = getattr(kind, method).__qualname__
            assert there == f"{name}.{method}", f"{name}.{method} is still {there}: two models were loaded at once"


@pytest.fixture
def room(tmp_path: Path) -> Iterator["Room"]:
    """Give a daemon's room in `tmp_path`: configured, not started, and left without a process."""
    from kits.room import make_room  # here, because it imports torch, and many tests can do without

    with make_room(tmp_path) as room:
        yield room


@pytest.fixture(scope="session")
def trained() -> Path:
    """Return the folder of trained adapters: `base`, `good-N`, and the bad ones by name. It is not written to."""
    return _HERE / "trained"
