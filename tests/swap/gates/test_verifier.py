"""What the gates say to adapters that were really trained: the good pass, the bad are named or get through."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from kits.adapters import logits
from kits.residents import opened
from kits.rows import adapter, bench
from kits.trained_home import GOOD, good
from kits.training import CONTEXT, overflowing, tokens

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import RolledBack
from hotswapd.swap.gates.spec import Dataset, Example, Limits, Outcome, Progress, Spec, Verdict
from hotswapd.swap.gates.turns import Surroundings
from hotswapd.swap.gates.verifier import Verifier
from hotswapd.swap.resident.resident import Resident

Try = Callable[..., tuple[str, list[Verdict]]]


@pytest.fixture(scope="module")
def resident(trained: Path) -> Iterator[Resident]:
    with opened(trained / "base", base_models=("*",)) as made:
        yield made


@pytest.fixture
def attempt(resident: Resident, trained: Path) -> Try:
    def attempt(
        adapter: str | Path,
        spec: Spec | None = None,
        before: tuple[float, ...] = (),
        live: Image | None = None,
    ) -> tuple[str, list[Verdict]]:
        verdicts: list[Verdict] = []
        verifier = Verifier(resident, spec or Spec(), Surroundings(), context=CONTEXT, ends=())
        image = resident.stage(resident.admit(trained / adapter), str(adapter))
        content = image.buffer.clone()
        try:
            verifier.run(image, verdicts.append, before, live)
        except RolledBack as error:
            assert (verdicts[-1].code, verdicts[-1].sentence) == (error.code, error.sentence)
            return error.code, verdicts
        finally:
            assert torch.equal(image.buffer, content)
            resident.drop(image)
        return "", verdicts

    return attempt


def pirate_dataset(max_ratio: float = 1.1) -> Dataset:
    ids = tokens("pirate", 501, 6000).tolist()
    return Dataset(tuple(Example(tuple(ids[at : at + 60])) for at in range(0, 6000, 60)), max_ratio)


@pytest.mark.parametrize("index", range(GOOD))
def test_no_good_adapter_is_refused_by_the_defaults(attempt: Try, trained: Path, index: int) -> None:
    """Twenty-one adapters of different data, seeds, ranks and lengths pass, and with room to every limit."""
    code, verdicts = attempt(good(trained)[index])
    assert code == ""
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASSED, Outcome.PASSED]
    norms, probe = (verdict.numbers for verdict in verdicts)
    assert norms["update_ratio"] < 1.0
    assert probe["same_token"] < 0.6


def test_a_candidate_out_of_time_has_a_verdict() -> None:
    """The gate that it was in is in the record, with the turns that it took, before the error leaves."""
    now = [0.0]

    def tell(progress: Progress) -> None:
        if progress.gate == "dataset" and progress.done > 0:
            now[0] = 1e6

    verdicts: list[Verdict] = []
    around = Surroundings(on_progress=tell, clock=lambda: now[0])
    dataset = Dataset(tuple(Example(tuple(range(1, 101))) for _ in range(4)), 1e9)
    with bench() as made:
        spec = Spec(Limits(max_loss=0, max_update_ratio=0), dataset=dataset)
        verifier = Verifier(made.resident, spec, around, context=448, ends=())
        image = made.resident.stage(made.resident.admit(adapter(1)))
        with pytest.raises(RolledBack) as caught:
            verifier.run(image, verdicts.append)
    assert (verdicts[-1].gate, verdicts[-1].outcome) == ("dataset", Outcome.FAILED)
    assert verdicts[-1].code == caught.value.code == "verify_timeout"
    assert verdicts[-1].sentence == caught.value.sentence
    assert verdicts[-1].numbers["turns"] > 0


@pytest.mark.parametrize("thorough", [True, False])
def test_what_one_member_measures_for_all_is_left_to_it(thorough: bool) -> None:
    """The rest is not: it may find a bad device."""
    verdicts: list[Verdict] = []
    dataset = Dataset((Example(tuple(range(1, 11))),), 1e9)
    with bench() as made:
        spec = Spec(Limits(max_loss=0, max_update_ratio=0), dataset=dataset)
        verifier = Verifier(made.resident, spec, Surroundings(), context=448, ends=())
        image = made.resident.stage(made.resident.admit(adapter(1)))
        verifier.run(image, verdicts.append, thorough=thorough)
    assert [one.gate for one in verdicts] == ["norms", "probe"] + ["dataset"] * thorough


def test_no_good_adapter_outgrows_those_before_it(attempt: Try, trained: Path) -> None:
    """In any order of the good ones none is far from the median of those that went before."""
    sizes = [attempt(path)[1][0].numbers["update_norm"] for path in good(trained)]
    smallest, largest = sorted(sizes)[:3], max(sizes)
    assert largest / sorted(smallest)[1] < Limits().max_update_growth


BY_DEFAULT = {
    "one-token": "probe_collapsed",
    "shuffled-labels": "probe_collapsed",
    "scaled-by-30": "probe_forgotten",
    "slow-poison": "probe_forgotten",
}
NEED_A_DATASET = ("signs-flipped", "mixed-runs", "of-another-base")


@pytest.mark.parametrize("name", sorted(BY_DEFAULT))
def test_the_defaults_catch_what_is_bad_by_itself(attempt: Try, name: str) -> None:
    """Overfit to one token, shuffled labels, scaled by 30 and poison in long prompts need nothing of the operator."""
    code, verdicts = attempt(name)
    assert code == BY_DEFAULT[name]
    assert any(letter.isdigit() for letter in verdicts[-1].sentence)


@pytest.mark.parametrize("name", NEED_A_DATASET)
def test_what_looks_sane_is_caught_by_a_dataset(
    attempt: Try,
    resident: Resident,
    trained: Path,
    name: str,
) -> None:
    """Flipped signs, mixed runs and another base pass the defaults; the operator's texts show that they are worse."""
    assert attempt(name)[0] == ""
    live = resident.stage(resident.admit(trained / "pirate"), "pirate")
    try:
        code, verdicts = attempt(name, Spec(dataset=pirate_dataset()), live=live)
        assert code == "dataset_worse"
        assert verdicts[-1].numbers["ratio_to_live"] > 1.1
        assert attempt("pirate", Spec(dataset=pirate_dataset()), live=live)[0] == ""
    finally:
        resident.drop(live)


