"""Who answers, as the answerer asks them: the model of this process, or the replicas of a fleet."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.language import Language
from hotswapd.swap.rows.tickets import Progress, Ticket

if TYPE_CHECKING:
    from hotswapd.swap.engine import Engine  # an ingress has no model, and would load torch only for this name


class Taken(Protocol):
    """A request that is under way: which generation answers it, from its first token to its last."""

    @property
    def generation(self) -> int:
        """Its number."""
        ...

    @property
    def digest(self) -> str:
        """The digest of its adapter."""
        ...


T = TypeVar("T", bound=Taken)


class Speaker(Protocol[T]):
    """Answers requests. `submit` and `cancel` are for one event loop, every other method is legal on any thread."""

    @property
    def language(self) -> Language:
        """What requests are read by."""
        ...

    def generations(self) -> list[int]:
        """Name the generations that can be asked for, the live ones first."""
        ...

    async def submit(self, ask: Ask, hear: Callable[[Progress], None]) -> T:
        """Have a request answered, by the generation that it names or by what is live in its channel now.

        `hear` is called on a thread of the speaker's, until the end or `cancel`; it must neither block nor raise.
        Raises BadAsk, QueueFull, NoGeneration, ResidentLost or NotReady; then `hear` is never called. If the caller is
        cancelled meanwhile, so is the request.
        """
        ...

    def cancel(self, taken: T, finish: str = "cancelled") -> None:
        """Drop a request; `hear` hears nothing more. `finish` is how it ended, see `Ended`. Idempotent."""
        ...


AnySpeaker = Speaker[Any]
"""One whose requests go back to it as they came."""


class OwnModel:
    """The model of this process."""

    def __init__(self, engine: "Engine") -> None:
        """Answer with this engine, which is open."""
        self._engine = engine

    @property
    def language(self) -> Language:
        """The base's."""
        return self._engine.language

    def generations(self) -> list[int]:
        """Name those that have a berth, or come back to one."""
        return self._engine.rows.generations()

    async def submit(self, ask: Ask, hear: Callable[[Progress], None]) -> Ticket:
        """Queue it, without waiting; `hear` is called on the loop's thread."""
        return self._engine.submit(ask, hear)

    def cancel(self, taken: Ticket, finish: str = "cancelled") -> None:
        """Take it from the queue, or out of the batch."""
        self._engine.cancel(taken, finish)
