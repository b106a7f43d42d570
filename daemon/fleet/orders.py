"""What a watcher and a replica tell each other: what every replica is to hold, and what one holds.

Both are whole states, never changes of one. So any message may be lost, come twice or come late, and either side may
begin anew at any moment: the next one says everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from hotswapd.daemon.engines.protocol import DEFAULT, Answer, Loaded, Part
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.swap.gates.spec import Replayed, Verdict

from .endings import Endings
from .rules import Rules


class Asks(IntEnum):
    """How far a trial is to go; each includes those before."""

    STAGE = 1
    CHECK = 2
    VERIFY = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate that every replica tries. `key` names this one try; the rest is what `protocol.Subject` has.

    `live` is the number of what its channel has live, with which gates compare it. `judge` is the replica that runs the
    gates of which one answer is enough; if it is empty, each does. `again` are those that try it once more: they alone
    have refused it. `swap_id` is the candidate's in the ledger, for the logs.
    """

    key: str
    digest: str
    asks: Asks = Asks.STAGE
    uri: str = ""
    name: str = DEFAULT
    usual_norms: tuple[float, ...] = ()
    replay: Sequence[Replayed] | None = field(default=None, repr=False)
    live: int = 0
    judge: str = ""
    again: tuple[str, ...] = ()
    swap_id: str = ""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a watcher wants of every replica. `version` rises within a term, with each change.

    `answering` are the generations that it must answer for, by number. `rules` is the configuration that it goes by.
    `swaps` has the swap_id of those of them that this watcher has opened, for the logs.
    """

    term: int = 0
    version: int = 0
    trials: tuple[Trial, ...] = ()
    answering: Mapping[int, str] = field(default_factory=dict)
    rules: Rules = field(default=Rules())
    swaps: Mapping[int, str] = field(default_factory=dict)

    @property
    def age(self) -> tuple[int, int]:
        """What tells newer orders from older ones."""
        return self.term, self.version


@dataclass(frozen=True, slots=True)
class Found:
    """What a replica has found of a trial, and how far it had gone then. What is LOST, it tries again.

    `again` says that it was found after the trial had asked this replica once more.
    """

    asked: Asks
    part: Part
    verdicts: tuple[Verdict, ...] = ()
    again: bool = False

    def settles(self, trial: Trial, member: str) -> bool:
        """Tell whether more waiting for this member would change nothing: it went that far, or has refused before."""
        if member in trial.again and not self.again:
            return False
        return self.part.answer == Answer.REFUSED or (self.part.answer == Answer.FIT and self.asked >= trial.asks)


@dataclass(frozen=True, slots=True)
class Report:
    """What one replica holds. `count` rises with each report of this `member`, whose name is never used again.

    `age` is that of the orders that it goes by. `serving` says that it holds all that the pointer named when it began
    to answer. `sick` are digests that it should answer with and found unfit, with what was wrong. `loaded` is what is
    on its engine, for operators. `endings` is how its requests ended of which the watcher has not heard yet. `rules` is
    the version of the configuration that it was given last, `unread` why it does not go by that. `leaving` is the last
    that it says: it was told to end, and answers nothing any more.
    """

    member: str
    count: int
    age: tuple[int, int] = (0, 0)
    serving: bool = False
    found: Mapping[str, Found] = field(default_factory=dict)
    answering: Mapping[int, str] = field(default_factory=dict)
    sick: Mapping[str, Part] = field(default_factory=dict)
    loaded: tuple[Loaded, ...] = ()
    endings: Endings = field(default=Endings(), repr=False)
    rules: int = 0
    unread: str = ""
    leaving: bool = False


def is_base(number: int, digest: str) -> bool:
    """Tell whether this is the bare base, which every replica holds."""
    return number == 0 and digest == BASE_DIGEST
