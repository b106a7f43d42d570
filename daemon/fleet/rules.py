"""The configuration that a fleet goes by: that of its deployment, or what an operator has given it since then."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hotswapd.daemon.config.errors import ConfigError, Problem
from hotswapd.daemon.config.settings import Settings, settings_of

from .shared.place import Place, created

_FOLDER = "reloads"
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Rules:
    """Some version of it; 0 is that of the deployment, which every process was started with. `text` is JSON."""

    version: int = 0
    text: str = ""

    @classmethod
    def of(cls, version: int, settings: Settings) -> "Rules":
        """Write settings down, and nothing that is only a default: another version of this program has its own."""
        return cls(version, settings.model_dump_json(exclude_unset=True))

    def settings(self) -> Settings:
        """Read them. Raises ConfigError for what this program does not know."""
        try:
            return settings_of(json.loads(self.text))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError("", f"version {self.version} of the configuration cannot be read: {error}") from None


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reload, for another process: the tables that have changed, or what is wrong with which key.

    `away` says that it could not be tried.
    """

    changed: Sequence[str] = ()
    problems: Sequence[Problem] = ()
    away: str = ""


@dataclass(frozen=True, slots=True)
class Reloads:
    """What one deployment was given since it began: whoever starts again goes by it. Every method raises Unavailable.

    `deployment` is a name that no other one has.
    """

    place: Place
    deployment: str

    def newest(self) -> Rules:
        """Return the last one; that of the deployment if there is none."""
        name = max(self._names(), default="")
        content = self.place.read(f"{_FOLDER}/{name}") if name else None
        return Rules() if content is None else Rules(int(name.rpartition("-")[2]), content.decode())

    def add(self, rules: Rules) -> bool:
        """Let it be the last one, and forget those before; return False if another one has this version."""
        name = f"{self.deployment}-{rules.version:0{_DIGITS}}"
        if not created(self.place, f"{_FOLDER}/{name}", rules.text.encode()):
            return False
        for older in self._names():
            if older < name:
                self.place.remove(f"{_FOLDER}/{older}")
        return True

    def _names(self) -> list[str]:
        return [name for name in self.place.names(_FOLDER) if name.rpartition("-")[0] == self.deployment]
