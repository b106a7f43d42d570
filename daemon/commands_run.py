"""``hotswapd run``."""

import os
from argparse import Namespace
from pathlib import Path

from .commands_talk import complain
from .config import ConfigError, Settings, load_settings
from .exits import Exit
from .log import setup_logging
from .sockets import CannotListen

DEFAULT_CONFIG = Path("/etc/hotswapd/hotswapd.toml")


def run(arguments: Namespace) -> int:
    """Run the daemon until it is told to stop."""
    try:
        settings = load_settings(arguments.config or _default_config(), os.environ)
    except ConfigError as error:
        return _complain_about(error)
    setup_logging(settings.log.level, settings.log.format)
    try:
        return _serve(settings)
    except ConfigError as error:
        return _complain_about(error)
    except CannotListen as error:
        return complain(error.sentence, Exit.TRY_AGAIN)


def _serve(settings: Settings) -> int:
    from .service import Service  # brings in torch, which takes seconds

    setup_logging(settings.log.level, settings.log.format)  # again: libraries just installed handlers of their own
    _silence_progress_bars()
    return int(Service(settings).run())


def _silence_progress_bars() -> None:
    """Keep the log one line per event: the service says itself what start-up spends its time on."""
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
