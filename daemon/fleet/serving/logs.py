"""Where the log of a process of Serve's goes."""

import sys

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.host.log import setup_logging


def log_to_ray(settings: Settings) -> None:
    """Log as one daemon does, to the process's own error file among Ray's logs.

    Serve takes standard output and error for itself, and made for throughput it keeps a thousand lines in memory: a
    process that is killed would have logged nothing.
    """
    setup_logging(settings.log.level, settings.log.format, sys.__stderr__)
