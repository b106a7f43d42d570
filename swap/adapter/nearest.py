"""Finds the slot that a tensor's name most probably means."""

import difflib
import re
from collections.abc import Iterable

_NUMBER = re.compile(r"0*(\d+)")
_LONGEST = 400
"""Characters of a name that are compared; no slot's name is nearly as long."""
_ALIKE_ENOUGH = 0.75


class NearestSlot:
    """Compares modules that differ only in their numbers once: many layers cost no more than a few."""

    def __init__(self, modules: Iterable[str]) -> None:
        """Group the modules by their names without the numbers."""
        self._alike: dict[str, dict[tuple[str, ...], str]] = {}
        for module in modules:
            self._alike.setdefault(_shape(module), {})[_numbers(module)] = module

    def find(self, name: str, before: str, after: str) -> str | None:
        """Return the module whose name, between `before` and `after`, is nearest to `name`; None when none is near."""
        shapes = {f"{before}{shape}{after}": shape for shape in self._alike}
        near = difflib.get_close_matches(_shape(name[:_LONGEST]), shapes, n=1, cutoff=_ALIKE_ENOUGH)
        return _with_numbers(self._alike[shapes[near[0]]], _numbers(name[:_LONGEST])) if near else None


def _with_numbers(alike: dict[tuple[str, ...], str], numbers: tuple[str, ...]) -> str:
    """Choose the module that has the name's own numbers, otherwise the first one."""
    first = next(iter(alike))
    runs = (numbers[start : start + len(first)] for start in range(len(numbers) - len(first) + 1))
    return alike[next((run for run in runs if run in alike), first)]


def _shape(name: str) -> str:
    return _NUMBER.sub("#", name)


def _numbers(name: str) -> tuple[str, ...]:
    return tuple(_NUMBER.findall(name))
