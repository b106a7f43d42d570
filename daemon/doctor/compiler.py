"""The compiler, which torch.compile starts while the daemon warms up."""

import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from hotswapd.daemon.config.settings import Settings

from .finding import Finding, fails, fine, note

_NAME = "compiler"
_COMPILERS = ("g++", "clang++", "c++", "gcc", "cc")
_SECONDS = 30.0
_REMEDY = "install a C++ compiler (Debian, Ubuntu: apt install g++), or set model.compile to false"


def check_compiler(settings: Settings | None) -> Iterator[Finding]:
    """Compile an empty program, if the model would be compiled here or might be."""
    wanted = _wanted(settings)
    if wanted is False:
        yield fine(_NAME, "not needed: the model is served uncompiled")
        return
    trouble = compiler_trouble(os.environ) or headers_trouble()
    if not trouble:
        yield fine(_NAME, f"{find_compiler(os.environ)} works")
    elif wanted is True:
        yield fails(_NAME, trouble, _REMEDY)
    else:
        yield note(_NAME, f"{trouble}, so a model would be served uncompiled", _REMEDY)


def _wanted(settings: Settings | None) -> bool | None:
    """Tell whether the model must be compiled; None if that is not known."""
    return settings.model.compile is True if settings is not None else None


def compiler_trouble(environ: Mapping[str, str]) -> str:
    """Return what is wrong with the compiler, empty if it compiles an empty program."""
    compiler = find_compiler(environ)
    if not compiler:
        return "there is no C++ compiler"
    command = [*shlex.split(compiler), "-x", "c++", "-", "-o", os.devnull]
    try:
        done = subprocess.run(
            command, input="int main() { return 0; }", capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{compiler} cannot be run ({error})"
    why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0]
    return f"{compiler} cannot compile an empty program ({why})" if done.returncode else ""


def headers_trouble() -> str:
    """Return what is wrong with Python's headers, which what torch compiles includes; empty if they are there."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return "" if header.exists() else f"{header} is missing (Debian, Ubuntu: apt install python3-dev)"


def find_compiler(environ: Mapping[str, str]) -> str:
    """Return the command of the compiler: the environment's `CXX`, or the first that is installed."""
    path = environ.get("PATH")
    return environ.get("CXX") or next((found for name in _COMPILERS if (found := shutil.which(name, path=path))), "")
