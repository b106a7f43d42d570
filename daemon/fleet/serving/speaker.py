"""The replicas of a fleet as those who answer: what the ingress's answerer has in place of a model."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field

import structlog

from hotswapd.daemon.errors import ErrorCode, FaceError
from hotswapd.daemon.fleet.book import Tag
from hotswapd.swap.rows.asks import Ask, BadAsk
from hotswapd.swap.rows.language import Language
from hotswapd.swap.rows.tickets import NoGeneration, Progress, QueueFull, TokenLogprobs

from .dispatch import Dispatcher
from .piece import Piece

log = structlog.get_logger(__name__)
Hear = Callable[[Progress], None]
_DEFECT = "hotswapd failed to answer this request; the ingress's log has the reason"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A request that a replica has taken. `task` passes on what it says."""

    generation: int
    digest: str
    task: "asyncio.Task[None]"


@dataclass(slots=True)
class _Said:
    """What has come of one answer, whichever replicas it came from."""

    tokens: tuple[int, ...] = ()
    logprobs: list[TokenLogprobs] = field(default_factory=list)

    def add(self, piece: Piece) -> Progress:
        """Take a message in, and return what the listener hears."""
        self.tokens += piece.tokens
        self.logprobs += piece.logprobs
        end = piece.finish, piece.error, piece.code
        return Progress(self.tokens, *end, tuple(self.logprobs), piece.prompt_logprobs)

    def failed(self, error: Exception) -> Progress:
        code, sentence = str(ErrorCode.INTERNAL_ERROR), _DEFECT
        if isinstance(error, FaceError):
            code, sentence = error.code, error.sentence
        return Progress(self.tokens, "error", sentence, code, tuple(self.logprobs))


class FleetSpeaker:
    """A `Speaker`: it sends each request to the replicas. `submit` and `cancel` are for the dispatcher's event loop."""

    def __init__(self, dispatcher: Dispatcher, language: Language) -> None:
        """`language` is that of the base that every replica has loaded."""
        self._dispatcher = dispatcher
        self._language = language

    @property
    def language(self) -> Language:
        """The base's."""
        return self._language

    def generations(self) -> list[int]:
        """Name those that are live in some channel, and the base."""
        return self._dispatcher.pointed.generations()

    async def submit(self, ask: Ask, hear: Hear) -> Spoken:
        """Wait until a replica has taken it; `hear` is called on the event loop."""
        self._language.check(ask)
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[Tag] = loop.create_future()
        # In a context of its own: Serve would take what is asked within an HTTP request for a part of that request.
        task = loop.create_task(self._pass_on(ask, hear, taken), context=Context())
        try:
            tag = await taken
        except BaseException:
            task.cancel()
            raise
        return Spoken(tag.number, tag.digest, task)

    def cancel(self, taken: Spoken, finish: str = "cancelled") -> None:
        """Let the replica drop it, however it ended."""
        taken.task.cancel()

    async def _pass_on(self, ask: Ask, hear: Hear, taken: "asyncio.Future[Tag]") -> None:
        said = _Said()
        try:
            async for tag, piece in self._dispatcher.answer(ask.name, ask):
                if not taken.done():
                    taken.set_result(tag)
                if not piece.is_empty:
                    hear(said.add(piece))
        except (BadAsk, QueueFull, NoGeneration, FaceError) as error:
            _fail(error, said, hear, taken)
        except Exception as error:
            log.exception("answer_failed")
            _fail(error, said, hear, taken)


def _fail(error: Exception, said: _Said, hear: Hear, taken: "asyncio.Future[Tag]") -> None:
    """Tell whoever still waits: for the request to be taken, or for the rest of its answer."""
    if not taken.done():
        taken.set_exception(error)
    elif not taken.cancelled():
        hear(said.failed(error))
