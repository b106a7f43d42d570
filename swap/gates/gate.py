"""The shape of every gate: made once for a resident, then asked for its verdicts on one candidate after another."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from hotswapd.swap.berths.image import Image
from hotswapd.swap.resident.resident import Resident

from .reading import Reading
from .spec import Replayed, Spec, Verdict
from .turns import GateTurns


@dataclass(frozen=True, slots=True)
class Ground:
    """What gates stand on. `context` is the longest text that the model can read, `ends` the tokens that end an answer.

    `own_turns` makes turns whose time is not the candidate's, for what is measured once. `base_probe` has what the base
    made of the probe's texts, once that was read; verifiers of one resident may share it.
    """

    resident: Resident
    spec: Spec
    context: int
    ends: tuple[int, ...]
    own_turns: Callable[[], GateTurns]
    base_probe: list[Reading] = field(default_factory=list)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self.resident.model.config.get_text_config().vocab_size)

    def decode(self, tokens: Sequence[int]) -> str:
        """Turn token ids into text. The base must have a tokenizer."""
        return str(self.resident.tokenizer.decode(list(tokens), skip_special_tokens=True))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate's way through the gates. `live` is what it would follow, held by the caller.

    `usual_norms` are the update norms of generations that were live. `replay` is a sample of what `live` has answered,
    None where nobody takes one.
    """

    image: Image
    turns: GateTurns
    live: Image
    usual_norms: Sequence[float] = ()
    replay: Sequence[Replayed] | None = field(default=None, repr=False)


class Gate(ABC):
    """One gate. For the worker's thread.

    Both methods raise RolledBack when the time is up, Interrupted when they were told to stop, and ResidentLost.
    What is served does not change either way.
    """

    once = False
    """Whether one member's answer is enough where several have the same model: it tells nothing of a device."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def prepare(self) -> bool:
        """Do what the first candidate would wait for; return whether there was something to do. Most have nothing."""
        return False

    @abstractmethod
    def verdicts(self, attempt: Attempt) -> Iterator[Verdict]:
        """Yield the verdicts on a candidate, each as soon as it is known. After one that failed nothing is run."""
