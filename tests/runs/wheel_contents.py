"""Build the wheel and compare its file list with what git tracks: a linked package can vanish silently.

`python -m runs.wheel_contents [DIRECTORY]` leaves the wheel in the directory, if one is given, and exits with 1 and the
names of the files when the two lists differ.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("daemon", "loaders", "swap")


def tracked() -> set[str]:
    """Name the files that must be in the wheel, as the wheel names them."""
    listed = subprocess.run(["git", "ls-files", *FOLDERS, "src/hotswapd"], cwd=ROOT, check=True, capture_output=True)
    names = listed.stdout.decode().split()
    links = {f"src/hotswapd/{folder}" for folder in FOLDERS}
    return {f"hotswapd/{n.removeprefix('src/hotswapd/')}" for n in names if n not in links}


def build(directory: Path) -> Path:
    """Build the wheel into an empty directory and return its path."""
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # setuptools would add what earlier builds left there
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = directory.glob("*.whl")
    return wheel


def contents(wheel: Path) -> set[str]:
    """Name the package files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}


def main() -> int:
    """Compare the two lists and print each difference."""
    with tempfile.TemporaryDirectory() as directory:
        wheel = build(Path(directory))
        there, wanted = contents(wheel), tracked()
        for out in sys.argv[1:]:
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(directory, out)
    for name in sorted(wanted - there):
        print(f"missing from the wheel: {name}")
    for name in sorted(there - wanted):
        print(f"in the wheel, but not tracked by git: {name}")
    if there != wanted:
        return 1
    print(f"the wheel holds the {len(there)} files that git tracks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
