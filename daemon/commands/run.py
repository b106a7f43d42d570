"""``hotswapd run``."""

import faulthandler
import os
import signal
import tempfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.host.log import log_flushed, setup_logging
from hotswapd.daemon.host.sockets import CannotListen
from hotswapd.daemon.terminal.complaint import complain

_LAST_LINES = 2.0
"""Seconds that the end waits for whoever reads the log."""
DEFAULT_CONFIG = Path("/etc/hotswapd/hotswapd.toml")


def run(arguments: Namespace) -> int:
    """Run the daemon until it is told to stop."""
    # A SIGHUP that arrives while torch is imported waits for the service, instead of ending the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    config = arguments.config or _default_config()
    try:
        settings = load_settings(config, os.environ)
    except ConfigError as error:
        return _complain_about(error)
    setup_logging(settings.log.level, settings.log.format)
    try:
        return _serve(settings, lambda: load_settings(config, os.environ))
    except ConfigError as error:
        return _complain_about(error)
    except CannotListen as error:
        return complain(error.sentence, Exit.TRY_AGAIN)
    finally:
        log_flushed(_LAST_LINES)


def _serve(settings: Settings, read: Callable[[], Settings]) -> int:
    _require_temporary_files()
    from hotswapd.daemon.service.service import serve  # brings in torch, which takes seconds

    setup_logging(settings.log.level, settings.log.format)  # again: libraries just installed handlers of their own
    _show_stacks()
    _silence_progress_bars()
    return int(serve(settings, read))


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


def _default_config() -> Path | None:
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def _complain_about(error: ConfigError) -> Exit:
    for problem in error.problems:
        complain(str(problem), Exit.CONFIGURATION)
    return Exit.CONFIGURATION
