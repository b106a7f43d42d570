"""One line for each event: JSON for machines, colours for a terminal; the lines of libraries have the same form."""

import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from .bars import BesideBars
from .lines import Lines
from .repeats import Repeats

__all__ = ["setup_logging", "speaks_to_a_person"]

# Secrets reach a log as a field of that name, or inside a library's sentence.
_SECRET_KEYS = frozenset({"token", "api_key", "authorization", "password", "secret", "secret_access_key"})
_SECRET_TEXT = re.compile(
    r"\bhf_[A-Za-z0-9]{8,}|(?<=Bearer )\S+|(?<=X-Amz-Signature=)\w+|(?<=X-Amz-Credential=)[^&\s]+"
)
# They log a line for each request, or what only their authors want to know.
_TOO_TALKATIVE = (
    "botocore",
    "boto3",
    "urllib3",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "watchdog",
    "filelock",
    "asyncio",
    "uvicorn",
    "ContinuousBatchingLogger",
)
_EXTRA = ("swap_id", "source", "uri", "revision", "digest", "generation", "code", "repeated")


def setup_logging(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (default: standard error).

    `form` is ``json``, ``console`` (an event's fields in one line) or ``auto``: sentences for a person on a terminal,
    JSON elsewhere. Call it once, on the main thread, before other threads start; a second call replaces the first.
    """
    out = stream or sys.stderr
    shared = _shared()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form, out)],
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _route(formatter, out, level.upper())


def speaks_to_a_person(form: str, out: TextIO) -> bool:
    """Tell whether a log in this form goes to a terminal as sentences, beside which progress bars are welcome."""
    return form == "auto" and out.isatty()


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(allow=_EXTRA),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        _without_secrets,
    ]


def _rendering(form: str, out: TextIO) -> list[Processor]:
    safe_traceback: list[Processor] = [structlog.processors.format_exc_info, _scrub_traceback]
    if speaks_to_a_person(form, out):
        return [*safe_traceback, Lines(out)]
    if form == "console":
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time", exception_formatter=plain)
        return [*safe_traceback, renderer]
    return [*safe_traceback, structlog.processors.JSONRenderer(default=str)]


def _route(formatter: logging.Formatter, out: TextIO, level: str) -> None:
    to_stream = BesideBars(out)
    to_stream.setFormatter(formatter)
    to_stream.addFilter(Repeats(to_stream))
    root = logging.getLogger()
    root.handlers[:] = [to_stream]
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("transformers", "huggingface_hub", "peft", "uvicorn", "ContinuousBatchingLogger"):
        library = logging.getLogger(name)
        library.handlers[:] = []
        library.propagate = True


def _without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key.lower() in _SECRET_KEYS and value:
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = _SECRET_TEXT.sub("***", value)
    return event


def _scrub_traceback(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if isinstance(event.get("exception"), str):
        event["exception"] = _SECRET_TEXT.sub("***", event["exception"])
    return event
