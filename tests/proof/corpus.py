"""The corpus of bad adapters: what a class is, and all of them together.

Each class is a good adapter of the tiny Llama that a function spoils on disk, the state that the daemon must put it
in, and the code of the reason. `ALL` has those that lie in a folder; those of S3 and the Hub are in `corpus_remote`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GOOD = "run-2"
"""Which of the room's adapters is spoilt."""
Spoil = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Bad:
    """One class. `spoil` changes a good adapter's directory in place."""

    name: str
    spoil: Spoil
    code: str
    state: str = "REJECTED"


def waits(name: str, spoil: Spoil, code: str = "incomplete") -> Bad:
    """Make a class that is not whole yet, as far as anybody can tell: it waits until its files change."""
    return Bad(name, spoil, code, "WAITING")


def some() -> list[Bad]:
    """Return every third class of each group: so many that each test run can have them."""
    return [bad for group in everything().values() for bad in group[::3]]


def everything() -> dict[str, list[Bad]]:
    """Return every class that lies in a folder, by its group."""
    from .corpus_config import CONFIGS
    from .corpus_files import files
    from .corpus_header import HEADERS
    from .corpus_tensors import TENSORS

    return {"structure": HEADERS, "config": CONFIGS, "tensors": TENSORS, "files": files()}
