"""Drawing: the distribution is what transformers' own processors make of the logits, alone and beside others."""

from typing import Any

import pytest
import torch
from kits.sequences import sequence
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from hotswapd.swap.rows import drawing
from hotswapd.swap.rows.drawing import Drawer, logprobs
from hotswapd.swap.rows.sequence import Sequence

GRID = 4000
"""Places in (0, 1) at which a token is drawn: as many of them give a token as its probability says."""


def logits_of(vocabulary: int, seed: int = 1, spread: float = 2.0) -> torch.Tensor:
    return torch.randn(vocabulary, generator=torch.Generator().manual_seed(seed)) * spread


def asked(answer: tuple[int, ...] = (), prompt: tuple[int, ...] = (1,), **how: Any) -> Sequence:
    """Make a request that has written this so far."""
    one = sequence(prompt, 99, **how)
    one.tokens += answer
    return one


def drawn_shares(logits: torch.Tensor, one: Sequence, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Draw at every place of a grid, and return the share that each token has of it."""
    counted = torch.zeros(len(logits))
    drawer = Drawer(())
    for step in range(GRID):
        monkeypatch.setattr(drawing, "uniform", lambda *_, step=step: (step + 0.5) / GRID)
        counted[drawer.draw(logits[None], [one])[0].token] += 1
    return counted / GRID


WARPERS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "as it is": ({}, []),
    "warm": ({"temperature": 1.7}, [TemperatureLogitsWarper(1.7)]),
    "cool": ({"temperature": 0.3}, [TemperatureLogitsWarper(0.3)]),
    "top_k": ({"top_k": 5}, [TopKLogitsWarper(5)]),
    "top_k of one": ({"top_k": 1}, [TopKLogitsWarper(1)]),
    "top_k of more than there are": ({"top_k": 10_000}, []),
    "top_p": ({"top_p": 0.8}, [TopPLogitsWarper(0.8)]),
    "a little of top_p": ({"top_p": 0.01}, [TopPLogitsWarper(0.01)]),
    "nearly all of top_p": ({"top_p": 0.999}, [TopPLogitsWarper(0.999)]),
    "min_p": ({"min_p": 0.2}, [MinPLogitsWarper(0.2)]),
    "a little of min_p": ({"min_p": 0.001}, [MinPLogitsWarper(0.001)]),
    "all of them": (
        {"temperature": 1.4, "top_k": 20, "top_p": 0.7, "min_p": 0.05},
        [TemperatureLogitsWarper(1.4), TopKLogitsWarper(20), TopPLogitsWarper(0.7), MinPLogitsWarper(0.05)],
    ),
    "hot, and nearly all of top_p": (
        {"temperature": 3.0, "top_p": 0.97},
        [TemperatureLogitsWarper(3.0), TopPLogitsWarper(0.97)],
    ),
}


@pytest.mark.parametrize("vocabulary", [50, 700])
@pytest.mark.parametrize("name", WARPERS)
def test_the_distribution_is_that_of_transformers(name: str, vocabulary: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tokens can be drawn, each with its probability; also where a row must be sorted whole."""
    how, warpers = WARPERS[name]
    logits = logits_of(vocabulary)
    wanted = torch.softmax(LogitsProcessorList(warpers)(torch.tensor([[1]]), logits[None].clone())[0].double(), -1)
    found = drawn_shares(logits, asked(**{"temperature": 1.0, **how}), monkeypatch)
    assert bool((found[wanted == 0] == 0).all()), "a token was drawn that may not be"
    assert float((found - wanted).abs().max()) <= 2 / GRID
    assert float((found - wanted).abs().sum()) / 2 < 0.02 if vocabulary == 50 else True


@pytest.mark.parametrize("penalty", [0.5, 1.3, 5.0])
def test_the_repetition_penalty_is_that_of_transformers(penalty: float) -> None:
    """Over prompt and answer, each token once, whatever its sign."""
    one = asked((3, 4, 3), (7, 9), repetition_penalty=penalty)
    logits = logits_of(50)
    wanted = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor([one.tokens]), logits[None].clone())[0]
    assert torch.allclose(Drawer(())._shaped(logits.clone(), one), wanted)


