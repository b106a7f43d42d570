"""Extents: how far a host buffer may differ from zero, so that only what an earlier adapter left is cleared."""

from .cells import Cells
from .layout import Place


class Extents:
    """For each place of one host buffer, the rows and columns from its top left corner that may differ from zero.

    An adapter of rank 8 in slots of rank 64 leaves seven eighths of the buffer zero: clearing them again for the next
    one of that rank took most of a staging. All writes to the buffer must be noted here. One buffer is filled at a
    time, and each thread that fills it has places of its own.
    """

    def __init__(self, *, zero: bool) -> None:
        """With `zero` the buffer is all zeros; otherwise nothing is known of its content."""
        self._zero = zero
        self._reached: dict[int, tuple[int, int]] = {}

    def widen(self, place: Place, rows: int, columns: int) -> None:
        """Note a corner of (rows, columns) before it is written: a staging may fail in the middle of it."""
        before = self._of(place)
        self._reached[place.offset] = max(rows, before[0]), max(columns, before[1])

    def forget(self) -> None:
        """Note that anything may be anywhere: it was written past these extents."""
        self._zero = False
        self._reached = {}

    def clear_beyond(self, place: Place, cells: Cells, rows: int, columns: int) -> None:
        """Zero a place's cells (its whole shape) outside the corner (rows, columns)."""
        reached_rows, reached_columns = self._of(place)
        if reached_columns > columns:
            cells[:rows, columns:reached_columns] = 0
        if reached_rows > rows:
            cells[rows:reached_rows, :reached_columns] = 0
        self._reached[place.offset] = rows, columns

    def _of(self, place: Place) -> tuple[int, int]:
        rows, columns = place.shape
        return self._reached.get(place.offset, (0, 0) if self._zero else (rows, columns))
