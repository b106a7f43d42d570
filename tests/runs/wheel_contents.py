"""Build the wheel and compare its file list with what git tracks: a linked package can vanish silently.

Run as a program: exits 1 and names the files when the two lists differ.
"""

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


def built(directory: str) -> set[str]:
    """Build the wheel into the directory and name the package files in it."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = Path(directory).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}


def main() -> int:
    """Compare the two lists and print each difference."""
    with tempfile.TemporaryDirectory() as directory:
        wheel = built(directory)
    for name in sorted(tracked() - wheel):
        print(f"missing from the wheel: {name}")
    for name in sorted(wheel - tracked()):
        print(f"in the wheel, but not tracked by git: {name}")
    if wheel != tracked():
        return 1
    print(f"the wheel holds the {len(wheel)} files that git tracks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
