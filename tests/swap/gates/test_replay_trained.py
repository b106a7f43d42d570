"""The replay gate on a trained base: the fixed list of successors and spoilt adapters, as kits/successors.py has it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from kits.residents import opened
from kits.successors import RETRAINED, SPOILT, SUCCESSORS, write
from kits.training import CONTEXT, tokens

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import RolledBack
from hotswapd.swap.gates.reading import write as answered
from hotswapd.swap.gates.spec import Example, Limits, Outcome, Replay, Replayed, Spec, Verdict
from hotswapd.swap.gates.turns import GateTurns, Surroundings
from hotswapd.swap.gates.verifier import Verifier
from hotswapd.swap.resident.resident import Resident

LIVE = "pirate"
ANSWERS, LENGTH = 24, 8
UNLEARNED = "good-4"
LOOSE = Limits(max_logit=0, max_logit_growth=0, max_same_token=1, max_loss=0, max_update_ratio=0, max_update_growth=0)
"""Only the replay gate says no."""


@pytest.fixture(scope="module")
def resident(trained: Path) -> Iterator[Resident]:
    with opened(trained / "base", base_models=("*",)) as made:
        yield made


@pytest.fixture(scope="module")
def live(resident: Resident, trained: Path) -> Image:
    return resident.stage(resident.admit(trained / LIVE), LIVE)


@pytest.fixture(scope="module")
def sample(resident: Resident, live: Image) -> list[Replayed]:
    """Return what the live one answers where a new line begins, which is where it differs most from its base."""
    text = tokens("all", 77, 20_000).tolist()
    ends = [at + 1 for at, token in enumerate(text) if token == ord("\n") and at > 40][:ANSWERS]
    prompts = [tuple(text[end - 24 : end]) for end in ends]
    turns = GateTurns(resident, Limits(), Surroundings())
    answers = [tuple(answered(turns, live, prompt, LENGTH, ())) for prompt in prompts]
    found = [Example((*prompt, *answer), len(prompt)) for prompt, answer in zip(prompts, answers, strict=True)]
    return [Replayed(one, f"address 192.0.2.{at}") for at, one in enumerate(found)]


def judged(resident: Resident, adapter: Path, live: Image, sample: Sequence[Replayed]) -> Verdict:
    verdicts: list[Verdict] = []
    spec = Spec(LOOSE, replay=Replay("refuse"))
    image = resident.stage(resident.admit(adapter), adapter.name)
    try:
        Verifier(resident, spec, Surroundings(), context=CONTEXT, ends=()).run(
            image, verdicts.append, live=live, replay=sample
        )
    except RolledBack:
        pass
    finally:
        resident.drop(image)
    return verdicts[-1]


def made(name: str, trained: Path, directory: Path) -> Path:
    if name in RETRAINED[LIVE]:
        return trained / name
    change = {**SUCCESSORS, **SPOILT}[name]
    return write(change, trained / LIVE, trained / "json", directory / "made")


@pytest.mark.parametrize("name", [*(one for one in RETRAINED[LIVE] if one != UNLEARNED), *SUCCESSORS])
def test_no_successor_is_refused(
    name: str, resident: Resident, live: Image, sample: list[Replayed], trained: Path, tmp_path: Path
) -> None:
    """Neither retrained ones nor those that were scaled, cut or rounded."""
    verdict = judged(resident, made(name, trained, tmp_path), live, sample)
    assert verdict.gate == "replay"
    assert verdict.outcome == Outcome.PASSED, verdict.sentence


@pytest.mark.parametrize("name", SPOILT)
def test_every_spoilt_one_is_refused(
    name: str, resident: Resident, live: Image, sample: list[Replayed], trained: Path, tmp_path: Path
) -> None:
    """Most of them pass every other default."""
    verdict = judged(resident, made(name, trained, tmp_path), live, sample)
    assert verdict.code == "replay_differs", verdict


def test_what_has_hardly_learned_the_task_is_as_far_away_as_the_base(
    resident: Resident, live: Image, sample: list[Replayed], trained: Path
) -> None:
    """The one on the list whose loss is the base's: trained for a third as long at a quarter of the rank."""
    verdict = judged(resident, trained / UNLEARNED, live, sample)
    assert verdict.code == "replay_differs"
    assert verdict.numbers["loss"] == pytest.approx(verdict.numbers["base_loss"], rel=0.1)


def test_the_sample_is_read_for_nothing_where_it_cannot_tell(
    resident: Resident, live: Image, sample: list[Replayed], trained: Path
) -> None:
    """Too few answers, or none: that is said. Without a sample, or with the base live, there is no verdict."""
    few = judged(resident, trained / "json", live, sample[:15])
    assert (few.code, few.numbers["answers"]) == ("replay_undecided", 15)
    assert judged(resident, trained / "json", live, []).code == "replay_undecided"
    assert judged(resident, trained / "json", resident.base_image, sample).gate == "probe"