def test_presence_and_frequency_penalties_are_those_of_the_api() -> None:
    """Of the answer alone: once for a token that is in it, and for each time that it is."""
    one = asked((3, 4, 3, 3), (7, 9, 3), presence_penalty=0.5, frequency_penalty=0.25)
    logits = logits_of(50)
    wanted = logits.clone()
    wanted[3] -= 0.5 + 3 * 0.25
    wanted[4] -= 0.5 + 0.25
    assert torch.allclose(Drawer(())._shaped(logits.clone(), one), wanted)


def test_a_bias_is_added_to_its_token() -> None:
    """Far enough it bans a token or lets nothing else be drawn."""
    logits = logits_of(50)
    best = int(logits.argmax())
    drawer = Drawer(())
    assert drawer.draw(logits[None], [asked(logit_bias=((best, -100.0),))])[0].token == int(logits.topk(2).indices[1])
    assert drawer.draw(logits[None], [asked(logit_bias=((17, 100.0),), temperature=1.0)])[0].token == 17


def test_nothing_ends_before_min_tokens() -> None:
    """Neither an end nor a stop token of the request is drawn, however likely, until then."""
    logits = torch.zeros(50)
    logits[[8, 9, 10]] = torch.tensor([30.0, 20.0, 10.0])
    drawer = Drawer((8,))
    for temperature in (0.0, 1.0):
        early = asked((1, 2), min_tokens=3, stop_token_ids=(9,), temperature=temperature)
        assert drawer.draw(logits[None], [early])[0].token == 10
        late = asked((1, 2, 3), min_tokens=3, stop_token_ids=(9,), temperature=temperature)
        assert drawer.draw(logits[None], [late])[0].token == 8


def test_penalties_leave_the_logits_of_others_alone() -> None:
    """What one request changes is a copy of its own row."""
    logits = torch.stack([logits_of(50)] * 2)
    kept = logits.clone()
    Drawer(()).draw(logits, [asked(logit_bias=((3, 100.0),)), asked()])
    assert torch.equal(logits, kept)


def test_greedy_takes_the_maximum_whatever_shares_the_step() -> None:
    """A greedy row is never drawn from."""
    logits = torch.stack([logits_of(50, seed) for seed in range(4)])
    rows = [asked(), asked(temperature=1.0, seed=1), asked(top_k=5, top_p=0.5, seed=3), asked(temperature=2.0)]
    found = Drawer(()).draw(logits, rows)
    for row in (0, 2):
        assert found[row].token == int(logits[row].argmax())


def test_a_seed_draws_the_same_alone_and_in_a_mix() -> None:
    """What stands in the other rows of a step changes nothing."""
    logits = torch.stack([logits_of(50, seed) for seed in range(3)])
    one = asked((4, 5), temperature=0.8, top_p=0.9, seed=99, repetition_penalty=1.2)
    alone = Drawer(()).draw(logits[1:2], [one])[0]
    mixed = Drawer(()).draw(logits, [asked(), one, asked(temperature=1.5, seed=3)])[1]
    assert alone == mixed


