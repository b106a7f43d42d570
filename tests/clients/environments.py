"""Environments of the clients: made once under `build/clients`, and again when their list has changed."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "-qq", "--prefer-binary")


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """Packages of one list; `bare` is a list whose packages are installed without what they ask for.

    `over_ours` sees the project's own packages too, torch and transformers among them.
    """

    name: str
    bare: str = ""
    over_ours: bool = False

    def program(self, root: Path) -> Path:
        """Return its interpreter, made if need be."""
        folder = root / self.name
        python = folder / "bin" / "python"
        lists = [HERE / "environments" / f"{one}.txt" for one in (self.name, self.bare) if one]
        if not _is_fresh(folder, lists):
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            if self.over_ours:
                site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
                (site / "ours.pth").write_text(sysconfig.get_path("purelib"))
            subprocess.run([python, *PIP, "-r", lists[0]], check=True)
            for extra in lists[1:]:
                subprocess.run([python, *PIP, "--no-deps", "-r", extra], check=True)
            _seal(folder, lists)
        return python


def node_modules(root: Path) -> Path:
    """Return the folder of Node's packages, made if need be."""
    folder, listed = root / "node", HERE / "package.json"
    if not _is_fresh(folder, [listed]):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(listed, folder)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        subprocess.run(command, cwd=folder, check=True, env={**os.environ, "CI": "1"})
        _seal(folder, [listed])
    return folder


def _is_fresh(folder: Path, lists: list[Path]) -> bool:
    seal = folder / ".made"
    return seal.is_file() and seal.read_text() == _digest(lists)


def _seal(folder: Path, lists: list[Path]) -> None:
    (folder / ".made").write_text(_digest(lists))


def _digest(lists: list[Path]) -> str:
    return hashlib.sha256(b"".join(one.read_bytes() for one in lists) + sys.version.encode()).hexdigest()
