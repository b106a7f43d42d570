"""Where the token for a Hub comes from: a file, an environment variable, or nowhere."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from hotswapd.loaders.codes import HubCode

from .errors import HubTrouble

_TOKEN = re.compile(rb"[!-~]{1,4096}\Z")


@dataclass(frozen=True, slots=True)
class HubToken:
    """The path of a file and the name of a variable; the file goes first, and if both are empty no token is sent."""

    file: str = ""
    variable: str = ""

    @property
    def place(self) -> str:
        """What a sentence calls it; empty if there is none."""
        return self.file or self.variable

    def read(self) -> str | None:
        """Read it, for each call, so that a renewed one is used at once. Raises HubTrouble, which never shows it."""
        if not self.place:
            return None
        token = self._in_file() if self.file else os.environb.get(os.fsencode(self.variable), b"").strip()
        if not self.file and not token:
            raise HubTrouble(
                HubCode.TOKEN_UNREADABLE, f"token_env names {self.variable}, which is not set in the environment"
            )
        if not _TOKEN.match(token):
            what = f"token_file {self.file}" if self.file else f"the variable {self.variable} of token_env"
            raise HubTrouble(HubCode.TOKEN_MALFORMED, f"{what} must hold one token and nothing else")
        return token.decode()

    def _in_file(self) -> bytes:
        try:
            with Path(self.file).open("rb") as file:
                return file.read(8192).strip()
        except OSError as error:
            raise HubTrouble(
                HubCode.TOKEN_UNREADABLE, f"token_file {self.file} cannot be read: {error.strerror}"
            ) from error
