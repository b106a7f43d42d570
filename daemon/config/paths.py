"""Where a daemon without a configuration file keeps its state and its control socket. Standard library only.

root: ``/var/lib/hotswapd`` and ``/run/hotswapd/control.sock``. Everybody else: ``$XDG_STATE_HOME/hotswapd``
(``~/.local/state/hotswapd``) and ``$XDG_RUNTIME_DIR/hotswapd/control.sock``, which is in the state directory where that
variable is unset. A daemon with a name of its own has ``hotswapd-NAME`` in place of ``hotswapd``.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_NAME = "default"
"""What the daemon is called that nobody gave a name."""
SYSTEM_SOCKET = Path("/run/hotswapd/control.sock")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SOCKET = "control.sock"
_PROGRAM = "hotswapd"


class NoHome(Exception):
    """This user has no home directory, so that there is no place for the state. The text says what to set."""


@dataclass(frozen=True, slots=True)
class Roots:
    """The two directories in which a user's daemons have theirs: for state, and for sockets.

    `sockets` is None if the user has no directory for what lives as long as a login.
    """

    state: Path
    sockets: Path | None

    def state_dir(self, name: str = DEFAULT_NAME) -> Path:
        """Return the state directory of the daemon of this name."""
        return self.state / _directory(name)

    def socket(self, name: str = DEFAULT_NAME) -> Path:
        """Return the control socket of the daemon of this name."""
        return (self.sockets or self.state) / _directory(name) / _SOCKET

    def found(self) -> Iterator[tuple[str, Path]]:
        """Yield the name and the socket of each daemon that has left one, alive or not, in the order of their names.

        A daemon may have been started with `XDG_RUNTIME_DIR` and be asked for without it, so both places count.
        """
        roots = [self.state] if self.sockets is None else [self.sockets, self.state]
        sockets = {path for root in roots for path in root.glob(f"{_PROGRAM}*/{_SOCKET}")}
        named = ((name, path) for path in sockets if (name := _name_in(path.parent.name)) is not None)
        yield from sorted(named)


def roots_of(environ: Mapping[str, str], uid: int) -> Roots:
    """Return the places of a user. Raises NoHome."""
    if uid == 0:
        return Roots(Path("/var/lib"), Path("/run"))
    return Roots(_state_home(environ), _runtime(environ, uid))


def is_name(text: str) -> bool:
    """Tell whether a daemon may be called so."""
    return _NAME.fullmatch(text) is not None


def _directory(name: str) -> str:
    return _PROGRAM if name == DEFAULT_NAME else f"{_PROGRAM}-{name}"


def _name_in(directory: str) -> str | None:
    """Return the name of the daemon whose directory is called so, None if it is the directory of something else."""
    if directory == _PROGRAM:
        return DEFAULT_NAME
    program, dash, name = directory.partition("-")
    return name if program == _PROGRAM and dash and is_name(name) else None


def _state_home(environ: Mapping[str, str]) -> Path:
    """Return where state goes; a relative path is ignored, as the XDG specification asks."""
    given = Path(environ.get("XDG_STATE_HOME", ""))
    if given.is_absolute():
        return given
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none
    if not home.startswith("/"):
        raise NoHome("there is no home directory to keep the state in: set HOME, or XDG_STATE_HOME")
    return Path(home) / ".local" / "state"


def _runtime(environ: Mapping[str, str], uid: int) -> Path | None:
    """Return where sockets go, if anywhere; a directory of somebody else counts as unset: `su` keeps the variable."""
    given = Path(environ.get("XDG_RUNTIME_DIR", ""))
    if not given.is_absolute():
        return None
    try:
        return given if given.stat().st_uid == uid else None
    except FileNotFoundError:
        return given if os.access(given.parent, os.W_OK) else None
    except OSError:
        return None
