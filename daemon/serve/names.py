"""Names of models: the base's and those of channels, ``NAME@g7`` for a generation, ``NAME@canary`` for the canary."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hotswapd.daemon.errors import ErrorCode, FaceError
from hotswapd.daemon.ledger.channel import DEFAULT

_OF_A_PATH = ("/", "./", "../", "~")


class Beside(Enum):
    """Stands for the generation beside the live one, which is asked for as ``NAME@canary``, whatever its number."""

    CANARY = "canary"


class NoSuchModel(FaceError):
    """No such model, or no such generation of it, is served here."""

    status = 404


@dataclass(frozen=True, slots=True)
class Which:
    """Who is to answer: what is live in a channel, or one generation of it."""

    generation: int | Beside | None = None
    channel: str = DEFAULT


@dataclass(frozen=True, slots=True)
class Names:
    """What the base is called. `listed` are shown to clients, the first as its name; `others` are answered too."""

    listed: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The name that clients are told."""
        return self.listed[0]

    def all(self, generations: Iterable[int], channels: Iterable[str] = ()) -> list[str]:
        """Return the names that clients are told: the base's, one for each generation, and those of other channels."""
        others = (name for name in channels if name != DEFAULT)
        return [*self.listed, *(f"{self.first}@g{number}" for number in generations), *others]

    def which(self, asked: str, is_channel: Callable[[str], bool] = lambda _: False) -> Which:
        """Return whom ``NAME``, ``NAME@g7`` or ``NAME@canary`` asks for. Raises NoSuchModel."""
        name, generation = _parted(asked)
        if name in self.listed or name in self.others:
            return Which(generation)
        if is_channel(name):
            return Which(generation, name)
        known = f'ask for "{self.first}", or "{self.first}@g<N>" for a generation'
        raise NoSuchModel(ErrorCode.MODEL_NOT_FOUND, f'there is no model "{asked[:200]}" here; {known}')


def names_of(base: str, model_names: Iterable[str] = (), base_models: Iterable[str] = ()) -> Names:
    """Return the names of a base. `model_names` are `serve.model_names`, `base_models` `admission.base_models`.

    Without any of the former it is called by its Hub name, or by the last part of its path.
    """
    last = base.rstrip("/").rpartition("/")[2] or base
    listed = tuple(model_names) or (last if _is_path(base) else base,)
    return Names(listed, tuple(name for name in (base, last, *base_models) if name not in listed))


def _parted(asked: str) -> tuple[str, int | Beside | None]:
    """Part a name from the generation behind it."""
    name, _, number = asked.rpartition("@g")
    if name and number.isdecimal() and len(number) < 10:
        return name, int(number)
    if asked.endswith("@canary"):
        return asked.removesuffix("@canary"), Beside.CANARY
    return asked, None


def _is_path(base: str) -> bool:
    return base.startswith(_OF_A_PATH) or Path(base).is_dir()
