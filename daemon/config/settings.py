"""The configuration: one TOML file, environment variables over it, and an error for every key that is wrong.

Imported by everything that reads a setting, so it imports nothing heavy.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from hotswapd.daemon.ledger.channel import DEFAULT

from .channels import FIRST, ChannelTable, channel_problems, names_of_base, overridden
from .errors import ConfigError, Problem, problems_of
from .fleet import Fleet
from .rollout import Rollout
from .sources import HubTable, LocalTable, S3Table, SourceTable
from .tables import Admission, Control, Log, Model, Serve, State
from .verify import Verify

__all__ = [
    "ConfigError",
    "HubTable",
    "LocalTable",
    "Problem",
    "S3Table",
    "Settings",
    "SourceTable",
    "load_settings",
    "settled",
]

PREFIX = "HOTSWAPD_"
BERTHS_BESIDE_A_CANARY = 3
"""One for the live generation, one for the canary, and one for a newer candidate while it is verified."""


class Settings(BaseSettings):
    """Everything that can be set. Frozen: a reload makes a new one."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    model: Model
    source: tuple[SourceTable, ...] = ()
    admission: Admission = Admission()
    verify: Verify = Verify()
    serve: Serve = Serve()
    rollout: Rollout = Rollout()
    channel: tuple[ChannelTable, ...] = ()
    state: State = State()
    control: Control = Control()
    log: Log = Log()
    fleet: Fleet = Fleet()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values only from the call; `load_settings` brings its own sources."""
        return (init_settings,)

    @model_validator(mode="after")
    def _names_differ(self) -> "Settings":
        names = [source.name for source in self.source]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise ConfigError(f"source[{index}].name", f"{name!r} is the name of another source: give it its own")
        return self

    @model_validator(mode="after")
    def _channels_fit(self) -> "Settings":
        sources = [source.channel for source in self.source]
        problems = list(channel_problems(self.channel, sources, self.verify, self.rollout, self.base_names))
        if problems:
            raise ConfigError.of(problems)
        return self

    @property
    def base_names(self) -> set[str]:
        """Every name that the base is called by; no channel but the default one has any of them."""
        return names_of_base(self.model.base, (*self.serve.model_names, *self.admission.base_models))

    @property
    def named_channels(self) -> set[str]:
        """The channels that the configuration names, and the default one: these always exist."""
        named = {source.channel for source in self.source} | {table.name for table in self.channel}
        return {DEFAULT, *named} - {FIRST}

    def verify_of(self, channel: str) -> Verify:
        """Return what a candidate of this channel must show: ``[verify]``, and ``[channel.verify]`` over it."""
        return overridden(self.verify, next((one.verify for one in self.channel if one.name == channel), None))

    def rollout_of(self, channel: str) -> Rollout:
        """Return how a candidate of this channel takes over: ``[rollout]``, and ``[channel.rollout]`` over it."""
        return overridden(self.rollout, next((one.rollout for one in self.channel if one.name == channel), None))

    @model_validator(mode="after")
    def _newer_has_a_berth(self) -> "Settings":
        supersedes = self.rollout.mode != "replace" and self.rollout.on_newer == "supersede"
        if supersedes and self.serve.berths < BERTHS_BESIDE_A_CANARY:
            need = f"a newer candidate needs a berth beside the canary's: set it to at least {BERTHS_BESIDE_A_CANARY}"
            raise ConfigError("serve.berths", f'{need}, or rollout.on_newer to "wait"')
        return self


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the file, if any, and `environ` over it, table by table. Raises ConfigError with every key that is wrong."""
    return _built(_environment(environ), InitSettingsSource(Settings, _read(path) if path else {}))


def settings_of(tables: Mapping[str, Any]) -> Settings:
    """Build the settings of these tables, and of nothing else. Raises ConfigError with every key that is wrong."""
    return _built(InitSettingsSource(Settings, dict(tables)))


def settled(said: Mapping[str, Any], environ: Mapping[str, str], usual: Mapping[str, Any]) -> Settings:
    """Build the settings without a file: what was `said` on a command line, then `environ`, then what is `usual`.

    Both are tables of tables as in a file. Raises ConfigError with every key that is wrong.
    """
    given, default = (InitSettingsSource(Settings, dict(tables)) for tables in (said, usual))
    return _built(given, _environment(environ), default)


def _built(*sources: PydanticBaseSettingsSource) -> Settings:
    """Build the settings; a source that comes first wins."""
    without_a_base = InitSettingsSource(Settings, {"model": {}})  # so that the key at fault is model.base
    built: dict[str, Any] = {"_build_sources": ((*sources, without_a_base), {})}  # unpacked: mypy knows only the fields
    try:
        return Settings(**built)
    except ValidationError as error:
        raise ConfigError.of(problems_of(error, Settings)) from None
    except SettingsError as error:
        key = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), PREFIX)
        raise ConfigError(key, f"the environment variable {PREFIX}{key.upper()}… must hold JSON") from None


def _read(path: Path) -> dict[str, Any]:
    """Read the file; the library's own source would take a missing one for an empty one, and read no pipe."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"the file cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(str(path), f"the file is not TOML: {error}") from None


def _environment(environ: Mapping[str, str]) -> EnvSettingsSource:
    ours = {key.lower(): value for key, value in environ.items() if key.upper().startswith(PREFIX)}
    _refuse_unknown_tables(ours)
    source = EnvSettingsSource(Settings, case_sensitive=False, env_prefix=PREFIX, env_nested_delimiter="__")
    source.env_vars = ours
    return source


def _refuse_unknown_tables(ours: Mapping[str, str]) -> None:
    """Refuse a misspelt HOTSWAPD_MODLE__BASE; names without ``__`` belong to other tools."""
    for name in ours:
        table, nested, _ = name.removeprefix(PREFIX.lower()).partition("__")
        if nested and table not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise ConfigError(table, f"the environment variable {name.upper()} names no table; the tables are {known}")
