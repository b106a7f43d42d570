"""The loop: nothing that a request asks for can stop it, and a step that fails fails its own requests only."""

import random
import threading
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kits.sequences import LONG, VOCABULARY, Summing, image, summed, ticket

from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.request_codes import AnswerCode
from hotswapd.swap.rows.tickets import Ticket

IMAGES = [image(number) for number in range(4)]
STICKY = "CUDA error: an illegal memory access was encountered"


def test_answers_are_those_of_each_generation() -> None:
    """Four of them in the same steps."""
    made = Summing()
    asked = [ticket((1, 2, n), 12, of=IMAGES[n % 4]) for n in range(8)]
    made.submit(*asked)
    made.run()
    for n, one in enumerate(asked):
        assert made.answer(one) == summed((1, 2, n), 12, n % 4)
        assert made.ears.ends[one.name].finish == "length"
    assert max(len(step) for step in made.runner.steps) == 8
    assert made.loop.held_pages == 0


requests = st.lists(
    st.tuples(st.integers(1, 70), st.integers(1, 30), st.integers(0, 3), st.booleans(), st.sampled_from(["", "k"])),
    min_size=1,
    max_size=10,
)


@given(requests=requests, pages=st.integers(7, 14), batch=st.sampled_from([16, 32, 64]), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_whatever_is_asked_each_answer_is_its_own(
    requests: list[tuple[int, int, int, bool, str]], pages: int, batch: int, seed: int
) -> None:
    """Shared prompts, a full cache, cancellations and steps that fail: every answer that ends well is right."""
    made, draw = Summing(pages, batch_tokens=batch, beside_tokens=batch // 2), random.Random(seed)
    asked: list[Ticket] = []
    for length, tokens, number, alike, key in requests:
        first = 0 if alike else draw.randrange(VOCABULARY)
        prompt = [(first + at) % VOCABULARY for at in range(length)]
        asked.append(ticket(prompt, tokens, of=IMAGES[number], key=key))
        made.submit(asked[-1])
        if draw.random() < 0.3:
            made.step()
        if draw.random() < 0.1:
            made.runner.errors = [RuntimeError("no")]
        if draw.random() < 0.2:
            made.loop.cancel(draw.choice(asked).name)
    made.run()
    for one in asked:
        end = made.ears.ends.get(one.name)
        if end is not None and end.finish == "length":
            assert made.answer(one) == summed(one.ask.prompt, one.ask.max_tokens, one.generation)
        said = made.answer(one)
        assert said == summed(one.ask.prompt, len(said), one.generation)
    assert made.loop.held_pages == 0
    assert made.schedule.empty
    assert not made.loop._sequences


def test_a_step_that_fails_fails_its_requests_only() -> None:
    """Those that were not in it begin again and lose no token; the next step is as usual."""
    made = Summing(max_requests=2)
    asked = [ticket((5, n), 8, of=IMAGES[n]) for n in range(3)]
    made.submit(*asked)
    made.step()
    made.runner.errors = [RuntimeError("the kernel does not like this")]
    made.run()
    for failed in asked[:2]:
        assert made.ears.ends[failed.name].finish == "error"
        assert made.ears.ends[failed.name].error == "the kernel does not like this"
    assert made.answer(asked[2]) == summed((5, 2), 8, 2)
    assert made.runner.forgotten == 1
    assert made.loop.death is None
    assert made.loop.held_pages == 0


def test_those_beside_a_failed_step_lose_nothing() -> None:
    """A prompt that waited for room is whole, though all that was cached is forgotten."""
    made = Summing(batch_tokens=16, beside_tokens=16)
    long, other = ticket(range(30), 8), ticket([7] * 30, 8)
    made.submit(long)
    made.step()
    made.submit(other)
    made.runner.errors = [RuntimeError("no")]
    made.run()
    answered = [one for one in (long, other) if made.ears.ends[one.name].finish == "length"]
    for one in answered:
        assert made.answer(one) == summed(one.ask.prompt, 8)
    again = ticket(range(30), 8)
    made.submit(again)
    made.run()
    assert made.answer(again) == summed(range(30), 8)


def test_a_second_failure_in_a_row_is_a_lost_resident() -> None:
    """With a good step between them two failures are two accidents."""
    made = Summing()
    for _ in range(3):
        made.runner.errors = [RuntimeError("boom")]
        made.submit(ticket((1, 2)), ticket((3, 4)))
        made.step()
        assert made.loop.death is None
        made.submit(ticket((1, 2), 1))
        made.run()
    made.runner.errors = [RuntimeError("boom"), RuntimeError("boom")]
    for _ in range(2):
        made.submit(ticket((1, 2)))
        made.step()
    assert isinstance(made.loop.death, ResidentLost)
    assert "boom" in str(made.loop.death)


@pytest.mark.parametrize("error", [RuntimeError(STICKY), ResidentLost("the device is gone")], ids=["sticky", "lost"])
def test_a_failure_that_the_device_does_not_survive_is_final(error: Exception) -> None:
    """At once, and whoever waits hears why."""
    made = Summing(max_requests=1)
    asked = [ticket((1, n)) for n in range(3)]
    made.submit(*asked)
    made.runner.errors = [error]
    made.loop.start()
    made.ears.await_ends(asked)
    made.loop.join(LONG)
    assert not made.loop.alive
    assert isinstance(made.loop.death, ResidentLost)
    assert all(str(error) in str(made.ears.ends[one.name].error) for one in asked)
    assert made.loop.held_pages == 0


def test_a_listener_that_raises_is_a_lost_resident_and_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not; if one does, the thread ends, and whoever else waits hears of it at once."""
    noted: list[object] = []
    monkeypatch.setattr(threading, "excepthook", noted.append)
    made = Summing()
    bad, good = ticket((1, 2), 50), ticket((3, 4), 10_000)
    tell, ears = made.loop._tell, made.ears

    def deaf(one: Ticket, outcome: Any) -> None:
        if one is bad and outcome.finish is None and ears.tokens.get(bad.name):
            raise ZeroDivisionError("a defect")
        tell(one, outcome)

    made.loop._tell = deaf
    made.submit(bad, good)
    made.loop.start()
    ears.await_ends([good])
    made.loop.join(LONG)
    assert "a defect" in str(ears.ends[good.name].error)
    assert isinstance(made.loop.death, ResidentLost)
    assert len(noted) == 1


def test_what_a_failure_held_is_let_go() -> None:
    """Whoever keeps the cause keeps no tensor of the step alive."""
    made = Summing()
    made.runner.errors = [RuntimeError("boom")]
    made.submit(ticket((1, 2)))
    made.step()
    cause = made.loop.cause
    assert cause is not None
    assert cause.__traceback__ is None
    assert any("boom" not in note and "raised here" in note for note in cause.__notes__)


def test_keys_that_are_not_finite_fail_their_request_alone() -> None:
    """No token of it is told, nothing of it is cached, and nobody else notices."""
    made = Summing()
    prompt = list(range(20))
    bad, good = ticket(prompt, 8, of=IMAGES[1]), ticket(prompt, 8, of=IMAGES[2])
    made.runner.not_finite = {bad.name}
    made.submit(bad, good)
    made.run()
    end = made.ears.ends[bad.name]
    assert (end.finish, end.code, end.non_finite) == ("error", AnswerCode.NON_FINITE, True)
    assert made.answer(bad) == ()
    assert made.answer(good) == summed(prompt, 8, 2)
    again = ticket(prompt, 8, of=IMAGES[1])
    made.submit(again)
    made.run()
    assert made.answer(again) == summed(prompt, 8, 1)
    computed = sum(count for step in made.runner.steps for name, count in step if name == again.name)
    assert computed == 20 + 7
    assert made.loop.held_pages == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite_fail_their_request_alone(value: float) -> None:
    """One of them is enough: their largest would mean nothing."""
    made = Summing()
    bad, good = ticket((1, 2), 8), ticket((3, 4), 8)
    run: Any = made.runner.run

    def spoiled(pieces: Any) -> Any:
        ran = run(pieces)
        for row, piece in enumerate(ran.pieces):
            if piece.sequence.ticket is bad and piece.sequence.made == 3:
                ran.logits[row, 5] = value
        return ran

    made.runner.run = spoiled  # type: ignore[method-assign]
    made.submit(bad, good)
    made.run()
    assert made.ears.ends[bad.name].code == AnswerCode.NON_FINITE
    assert made.answer(bad) == summed((1, 2), 3)
    assert made.answer(good) == summed((3, 4), 8)


def test_an_answer_ends_with_an_end_or_a_stop_token() -> None:
    """Which is told as its last token; ignore_eos leaves only the stop tokens."""
    answer = summed((1, 2), 12)
    end = answer[4]
    upto = answer[: answer.index(end) + 1]
    made = Summing(ends=(end,))
    asked = [
        ticket((1, 2), 12, ignore_eos=False),
        ticket((1, 2), 12),
        ticket((1, 2), 12, stop_token_ids=(end,)),
        ticket((1, 2), 12, ignore_eos=False, min_tokens=len(upto) + 1),
    ]
    made.submit(*asked)
    made.run()
    assert [made.ears.ends[one.name].finish for one in asked[:3]] == ["stop", "length", "stop"]
    assert [made.answer(one) for one in asked[:3]] == [upto, answer, upto]
    assert len(made.answer(asked[3])) > len(upto)


def test_no_tokens_reads_the_prompt_only() -> None:
    """For those who want its log-probabilities; in pieces, from its second token on."""
    made = Summing(batch_tokens=16)
    prompt = [(5 * at) % VOCABULARY for at in range(40)]
    one = ticket(prompt, 0, prompt_logprobs=2)
    made.submit(one)
    made.run()
    assert (made.ears.ends[one.name].finish, made.answer(one)) == ("length", ())
    assert len(made.runner.steps) == 3
    assert (one.prompt_logprobs[0], len(one.prompt_logprobs)) == (None, 40)
    for at, scored in enumerate(one.prompt_logprobs[1:], start=1):
        row = torch.zeros(VOCABULARY)
        likeliest = summed(prompt[:at], 1)[0]
        row[likeliest] = 9.0
        scores = torch.log_softmax(row, -1)
        assert scored is not None
        assert scored.token == prompt[at]
        assert scored.logprob == pytest.approx(float(scores[prompt[at]]))
        assert len(scored.top) == 2
        assert scored.top[0][0] == likeliest
        assert scored.top[0][1] == pytest.approx(float(scores.max()))


def test_a_cancelled_request_is_told_nothing_more() -> None:
    """Waiting or under way, and twice is once; its pages are free."""
    made = Summing(max_requests=1)
    under_way, waiting, last = (ticket((1, n), 30) for n in range(3))
    made.submit(under_way, waiting, last)
    made.step()
    for name in (under_way.name, waiting.name, under_way.name, "never was"):
        made.loop.cancel(name)
    made.run()
    assert set(made.ears.ends) == {last.name}
    assert made.answer(last) == summed((1, 2), 30)
    assert made.loop.held_pages == 0


def test_the_end_fails_what_is_left() -> None:
    """Each hears once that the process ends, also what came too late to be stepped."""
    made = Summing()
    asked = [ticket((1, n), 10_000) for n in range(3)]
    made.submit(*asked[:2])
    made.loop.start()
    made.loop.end()
    made.submit(asked[2])
    made.loop.join(LONG)
    assert not made.loop.alive
    for one in asked:
        if one.name in made.ears.ends:
            assert made.ears.ends[one.name].error == "the process is ending"
    assert {one.name for one in asked[:2]} <= set(made.ears.ends)


def test_an_idle_loop_is_woken_by_a_request() -> None:
    """It waits without a time-out, so nothing may be lost between its look and its sleep."""
    made = Summing()
    made.loop.start()
    for n in range(50):
        one = ticket((n % VOCABULARY,), 2)
        made.submit(one)
        made.ears.await_ends([one])
        assert made.answer(one) == summed((n % VOCABULARY,), 2)
    made.loop.end()
    made.loop.join(LONG)
    assert not [one for one in threading.enumerate() if one.name == "rows" and one is made.loop._thread]
