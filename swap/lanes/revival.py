"""Lanes whose thread has died: started again once, with an empty cache; after that nobody trusts the model."""

import threading

from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.failures import is_sticky

from .tickets import Seat


class Revival:
    """Brings dead lanes back. `ensure` is legal from any thread but a lane's, and without the lanes' lock.

    A dying thread still needs that lock, to fail its requests.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def ensure(self, seat: Seat) -> None:
        """Start the seat's lane again if it is dead. Raises ResidentLost.

        A second death with no answer between is too many, and so is one of a kind that every later step would share.
        """
        with self._lock:
            if seat.lane.alive:
                return
            death = seat.lane.death
            if isinstance(death, ResidentLost) or (death is not None and is_sticky(death)):
                raise ResidentLost(f"a lane died of what the model does not survive: {death}") from death
            seat.deaths += 1
            if seat.deaths > 1:
                raise ResidentLost(f"a lane died twice in a row; the process must start again: {death}") from death
            try:
                seat.lane.start_again()
            except Exception as error:
                raise ResidentLost(f"a lane died and cannot start again: {error}") from error
