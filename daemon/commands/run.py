"""``hotswapd run``, and what it shares with ``hotswapd serve``: the process from its settings to its end."""

import faulthandler
import os
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import structlog

from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.host.log import log_flushed, setup_logging, speaks_to_a_person
from hotswapd.daemon.host.sockets import CannotListen
from hotswapd.daemon.terminal.complaint import complain

log = structlog.get_logger(__name__)
_LAST_LINES = 2.0
"""Seconds that the end waits for whoever reads the log."""
DEFAULT_CONFIG = Path("/etc/hotswapd/hotswapd.toml")
OnReady = Callable[[Settings, tuple[str, int]], None]
"""Called once the daemon answers, with what it listens on; on the worker's thread."""
_FORMAT = "HOTSWAPD_LOG__FORMAT"
_NO_BASE = "model.base"


def run(arguments: Namespace) -> int:
    """Run the daemon until it is told to stop."""
    config = arguments.config or default_config()
    environ = {**os.environ, **({_FORMAT: arguments.log_format} if arguments.log_format else {})}
    return run_daemon(lambda: load_settings(config, environ), explain=lambda error: _explain(error, config))


def run_daemon(
    read: Callable[[], Settings],
    on_ready: OnReady = lambda settings, address: None,
    on_leave: Callable[[], None] = lambda: None,
    explain: Callable[[ConfigError | CannotListen], str] = lambda error: "",
) -> int:
    """Run the daemon that `read` describes, now and at each reload, and return its exit status.

    `on_leave` is called if the process ends without returning, because a thread hangs. `explain` adds to an error what
    to do about it, in the words of the command that was used.
    """
    # A SIGHUP that arrives while torch is imported waits for the service, instead of ending the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        settings = read()
        setup_logging(settings.log.level, settings.log.format)
        return _serve(settings, read, on_ready, on_leave)
    except ConfigError as error:
        for problem in error.problems:
            complain(str(problem), Exit.CONFIGURATION)
        return _advise(explain(error), Exit.CONFIGURATION)
    except CannotListen as error:
        complain(error.sentence, Exit.TRY_AGAIN)
        return _advise(explain(error), Exit.TRY_AGAIN)
    finally:
        log_flushed(_LAST_LINES)


def _serve(settings: Settings, read: Callable[[], Settings], on_ready: OnReady, on_leave: Callable[[], None]) -> int:
    _require_temporary_files()
    _say_that_it_begins(settings)
    from hotswapd.daemon.service.circumstances import Starter  # brings in torch: seconds
    from hotswapd.daemon.service.service import serve

    setup_logging(settings.log.level, settings.log.format)  # again: libraries just installed handlers of their own
    _show_stacks()
    if not speaks_to_a_person(settings.log.format, sys.stderr):
        _silence_progress_bars()
    return int(serve(settings, read, Starter(lambda address: on_ready(settings, address), on_leave)))


def _say_that_it_begins(settings: Settings) -> None:
    """Show a person something at once: the imports that follow take seconds."""
    if speaks_to_a_person(settings.log.format, sys.stderr):
        log.info("starting", detail=f"hotswapd {version('hotswapd')} is starting")


def _require_temporary_files() -> None:
    """Raise ConfigError unless temporary files can be written somewhere: torch cannot even be imported then."""
    try:
        tempfile.gettempdir()
    except OSError:
        sentence = (
            "no directory for temporary files can be written: the environment's TMPDIR, /tmp, /var/tmp and the working "
            "directory were tried; set TMPDIR to one that can, or PrivateTmp=yes in the unit"
        )
        raise ConfigError("TMPDIR", sentence) from None


def _show_stacks() -> None:
    """Write all threads' stacks to standard error when the watchdog aborts the process, and on SIGUSR1."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)


def _silence_progress_bars() -> None:
    """Keep the log at one line per event; the service itself logs what start-up spends its time on."""
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bars()
    disable_progress_bar()


def default_config() -> Path | None:
    """Return the file that is read if none is named; None if it does not exist."""
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def _advise(advice: str, code: Exit) -> Exit:
    return complain(advice, code) if advice else code


def _explain(error: Exception, config: Path | None) -> str:
    """Point whoever has no configuration yet to the command that needs none."""
    if config is None and isinstance(error, ConfigError) and error.key == _NO_BASE:
        return f"there is no {DEFAULT_CONFIG}: name a file with --config, or use hotswapd serve BASE SOURCE without one"
    return ""