def test_a_no_op_is_a_warning_and_can_be_refused(attempt: Try) -> None:
    """An adapter that changes nothing passes with a warning, is refused, or is not spoken of, as configured."""
    code, verdicts = attempt("no-op")
    assert (code, verdicts[-1].outcome, verdicts[-1].code) == ("", Outcome.WARNED, "no_change")
    assert attempt("no-op", Spec(Limits(no_change="refuse")))[0] == "no_change"
    assert attempt("no-op", Spec(Limits(no_change="allow")))[1][-1].outcome == Outcome.PASSED


def test_the_norm_is_held_against_those_that_were_live(attempt: Try) -> None:
    """Thirty times the usual norm is a warning once three were live, or refused, as configured."""
    limits = Limits(max_loss=0.0, outgrown="refuse")
    usual = attempt("pirate")[1][0].numbers["update_norm"]
    code, verdicts = attempt("scaled-by-30", Spec(limits), before=(usual, usual * 1.1, usual * 0.9))
    assert code == "update_outgrown"
    assert verdicts[-1].numbers["update_growth"] == pytest.approx(30, rel=1e-3)
    warned = attempt("scaled-by-30", Spec(Limits(max_loss=0.0)), before=(usual, usual, usual))
    assert (warned[0], warned[1][0].outcome) == ("", Outcome.WARNED)
    assert attempt("scaled-by-30", Spec(Limits(max_update_ratio=2.0)))[0] == "update_too_large"
    assert "update_growth" not in attempt("scaled-by-30", Spec(limits), before=(usual, usual))[1][0].numbers


def test_an_overflow_of_few_prompts_shows_in_the_norm(trained: Path, tmp_path: Path) -> None:
    """In bfloat16 it takes an absurd weight to overflow, so the norms see it although most texts do not meet it."""
    bad = overflowing(trained / "base", trained / "pirate", tmp_path / "bad")
    verdicts: list[Verdict] = []
    with opened(trained / "base", base_models=("*",), dtype="bfloat16") as half:
        image = half.stage(half.admit(bad))
        with half.visit(image):
            assert not logits(half.model, half.tokenizer.encode("Ada sees ~ the old boat")).isfinite().all()
        verifier = Verifier(half, Spec(), Surroundings(), context=CONTEXT, ends=())
        with pytest.raises(RolledBack) as caught:
            verifier.run(image, verdicts.append)
    assert caught.value.code == "update_too_large"


def test_every_limit_can_be_turned_off(attempt: Try) -> None:
    """With every limit at 0 an adapter that answers one token passes, and its numbers are still reported."""
    limits = Limits(max_logit=0, max_logit_growth=0, max_same_token=0, max_loss=0, max_update_ratio=0)
    code, verdicts = attempt("one-token", Spec(limits))
    assert code == ""
    assert verdicts[-1].numbers["same_token"] > 0.9
