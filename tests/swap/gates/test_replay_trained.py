"""The replay gate on a trained base: the fixed list of successors and spoilt adapters, as kits/successors.py has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.replays import beginnings, judged, sampled
from kits.residents import opened
from kits.successors import RETRAINED, SPOILT, SUCCESSORS, UNLEARNED, write
from kits.training import CONTEXT, tokens

from hotswapd.swap.berths.image import Image
from hotswapd.swap.gates.reading import score
from hotswapd.swap.gates.spec import Example, Limits, Outcome, Replayed, Verdict
from hotswapd.swap.gates.turns import GateTurns, Surroundings
from hotswapd.swap.resident.resident import Resident

LIVE = "pirate"
ANSWERS = 24
BEGINNING, LINE = 8, 40
"""Tokens of an answer."""


class Judge:
    """The small base with its pirate live, and samples of what that answers, by their length."""

    def __init__(self, resident: Resident, trained: Path) -> None:
        self.resident, self.trained = resident, trained
        self.live = resident.stage(resident.admit(trained / LIVE), LIVE)
        self.samples = {
            length: sampled(resident, self.live, beginnings(ANSWERS), length) for length in (BEGINNING, LINE)
        }

    def verdict(self, adapter: Path, sample: list[Replayed], live: Image | None = None) -> Verdict:
        return judged(self.resident, adapter, live or self.live, sample, CONTEXT)

    def made(self, name: str, directory: Path) -> Path:
        """Return a trained adapter, or one made of the live one."""
        change = {**SUCCESSORS, **SPOILT}.get(name)
        if change is None:
            return self.trained / name
        return write(change, self.trained / LIVE, self.trained / "json", directory / "made")


@pytest.fixture(scope="module")
def judge(trained: Path) -> Iterator[Judge]:
    with opened(trained / "base", base_models=("*",)) as resident:
        yield Judge(resident, trained)


def test_the_list_has_ten_of_each() -> None:
    """Nobody takes one away without somebody's asking why."""
    assert len({*RETRAINED, *SUCCESSORS}) == len(SPOILT) == 10


@pytest.mark.parametrize("name", [*RETRAINED, *SUCCESSORS])
def test_no_successor_is_refused(name: str, judge: Judge, tmp_path: Path) -> None:
    """Neither retrained ones nor those that were scaled, cut or rounded."""
    verdict = judge.verdict(judge.made(name, tmp_path), judge.samples[BEGINNING])
    assert verdict.gate == "replay"
    assert verdict.outcome == Outcome.PASSED, verdict.sentence


@pytest.mark.parametrize("name", SPOILT)
def test_every_spoilt_one_is_refused(name: str, judge: Judge, tmp_path: Path) -> None:
    """Most of them pass every other default."""
    verdict = judge.verdict(judge.made(name, tmp_path), judge.samples[BEGINNING])
    assert verdict.code == "replay_differs", verdict.sentence


@pytest.mark.parametrize("name", ["good-11", "at 30"])
def test_nothing_is_decided_where_the_base_says_nearly_the_same(name: str, judge: Judge, tmp_path: Path) -> None:
    """Most of a whole line is what the base would write too, once it has begun: that is said, with how near it is."""
    verdict = judge.verdict(judge.made(name, tmp_path), judge.samples[LINE])
    assert (verdict.outcome, verdict.code) == (Outcome.PASSED, "replay_undecided")
    numbers = verdict.numbers
    assert 0 < numbers["base_loss"] - numbers["live_loss"] < 0.21
    assert "too little for a comparison (less than 0.2)" in verdict.sentence


def test_what_has_not_learned_the_task_is_as_far_away_as_the_base(judge: Judge) -> None:
    """Trained for half as long at a quarter of the rank: on texts of its task too its loss is nearly the base's."""
    found = judge.verdict(judge.trained / UNLEARNED, judge.samples[BEGINNING])
    assert found.code == "replay_differs"
    with_base, with_live, with_it = (loss_on_its_texts(judge, name) for name in ("", LIVE, UNLEARNED))
    assert with_it - with_live > 0.8 * (with_base - with_live)


def loss_on_its_texts(judge: Judge, name: str) -> float:
    """Score texts of the pirate's kind that nobody was trained on; nats a token, the base's without a name."""
    text = tokens("pirate", 4242, 6000).tolist()
    examples = [Example(tuple(text[at : at + 200])) for at in range(0, len(text), 200)]
    resident = judge.resident
    image = resident.stage(resident.admit(judge.trained / name), f"once more {name}") if name else resident.base_image
    total, count = score(GateTurns(resident, Limits(), Surroundings()), image, examples)
    if name:
        resident.drop(image)
    return total / count


def test_the_sample_is_read_for_nothing_where_it_cannot_tell(judge: Judge) -> None:
    """Too few answers, or none: that is said. Without a sample, or with the base live, there is no verdict."""
    json, sample = judge.trained / "json", judge.samples[BEGINNING]
    few = judge.verdict(json, sample[:15])
    assert (few.code, few.numbers["answers"]) == ("replay_undecided", 15)
    assert judge.verdict(json, []).code == "replay_undecided"
    assert judge.verdict(json, sample, judge.resident.base_image).gate == "probe"
