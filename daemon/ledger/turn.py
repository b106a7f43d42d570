"""What a row shows to those who choose the next one: little, since there may be thousands."""

from typing import NamedTuple

from .states import State


class Turn(NamedTuple):
    """A row that waits for its turn. `next_try` is in seconds since the epoch."""

    swap_id: str
    channel: str
    seq: int
    state: State
    reason: str = ""
    next_try: float | None = None


_STATES = {state.value: state for state in State}
TURN_NAMES = ", ".join(Turn._fields)


def turn_of(swap_id: str, channel: str, seq: int, state: str, reason: str, next_try: float | None) -> Turn:
    """Read one from its columns."""
    return Turn(swap_id, channel, seq, _STATES[state], reason, next_try)
