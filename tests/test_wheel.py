"""`make test` runs the suite against the built wheel: no process of it may import the checkout as hotswapd."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WHEEL = pytest.mark.skipif(
    not os.environ.get("HOTSWAPD_TEST_WHEEL"), reason="this run tests the checkout; `make test` tests the wheel"
)
CHECKOUT = Path(__file__).resolve().parents[1]


def is_installed(file: str) -> bool:
    """Tell whether a module's file lies in this environment's own packages and not in the checkout's folders."""
    place = Path(file).resolve()
    beside = {place.is_relative_to(CHECKOUT / name) for name in ("src", "daemon", "loaders", "swap")}
    return place.is_relative_to(Path(sys.prefix).resolve()) and beside == {False}


@WHEEL
def test_this_process_imports_the_wheel() -> None:
    import hotswapd.daemon
    import hotswapd.loaders
    import hotswapd.swap

    packages = (hotswapd, hotswapd.daemon, hotswapd.loaders, hotswapd.swap)
    assert [one.__name__ for one in packages if not is_installed(str(one.__file__))] == []


@WHEEL
def test_processes_import_the_wheel(tmp_path: Path) -> None:
    """A bare interpreter and the console script, from any directory and from the checkout's root."""
    show = "import hotswapd.daemon; print(hotswapd.daemon.__file__)"
    for place in (tmp_path, CHECKOUT):
        done = subprocess.run([sys.executable, "-c", show], cwd=place, capture_output=True, text=True, check=True)
        assert is_installed(done.stdout.strip())
    program = Path(sys.executable).with_name("hotswapd")
    assert sys.prefix in program.read_text().splitlines()[0]


@WHEEL
def test_the_checkout_is_not_on_the_path() -> None:
    assert [place for place in sys.path if (Path(place) / "hotswapd").is_symlink()] == []
    assert str(CHECKOUT / "src") not in sys.path
