"""A picture of what an adapter changes: the norm of its update in each layer, by kind of module."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import cast

import structlog

from hotswapd.daemon.answers import PictureRecord
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.swap.berths.norms import whole

log = structlog.get_logger(__name__)
_NUMBER = re.compile(r"\.(\d+)\.")
_FLAG = "pictures"
_REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class Picture:
    """What one generation changes: `norms` has a row for each of `layers`, with a value for each of `kinds`.

    A norm is ||scaling * B A|| (Frobenius) of all slots of that kind in that layer together; None if there is none.
    """

    generation: int
    digest: str
    layers: list[str]
    kinds: list[str]
    norms: list[list[float | None]]


class Pictures:
    """Pictures of the live and of the previous generation. For the worker's thread; `shown` is for any thread."""

    def __init__(self, ledger: Ledger) -> None:
        """Take over what an earlier process measured."""
        self._ledger = ledger
        self._known: dict[str, dict[str, float]] = {}
        self.shown: list[PictureRecord] = self._read()

    def went_live(self, number: int, digest: str, measure: Callable[[], Mapping[str, float]]) -> None:
        """Draw what is live now; `measure` gives its norms by module, and is called once for the same bytes.

        Never raises: a swap does not fail for a picture.
        """
        try:
            if digest not in self._known:
                self._known[digest] = dict(measure())
                self._known = dict(list(self._known.items())[-_REMEMBERED:])
            self._show(draw(number, digest, self._known[digest]))
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))
        except Exception:
            log.exception("not_pictured")

    def _show(self, picture: Picture) -> None:
        before = [one for one in self.shown if one["generation"] != picture.generation]
        self.shown = [cast("PictureRecord", asdict(picture)), *before[:1]]
        self._ledger.flags.set(_FLAG, self.shown)

    def _read(self) -> list[PictureRecord]:
        try:
            found = self._ledger.flags.get(_FLAG, [])
        except LedgerDown:
            return []
        return found if isinstance(found, list) else []


def draw(generation: int, digest: str, norms: Mapping[str, float]) -> Picture:
    """Put the norms of slots, by their modules' names, in the model's order: by layer and by kind of module."""
    cells: dict[tuple[str, str], list[float]] = {}
    for module, norm in norms.items():
        cells.setdefault(_place(module), []).append(norm)
    layers = list(dict.fromkeys(layer for layer, _ in cells))
    kinds = list(dict.fromkeys(kind for _, kind in cells))
    rows = [[_joined(cells.get((layer, kind))) for kind in kinds] for layer in layers]
    return Picture(generation, digest, layers, kinds, rows)


def _place(module: str) -> tuple[str, str]:
    """Split a module's name into the number of its layer, empty if it has none, and its kind."""
    number = _NUMBER.search(module)
    return (number[1] if number else "", module.rpartition(".")[2])


def _joined(norms: list[float] | None) -> float | None:
    return None if norms is None else float(f"{whole(norms):.4g}")
