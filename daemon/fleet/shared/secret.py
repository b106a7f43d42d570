"""What the ingresses of a fleet know and their clients do not: made once, for as long as there is this shared place."""

import secrets

from hotswapd.daemon.errors import FleetCode
from hotswapd.loaders.errors import Unavailable

from .place import Place

_NAME = "secrets/answers"


def shared_secret(place: Place) -> bytes:
    """Return it, and make it if there is none; whoever comes at the same moment gets the same. Raises Unavailable."""
    place.create(_NAME, secrets.token_hex(32).encode())
    found = place.read(_NAME)
    if found is None:
        raise Unavailable(FleetCode.SHARED_DOWN, f"{_NAME} has gone from {place} since it was written")
    return found
