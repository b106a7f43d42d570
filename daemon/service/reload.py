"""A reload: the configuration is read again while the model stays. Either all of it takes effect or none.

Sources, [admission], [verify], [[channel]] but its rollouts, [log], serve.max_drain, state.keep and state.max_bytes can
change; key and token files are read again whenever they are used. Everything else belongs to the model or to an open
socket, and needs a restart.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from hotswapd.daemon.config.current import Current
from hotswapd.daemon.config.policy import Policy, policy_of
from hotswapd.daemon.config.settings import ConfigError, Problem, Settings, SourceTable
from hotswapd.daemon.control.part import Working
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.gates.from_config import require_all_readable
from hotswapd.daemon.host.heartbeats import Heartbeats
from hotswapd.daemon.host.log import setup_logging
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.sources import Sources
from hotswapd.daemon.serve.tls import read_tls
from hotswapd.loaders import open_source
from hotswapd.loaders.source import Source

log = structlog.get_logger(__name__)
_TABLES = frozenset({"source", "admission", "verify", "channel", "log"})
_SHOWN = 2000
"""Letters of a refusal that the status shows; the log has all of it."""
_KEYS = frozenset({"serve.max_drain", "state.keep", "state.max_bytes"})


@dataclass(frozen=True, slots=True)
class Reloading:
    """Reloads the configuration. `reload` is for the main thread, once the model answers."""

    read: Callable[[], Settings]
    current: Current
    standing: Standing
    ledger: Ledger
    inbox: Inbox
    sources: Sources
    policy: Policy
    beats: Heartbeats

    def reload(self, part: Working) -> None:
        """Switch to the new configuration, or keep the old one and report why; the model goes on answering."""
        self.standing.reload_refused = ""
        try:
            settings = read_again(self.read, self.current.now)
            fresh = open_fresh(self.current.now, settings)
        except ConfigError as error:
            for problem in error.problems:
                log.error("reload_refused", key=problem.key, detail=problem.sentence)  # noqa: TRY400
            self.standing.reload_refused = str(error)[:_SHOWN]
        else:
            self._take_over(part, settings, fresh)

    def _take_over(self, part: Working, settings: Settings, fresh: Sequence[Source]) -> None:
        tables = changed(self.current.now, settings)
        self.current.renew(settings)
        setup_logging(settings.log.level, settings.log.format)
        part.acts.worker.between(lambda: self._apply(part, settings))
        for name in self.sources.renew([table.name for table in settings.source], fresh):
            self.beats.forget(name)
        log.info("reloaded", changed=tables)

    def _apply(self, part: Working, settings: Settings) -> None:
        """Change what is refused from now on, without touching the model. On the worker's thread."""
        part.channels.renew(settings.named_channels)
        try:
            part.opened.judge_by(settings)
        except ConfigError as error:
            log.error("verify_not_changed", detail=str(error))  # noqa: TRY400 - the sentence says it
        if self.policy.renew(policy_of(part.opened.contract_fingerprint, settings)):
            self._reopen()

    def _reopen(self) -> None:
        try:
            self.ledger.reopen(self.policy.of)
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))
        self.inbox.notify()
        log.info("policy_changed", detail="what the old one refused is tried again")


def read_again(read: Callable[[], Settings], old: Settings) -> Settings:
    """Read the configuration. Raises ConfigError with every key that cannot change now."""
    new = read()
    problems = [*_need_restart(old, new), *unreadable(new)]
    if problems:
        raise ConfigError.of(problems)
    return new


def changed(old: Settings, new: Settings) -> list[str]:
    """Name the tables that differ, for the log."""
    return [name for name in Settings.model_fields if getattr(old, name) != getattr(new, name)]


def open_fresh(old: Settings, new: Settings) -> list[Source]:
    """Open the sources that are new or described differently; touch nothing else. Raises ConfigError."""
    every = old.admission.max_artifact_bytes != new.admission.max_artifact_bytes
    fresh = [table for table in new.source if every or table not in old.source]
    return [_open(table, new) for table in fresh]


def _open(table: SourceTable, settings: Settings) -> Source:
    try:
        return open_source(table, settings.admission.max_artifact_bytes)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"source {table.name}", f"cannot be watched: {error}") from None


def _need_restart(old: Settings, new: Settings) -> Iterator[Problem]:
    for table in Settings.model_fields:
        if table in _TABLES:
            continue
        before, after = getattr(old, table).model_dump(), getattr(new, table).model_dump()
        for key in before:
            if before[key] != after[key] and f"{table}.{key}" not in _KEYS:
                yield Problem(f"{table}.{key}", _restart(before[key], after[key]))
    for channel in sorted({one.name for one in (*old.channel, *new.channel)}):
        if old.rollout == new.rollout and old.rollout_of(channel) != new.rollout_of(channel):
            yield Problem(f"channel {channel}.rollout", "cannot change while the daemon runs: restart it for that")


def _restart(before: Any, after: Any) -> str:
    return f"cannot change from {str(before)!r} to {str(after)!r} while the model is loaded: restart the daemon for it"


def unreadable(settings: Settings) -> Iterator[Problem]:
    """Find missing files of [verify], and unreadable key files, with which every client would get an error."""
    try:
        require_all_readable(settings)
    except ConfigError as error:
        yield from error.problems
    serve = settings.serve
    try:
        if serve.tls_cert:
            read_tls(serve.tls_cert, serve.tls_key)
    except ConfigError as error:
        yield from error.problems
    files: Sequence[tuple[str, str]] = [("serve.api_key_file", serve.api_key_file)]
    files = [*files, ("serve.api_keys_file", serve.api_keys_file)]
    files = [*files, *((f"source {one.name}.token_file", getattr(one, "token_file", "")) for one in settings.source)]
    for key, file in files:
        try:
            if file:
                Path(file).read_bytes()
        except OSError as error:
            yield Problem(key, f"{file} cannot be read: {error.strerror or error}")