def test_seeds_and_steps_draw_differently() -> None:
    """A flat distribution shows it."""
    logits = torch.zeros((1, 700))
    found = {
        (seed, made): Drawer(()).draw(logits, [asked((1,) * made, temperature=1.0, seed=seed)])[0].token
        for seed in range(20)
        for made in range(20)
    }
    assert len(set(found.values())) > 250
    assert found[0, 0] == Drawer(()).draw(logits, [asked(temperature=1.0, seed=0)])[0].token


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, 2**64, -(2**70)])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    """Clients send what they like."""
    assert 0 <= Drawer(()).draw(logits_of(50)[None], [asked(temperature=1.0, seed=seed)])[0].token < 50


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_row_that_is_not_finite_is_told_and_harms_none(value: float) -> None:
    """Greedy or sampled, with every kind of sampling; the rows beside it are drawn as ever."""
    logits = torch.stack([logits_of(50, seed) for seed in range(3)])
    clean = Drawer(()).draw(logits, [asked(temperature=1.0, seed=n) for n in range(3)])
    logits[1, 7] = value
    for how in ({}, {"temperature": 1.0}, {"temperature": 1.0, "top_k": 3, "top_p": 0.5, "min_p": 0.1}):
        found = Drawer(()).draw(logits, [asked(temperature=1.0, seed=0), asked(**how), asked(temperature=1.0, seed=2)])
        assert [one.finite for one in found] == [True, False, True]
        assert (found[0], found[2]) == (clean[0], clean[2])


def test_large_logits_are_finite() -> None:
    """Their sum is what is looked at, and it must not overflow where none of them has."""
    logits = torch.full((1, 700), 1e30)
    assert Drawer(()).draw(logits, [asked()])[0].finite


def test_a_very_peaked_row_gives_its_token() -> None:
    """At every place, though all others have a probability of nought."""
    logits = torch.zeros(50)
    logits[17] = 10_000.0
    for seed in range(50):
        for how in ({}, {"top_p": 0.5}, {"top_k": 7}, {"min_p": 0.5}):
            assert Drawer(()).draw(logits[None], [asked(temperature=1.0, seed=seed, **how)])[0].token == 17


def test_a_token_that_may_not_be_drawn_is_not_drawn_at_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at the first place nor at the last is one drawn whose probability is nought."""
    logits = torch.full((20,), -torch.inf)
    logits[5:9] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    logits[torch.isinf(logits)] = -1e30
    for at in (1e-17, 2.0**-54, 1 - 2.0**-53, 1.0):
        monkeypatch.setattr(drawing, "uniform", lambda *_, at=at: at)
        for how in ({}, {"top_p": 0.9}, {"top_k": 3}):
            assert Drawer(()).draw(logits[None], [asked(temperature=1.0, **how)])[0].token in range(5, 9)


def test_log_probabilities_are_of_the_models_own_distribution() -> None:
    """Before temperature and penalties, the likeliest first, as many as each request asked for."""
    logits = torch.stack([logits_of(50, seed) for seed in range(4)])
    rows = [
        asked(logprobs=0),
        asked(logprobs=3, temperature=5.0, top_k=2, repetition_penalty=2.0),
        asked(),
        asked(logprobs=20),
    ]
    found = Drawer(()).draw(logits, rows)
    scores = torch.log_softmax(logits.double(), -1)
    assert found[2].logprobs is None
    for row, count in ((0, 0), (1, 3), (3, 20)):
        one = found[row].logprobs
        assert one is not None
        assert one.token == found[row].token
        assert one.logprob == pytest.approx(float(scores[row, one.token]), abs=1e-5)
        best = scores[row].topk(count)
        assert [token for token, _ in one.top] == best.indices.tolist()
        assert [score for _, score in one.top] == pytest.approx(best.values.tolist(), abs=1e-5)


def test_scoring_scores_every_row() -> None:
    """While generations are compared; nothing is computed otherwise."""
    drawer, logits = Drawer(()), logits_of(50)[None]
    assert drawer.draw(logits, [asked()])[0].logprobs is None
    drawer.scoring = True
    found = drawer.draw(logits, [asked()])[0].logprobs
    assert found is not None
    assert (found.token, found.top) == (int(logits.argmax()), ())


def test_log_probabilities_of_given_tokens() -> None:
    """For a prompt, whose tokens nobody drew."""
    logits = torch.stack([logits_of(50, seed) for seed in range(3)])
    found = logprobs(logits, [4, 5, 6], 0)
    assert [one.token for one in found] == [4, 5, 6]
    for row, one in enumerate(found):
        assert one.logprob == pytest.approx(float(torch.log_softmax(logits[row], -1)[one.token]))
