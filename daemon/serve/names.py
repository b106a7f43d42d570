"""Names of models: the base's own, ``base@g7`` for a generation, ``base@canary`` for the one beside the live one."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hotswapd.daemon.errors import ErrorCode, FaceError

_OF_A_PATH = ("/", "./", "../", "~")


class Beside(Enum):
    """Stands for the generation beside the live one, which is asked for as ``model@canary``, whatever its number."""

    CANARY = "canary"


class NoSuchModel(FaceError):
    """No such model, or no such generation of it, is served here."""

    status = 404


@dataclass(frozen=True, slots=True)
class Names:
    """What the base is called. `listed` are shown to clients, the first as its name; `others` are answered too."""

    listed: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The name that clients are told."""
        return self.listed[0]

    def all(self, generations: Iterable[int]) -> list[str]:
        """Return the names that clients are told: the base's, and one for each generation."""
        return [*self.listed, *(f"{self.first}@g{number}" for number in generations)]

    def knows(self, name: str) -> bool:
        """Tell whether the base is called so."""
        return name in self.listed or name in self.others

    def generation(self, asked: str) -> int | Beside | None:
        """Return the generation that ``model``, ``model@g7`` or ``model@canary`` names, None for the live one.

        Raises NoSuchModel.
        """
        if self.knows(asked):
            return None
        name, _, number = asked.rpartition("@g")
        if number.isdecimal() and len(number) < 10 and self.knows(name):
            return int(number)
        if asked.endswith("@canary") and self.knows(asked.removesuffix("@canary")):
            return Beside.CANARY
        known = f'ask for "{self.first}", or "{self.first}@g<N>" for a generation'
        raise NoSuchModel(ErrorCode.MODEL_NOT_FOUND, f'there is no model "{asked[:200]}" here; {known}')


def names_of(base: str, model_names: Iterable[str] = (), base_models: Iterable[str] = ()) -> Names:
    """Return the names of a base. `model_names` are `serve.model_names`, `base_models` `admission.base_models`.

    Without any of the former it is called by its Hub name, or by the last part of its path.
    """
    last = base.rstrip("/").rpartition("/")[2] or base
    listed = tuple(model_names) or (last if _is_path(base) else base,)
    return Names(listed, tuple(name for name in (base, last, *base_models) if name not in listed))


def _is_path(base: str) -> bool:
    return base.startswith(_OF_A_PATH) or Path(base).is_dir()
