"""What the replay gate says to adapters: a sample of a live generation's answers, and one candidate after another."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import RolledBack
from hotswapd.swap.gates.reading import write as answered
from hotswapd.swap.gates.spec import Example, Limits, Replay, Replayed, Spec, Verdict
from hotswapd.swap.gates.turns import GateTurns, Surroundings
from hotswapd.swap.gates.verifier import Verifier
from hotswapd.swap.resident.resident import Resident
from kits.models import byte_tokenizer
from kits.training import tokens

LOOSE = Limits(max_logit=0, max_logit_growth=0, max_same_token=1, max_loss=0, max_update_ratio=0, max_update_growth=0)
"""Only the replay gate says no."""
_PROMPT = 24


def beginnings(count: int) -> list[tuple[int, ...]]:
    """Cut prompts that end where a new line begins, which is where adapters on the small base differ from it most."""
    text = tokens("all", 77, 20_000).tolist()
    (newline,) = byte_tokenizer().encode("\n")
    ends = [at + 1 for at, token in enumerate(text) if token == newline and at > _PROMPT]
    return [tuple(text[end - _PROMPT : end]) for end in ends[:count]]


def sampled(
    resident: Resident, live: Image, prompts: Sequence[Sequence[int]], length: int, ends: Sequence[int] = ()
) -> list[Replayed]:
    """Answer prompts greedily, each of a client of its own."""
    found = []
    for at, prompt in enumerate(prompts):
        answer = tuple(answered(GateTurns(resident, Limits(), Surroundings()), live, prompt, length, ends))
        found.append(Replayed(Example((*prompt, *answer), len(prompt)), f"address 192.0.2.{at}"))
    return found


def judged(resident: Resident, adapter: Path, live: Image, sample: Sequence[Replayed], context: int) -> Verdict:
    """Return the last verdict on a candidate, of which the replay gate alone may refuse it."""
    verdicts: list[Verdict] = []
    spec = Spec(LOOSE, replay=Replay("refuse"))
    verifier = Verifier(resident, spec, Surroundings(), context=context, ends=())
    with staged_only(resident, adapter) as image, suppress(RolledBack):
        verifier.run(image, verdicts.append, live=live, replay=sample)
    return verdicts[-1]


@contextmanager
def staged_only(resident: Resident, adapter: Path) -> Iterator[Image]:
    """Hold an image that nothing was asked of."""
    image = resident.stage(resident.admit(adapter), str(adapter))
    try:
        yield image
    finally:
        resident.drop(image)
