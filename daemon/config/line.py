"""The configuration that one command line amounts to: `hotswapd serve BASE SOURCE ... --set TABLE.KEY=VALUE`."""

import re
import tomllib
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .addresses import model_table, source_table
from .errors import ConfigError
from .paths import DEFAULT_NAME, NoHome, is_name, roots_of
from .settings import Settings, settled

_OPTIONS = {"port": "serve.port", "max_rank": "model.max_rank", "log_format": "log.format"}
_PART = re.compile(r"([A-Za-z0-9_]+)((?:\[\d+\])*)")


@dataclass(frozen=True, slots=True)
class Line:
    """What was typed. `given` are keys that have an option of their own, `sets` the texts after ``--set``, in order."""

    base: str
    sources: Sequence[str] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    sets: Sequence[str] = ()
    name: str = DEFAULT_NAME

    @classmethod
    def of(cls, arguments: Namespace) -> "Line":
        """Take it from the parsed arguments of `serve` or `doctor`."""
        typed = {key: getattr(arguments, option, None) for option, key in _OPTIONS.items()}
        given = {key: value for key, value in typed.items() if value is not None}
        return cls(arguments.base, arguments.source, given, arguments.set, arguments.name)

    def said(self, environ: Mapping[str, str]) -> dict[str, Any]:
        """Return what was typed as tables of a configuration file. Raises ConfigError."""
        model, names = model_table(self.base)
        tables: dict[str, Any] = {"model": model}
        if self.sources:
            tables["source"] = [source_table(text, environ) for text in self.sources]
        if names:
            tables["admission"] = {"base_models": names}
        for key, value in self.given.items():
            _put(tables, key, value)
        for text in self.sets:
            _put(tables, *_split(text))
        return tables

    def usual(self, environ: Mapping[str, str], uid: int) -> dict[str, Any]:
        """Return where this user's daemon of this name has its state and its socket. Raises ConfigError."""
        if not is_name(self.name):
            raise ConfigError(
                "--name", f"{self.name!r} must be at most 64 letters, digits, dots, dashes and underscores"
            )
        try:
            roots = roots_of(environ, uid)
        except NoHome as error:
            raise ConfigError("state.dir", str(error)) from None
        return {
            "state": {"dir": str(roots.state_dir(self.name))},
            "control": {"socket": str(roots.socket(self.name))},
        }

    def tables(self, environ: Mapping[str, str], uid: int) -> dict[str, Any]:
        """Return all that a configuration file must say to mean the same. Raises ConfigError."""
        said = self.said(environ)
        usual = self.usual(environ, uid)
        return {**said, **{table: {**keys, **said.get(table, {})} for table, keys in usual.items()}}

    def settings(self, environ: Mapping[str, str], uid: int) -> Settings:
        """Return the settings: what was typed wins over the environment. Raises ConfigError with every wrong key."""
        return settled(self.said(environ), environ, self.usual(environ, uid))


def _split(text: str) -> tuple[str, Any]:
    """Read ``TABLE.KEY=VALUE``; a value that is not TOML is a string, so that nobody has to quote for two readers."""
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise ConfigError("--set", f"{text!r} must be TABLE.KEY=VALUE, as in serve.berths=6")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def _put(tables: dict[str, Any], key: str, value: Any) -> None:
    """Set one key, ``serve.port`` or ``source[0].poll``, as an error would name it."""
    here: Any = tables
    steps = _steps(key)
    for step, after in pairwise(steps):
        here = _into(here, step, [] if isinstance(after, int) else {}, key)
    _into(here, steps[-1], value, key, replace=True)


def _steps(key: str) -> list[str | int]:
    steps: list[str | int] = []
    for part in key.split("."):
        found = _PART.fullmatch(part)
        if found is None:
            raise ConfigError("--set", f"{key!r} is not a key: write TABLE.KEY, as in serve.berths or source[0].poll")
        steps += [found[1], *(int(number) for number in re.findall(r"\d+", found[2]))]
    return steps


def _into(here: Any, step: str | int, value: Any, key: str, *, replace: bool = False) -> Any:
    """Go one step down, where `value` is put unless something is there already, or in its place if `replace`."""
    if isinstance(step, int):
        if not isinstance(here, list) or step > len(here):
            raise ConfigError("--set", f"{key!r} names a number {step} that was not given")
        if step == len(here):
            here.append(value)
    elif not isinstance(here, dict):
        raise ConfigError("--set", f"{key!r} does not name a key of a table")
    else:
        here.setdefault(step, value)
    if replace:
        here[step] = value
    return here[step]
