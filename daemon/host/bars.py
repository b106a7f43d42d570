"""Log lines beside progress bars: transformers and huggingface_hub draw theirs with tqdm on the same terminal."""

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

from .outlet import Outlet


class BesideBars(logging.Handler):
    """Writes each record whole; a bar that is on the terminal is cleared before it and drawn again after it.

    A record that comes to nothing in this form is left out. Whoever logs never waits for the stream.
    """

    def __init__(self, stream: TextIO, outlet: Outlet | None = None) -> None:
        """`outlet` is where the lines go; by itself the handler makes one for `stream`."""
        super().__init__()
        self.outlet = outlet or Outlet(stream, lambda lines: f"{lines} lines were lost\n")
        self.outlet.around = lambda: _no_bars(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record, on any thread."""
        try:
            text = self.format(record)
            if text:
                self.outlet.put(f"{text}\n")
        except Exception:  # noqa: BLE001 - as every handler of logging: a log line ends nothing
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say that a record is lost. logging's own answer is to write a traceback to a stream that may block."""
        self.outlet.lose()


def _no_bars(stream: Any) -> AbstractContextManager[Any]:
    """Clear the bars while the context lasts. Without tqdm, which is heavy to import, there are none."""
    tqdm = sys.modules.get("tqdm")
    if tqdm is None or not stream.isatty():
        return nullcontext()
    return tqdm.tqdm.external_write_mode(file=stream)  # type: ignore[no-any-return] # tqdm has no types
