"""What the HTTP server and the control socket ask of the daemon, and how it says no.

Every method may be called on any thread and by several threads at once. Only `complete`, `submit`, `rollback`
and `pin` may take long; the others answer from what is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class FaceError(Exception):
    """Base of the leaves below: one sentence for a person, `code` for a program, `status` for HTTP."""

    status = 500

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class BadRequest(FaceError):
    """What was asked makes no sense here. `param` names the field at fault, empty when it is none."""

    status = 400

    def __init__(self, code: str, sentence: str, param: str = "") -> None:
        super().__init__(code, sentence)
        self.param = param


class Conflict(FaceError):
    """It cannot be done in this state: no such generation, the adapter is refused."""

    status = 409


class Busy(FaceError):
    """Too many requests wait already; the same request may succeed a moment later."""

    status = 429


class NotReady(FaceError):
    """The model does not answer yet, or not any more."""

    status = 503


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the control socket, as the kernel says."""

    pid: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests are answered, and if not, the sentence that says why."""

    ready: bool
    reason: str = ""


class Answer(Protocol):
    """A finished completion. `finish_reason` is ``stop`` or ``length``; `digest` is empty for generation 0."""

    @property
    def text(self) -> str:
        """What the model wrote, without the stop sequence."""
        ...

    @property
    def token_ids(self) -> Sequence[int]:
        """The same as token ids."""
        ...

    @property
    def finish_reason(self) -> str:
        """Why it ended."""
        ...

    @property
    def generation(self) -> int:
        """The one generation that wrote all of it."""
        ...

    @property
    def digest(self) -> str:
        """That generation's digest, 64 hex digits."""
        ...

    @property
    def prompt_tokens(self) -> int:
        """How long the prompt was."""
        ...


class Face(Protocol):
    """The daemon as its servers see it."""

    def ready(self) -> Readiness:
        """Say whether `complete` answers now."""
        ...

    def status(self) -> dict[str, Any]:
        """Return what ``GET /status`` answers."""
        ...

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Return at most `limit` swaps, newest first."""
        ...

    def submit(self, uri: str, again: bool, peer: Peer | None) -> dict[str, Any]:
        """Put an adapter on the queue; `again` tries one that was refused. Raises BadRequest or Conflict."""
        ...

    def rollback(self, number: int | None, follow: bool, peer: Peer | None) -> dict[str, Any]:
        """Make a kept generation live, by default the previous one, and pin it unless `follow`. Raises Conflict."""
        ...

    def pin(self, number: int | None, peer: Peer | None) -> dict[str, Any]:
        """Keep the live generation live, or generation `number`. Raises Conflict."""
        ...

    def unpin(self, peer: Peer | None) -> dict[str, Any]:
        """Let new adapters go live again."""
        ...

    def pause(self, peer: Peer | None) -> dict[str, Any]:
        """Take nothing from the queue until `resume`."""
        ...

    def resume(self, peer: Peer | None) -> dict[str, Any]:
        """Take from the queue again."""
        ...

    def complete(self, prompt: str | list[int], max_tokens: int, stop: Sequence[str]) -> Answer:
        """Answer a prompt, greedily, with one generation. Raises BadRequest, Busy or NotReady."""
        ...
