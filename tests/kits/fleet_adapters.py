"""Adapters for a fleet that takes many: some dozens that differ, again and again under bytes of their own; bad ones."""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

from safetensors.torch import load_file, save_file

from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.loaders.files import CONFIG, WEIGHTS
from hotswapd.loaders.store.store import digest_of
from kits.adapters import greedy, make_adapter, oracle_model
from kits.rows import home

_RANKS = (2, 4, 8, 16)


def _not_finite(adapter: Path) -> None:
    weights = load_file(adapter / WEIGHTS)
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, adapter / WEIGHTS)


def _overflowing(adapter: Path) -> None:
    """Finite numbers with which no probe gives one."""
    weights = load_file(adapter / WEIGHTS)
    save_file({name: tensor * 1e30 for name, tensor in weights.items()}, adapter / WEIGHTS)


def _foreign(adapter: Path) -> None:
    _configure(adapter, target_modules=["no_such_module"])


def _configure(adapter: Path, **fields: object) -> None:
    config = json.loads((adapter / CONFIG).read_text())
    (adapter / CONFIG).write_text(json.dumps(config | fields))


SPOILING: tuple[Callable[[Path], None], ...] = (_not_finite, _overflowing, _foreign)
"""What makes an adapter bad: for the device, for the probe, for the admission."""


def is_bad(number: int) -> bool:
    """Tell whether this change brings a bad adapter: three in ten do."""
    return number % 10 in (2, 5, 8)


class Stock:
    """So many adapters that differ. The same bytes are never given twice. For several threads."""

    def __init__(self, kinds: int, prompt: tuple[int, ...], tokens: int) -> None:
        """`tokens` is how many of the answer to `prompt` the truth has."""
        self._room = Path(mkdtemp(prefix="stock-", dir=home()))
        self._kinds = kinds
        self._prompt, self._tokens = prompt, tokens
        self._made = count(1)
        self._truth = {BASE_DIGEST: self._reference(None)}

    def of(self, number: int) -> Path:
        """Return the adapter of this change, see `is_bad`."""
        return self.bad(number) if is_bad(number) else self.good(number)

    def good(self, number: int) -> Path:
        """Return an adapter; numbers that follow one another name adapters that differ."""
        kind = number % self._kinds
        made = self._copy(self._adapter(kind))
        self._truth[digest_of(made)] = self._reference(kind)
        return made

    def bad(self, number: int) -> Path:
        """Return an adapter that nobody may answer with, bad in the way of this number."""
        made = self._copy(self._adapter(0))
        SPOILING[number % len(SPOILING)](made)
        return made

    def truth(self) -> Mapping[str, tuple[int, ...]]:
        """Return what a fresh PEFT load of each good adapter answers, by its digest."""
        return dict(self._truth)

    def prepare(self) -> None:
        """Make all of the kinds and their references, before somebody waits for them."""
        for kind in range(self._kinds):
            self._reference(kind)

    def _copy(self, adapter: Path) -> Path:
        number = next(self._made)
        made = Path(shutil.copytree(adapter, self._room / f"copy-{number}"))
        config = made / CONFIG
        config.write_text(config.read_text() + " " * number)
        return made

    @cache  # noqa: B019 - it is made once for a run
    def _adapter(self, kind: int) -> Path:
        where = self._room / f"kind-{kind}"
        return make_adapter(home() / "base", where, seed=50 + kind, rank=_RANKS[kind % len(_RANKS)], alpha=16)

    @cache  # noqa: B019 - it is made once for a run
    def _reference(self, kind: int | None) -> tuple[int, ...]:
        model = oracle_model(home() / "base", None if kind is None else self._adapter(kind))
        return tuple(greedy(model, list(self._prompt), self._tokens))
