"""Histories of requests over a cache that is too small for them: every answer is its own, and none fails."""

from hypothesis import given, settings
from hypothesis import strategies as st
from kits.sequences import Summing, summed, ticket

from hotswapd.swap.rows.pages import PAGE
from hotswapd.swap.rows.tickets import Ticket

_PAGES = 8
_Coming = tuple[int, int, int, int, str, str]

coming = st.tuples(
    st.sampled_from([0, 0, 1, 5]),  # steps that pass before it comes
    st.sampled_from([1, PAGE - 1, PAGE, 2 * PAGE + 3, 4 * PAGE, 5 * PAGE - 1]),  # tokens of its prompt
    st.sampled_from([1, 4, PAGE, 2 * PAGE]),  # tokens of its answer
    st.sampled_from([0, 0, 0, 1, 7]),  # steps after which its client goes, counted from its coming; 0: never
    st.sampled_from(["a", "b", "c"]),  # its client
    st.sampled_from(["default", "default", "other"]),  # its name
)


@settings(max_examples=150)
@given(st.lists(coming, min_size=2, max_size=12), st.sampled_from([16, 32, 64]), st.booleans())
def test_whoever_is_put_back_is_in_no_step(history: list[_Coming], step_tokens: int, whole: bool) -> None:
    """A step never has a request whose pages were taken away for another one of the same step."""
    summing = Summing(_PAGES, batch_tokens=64, beside_tokens=step_tokens, whole=whole, max_requests=4)
    stayed: list[tuple[Ticket, tuple[int, ...]]] = []
    leaving: list[tuple[int, Ticket]] = []
    for at, (steps, prompt, tokens, goes, client, name) in enumerate(history):
        leaving = _step(summing, steps, leaving)
        one = ticket(range(40 * at, 40 * at + prompt), tokens, client=client, name=name)
        summing.submit(one)
        if goes:
            leaving.append((goes, one))
        else:
            stayed.append((one, summed(one.ask.prompt, tokens)))
    _step(summing, 8, leaving)
    summing.run()
    assert not [end.error for one, _ in stayed if (end := summing.ears.ends[one.name]).error]
    assert [summing.answer(one) for one, _ in stayed] == [answer for _, answer in stayed]
    assert summing.pages.held == 0


def _step(summing: Summing, steps: int, leaving: list[tuple[int, Ticket]]) -> list[tuple[int, Ticket]]:
    """Step so often, and let go whose time has come; return who is still there, with the steps that they have left."""
    for done in range(steps):
        for left, one in leaving:
            if left == done:
                summing.loop.cancel(one.name)
        summing.step()
    return [(left - steps, one) for left, one in leaving if left >= steps]
