"""An environment in which hotswapd is the built wheel, and the checkout cannot be imported as hotswapd.

`python -m runs.wheel_venv DIRECTORY` looks for the wheel in the directory and makes the environment in `venv` below it.
Everything but hotswapd comes from the environment that runs this: its packages by a `.pth` file, which is read without
the `.pth` files beside them (the one of the editable install is among those), and its programs by links.
"""

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

_OWN = ("python", "pip", "activate", "Activate", "hotswapd")
"""What programs begin with that an environment has for itself."""


def make(wheel: Path, place: Path) -> Path:
    """Make the environment, in place of an earlier one, and return its interpreter."""
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, symlinks=True, with_pip=False)
    python = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    _borrow_packages(place)
    _borrow_programs(place)
    return python


def _borrow_packages(place: Path) -> None:
    (site,) = place.glob("lib/python*/site-packages")
    ours = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (site / "borrowed.pth").write_text("\n".join(ours) + "\n")


def _borrow_programs(place: Path) -> None:
    for program in Path(sysconfig.get_path("scripts")).iterdir():
        if not program.name.startswith(_OWN):
            (place / "bin" / program.name).symlink_to(program)


def main() -> int:
    directory = Path(sys.argv[1]).resolve()
    (wheel,) = directory.glob("*.whl")
    make(wheel, directory / "venv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
