"""Log lines beside progress bars: transformers and huggingface_hub draw theirs with tqdm on the same terminal."""

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class BesideBars(logging.StreamHandler[Any]):
    """Writes each record whole; a bar that is on the terminal is cleared before it and drawn again after it.

    A record that comes to nothing in this form is left out.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, on any thread."""
        try:
            text = self.format(record)
            if text:
                with _no_bars(self.stream):
                    self.stream.write(text + self.terminator)
                    self.flush()
        except Exception:  # noqa: BLE001 - as every handler of logging: a log line ends nothing
            self.handleError(record)


def _no_bars(stream: Any) -> AbstractContextManager[Any]:
    """Clear the bars while the context lasts. Without tqdm, which is heavy to import, there are none."""
    tqdm = sys.modules.get("tqdm")
    if tqdm is None or not stream.isatty():
        return nullcontext()
    return tqdm.tqdm.external_write_mode(file=stream)  # type: ignore[no-any-return] # tqdm has no types
