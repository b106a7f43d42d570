"""Names of models: the base's own, ``base@g7`` for a generation, ``base@canary`` for the one beside the live one."""

from collections.abc import Iterable
from enum import Enum

from hotswapd.daemon.errors import ErrorCode, FaceError


class Beside(Enum):
    """Stands for the generation beside the live one, which is asked for as ``model@canary``, whatever its number."""

    CANARY = "canary"


class NoSuchModel(FaceError):
    """No such model, or no such generation of it, is served here."""

    status = 404


def served_names(model: str, generations: Iterable[int]) -> list[str]:
    """Return the names that can be asked for: the base's, and one for each generation."""
    return [model, *(f"{model}@g{number}" for number in generations)]


def which_generation(asked: str, model: str) -> int | Beside | None:
    """Return the generation that ``model``, ``model@g7`` or ``model@canary`` names, None for the live one.

    Raises NoSuchModel.
    """
    if asked == model:
        return None
    if asked == f"{model}@canary":
        return Beside.CANARY
    name, _, number = asked.rpartition("@g")
    if name == model and number.isdecimal() and len(number) < 10:
        return int(number)
    sentence = f'there is no model "{asked[:200]}" here; ask for "{model}", or "{model}@g<N>" for a generation'
    raise NoSuchModel(ErrorCode.MODEL_NOT_FOUND, sentence)
