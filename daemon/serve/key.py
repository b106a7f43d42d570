"""The API keys: who may ask the model and read the status, and how much in a minute."""

import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from anyio import to_thread
from fastapi import Request

from hotswapd.daemon.errors import ErrorCode, FaceError

from .keys_file import Key, KeysFile
from .rate import Rate

log = structlog.get_logger(__name__)
DEFAULT = "default"
"""The name of the key in `serve.api_key_file`."""


class Unauthorized(FaceError):
    """The API key is missing or wrong."""

    status = 401


class TooMany(FaceError):
    """The key has had what it may have in a minute."""

    status = 429

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(ErrorCode.RATE_LIMITED, sentence)
        self.headers = {"Retry-After": str(max(1, math.ceil(seconds)))}


class Holder:
    """Whoever holds a key. Every method is legal on any thread."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.name = key.name
        self._requests = Rate(key.requests)
        self._tokens = Rate(key.tokens)

    def ask(self) -> None:
        """Count a request. Raises TooMany, and then counts nothing."""
        wait = max(self._tokens.wait(0), self._requests.wait(1))
        if wait:
            sentence = f"the key {self.name!r} has had its requests or tokens of this minute"
            raise TooMany(f"{sentence}; try again in {wait:.0f} s", wait)
        self._requests.spend(1)

    def spend(self, tokens: int) -> None:
        """Count tokens, more than are left too: the next request waits for them."""
        self._tokens.spend(tokens)


class Keys:
    """All keys that are let in. Both files are read when they have changed, so that a new key needs no restart."""

    def __init__(self, api_key_file: str, api_keys_file: str) -> None:
        """Either file may be empty; nobody is let in by one that cannot be read."""
        self._single = Path(api_key_file) if api_key_file else None
        self._named = KeysFile(Path(api_keys_file)) if api_keys_file else None
        self._holders: dict[str, Holder] = {}

    def holder(self, given: bytes) -> Holder | None:
        """Return who holds a key, None for nobody.

        Every key is compared, by its digest and in constant time, whichever it is.
        """
        digest = hashlib.sha256(given).hexdigest()
        found = None
        for key in self._all():
            if hmac.compare_digest(digest, key.digest):
                found = key
        return None if found is None else self._holder_of(found)

    def _all(self) -> list[Key]:
        named = self._named.read() if self._named is not None else []
        single = _read_key(self._single) if self._single is not None else b""
        return [*named, Key(DEFAULT, hashlib.sha256(single).hexdigest())] if single else named

    def _holder_of(self, key: Key) -> Holder:
        """Return the same holder for the same key, which remembers what it has had; another limit makes a new one."""
        holder = self._holders.get(key.name)
        if holder is None or holder.key != key:
            holder = self._holders[key.name] = Holder(key)
        return holder


def key_check(keys: Keys, on_limit: Callable[[str], None]) -> Callable[[Request], Awaitable[None]]:
    """Make a dependency that raises Unauthorized unless a request sends one of the keys, or TooMany.

    A POST is one of the requests that a key may send in a minute; `on_limit` is given the name of one that had them.
    """

    async def check(request: Request) -> None:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        holder = await to_thread.run_sync(keys.holder, given.strip().encode()) if kind.lower() == "bearer" else None
        if holder is None:
            raise Unauthorized(ErrorCode.INVALID_API_KEY, "send the API key as Authorization: Bearer KEY")
        structlog.contextvars.bind_contextvars(key=holder.name)
        request.state.caller = holder
        if request.method == "POST":
            _count(holder, on_limit)

    return check


def _count(holder: Holder, on_limit: Callable[[str], None]) -> None:
    try:
        holder.ask()
    except TooMany:
        on_limit(holder.name)
        log.info("rate_limited", key=holder.name)
        raise


def _read_key(file: Path) -> bytes:
    try:
        return file.read_bytes().strip()
    except OSError as error:
        log.warning("api_key_unreadable", file=str(file), reason=str(error))
        return b""
