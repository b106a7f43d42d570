"""The prefix cache: found again by digest and by its very tokens, never by another adapter or another tenant."""

from collections.abc import Iterator

import pytest
import torch
from kits.rows import Bench, Listener, adapter, bench, reference
from kits.steps import Steps

from hotswapd.swap.rows.pages import PAGE
from hotswapd.swap.rows.tickets import Ticket

PROMPT = tuple(range(30, 30 + 200))
WHOLE, REST, TOKENS = len(PROMPT), len(PROMPT) % PAGE, 8


class Counted:
    """A bench that counts how much of a prompt is computed."""

    def __init__(self, made: Bench) -> None:
        self.made = made
        self.steps = Steps(made.loop)

    def read(self, generation: int | None = None, index: int | None = None, salt: str = "") -> int:
        """Ask the prompt, hold the answer to the reference, and count the prompt's tokens that were computed."""
        ticket, listener = self.made.ask(PROMPT, TOKENS, generation, cache_salt=salt)
        index = self.made.made[ticket.generation] if index is None else index
        assert listener.wait().token_ids == reference(index, PROMPT, TOKENS)
        return self.steps.computed(ticket) - (TOKENS - 1)


@pytest.fixture(params=["rows", "fixed"])
def one(request: pytest.FixtureRequest) -> Iterator[Counted]:
    with bench(runner=request.param) as made:
        made.swap(0)
        yield Counted(made)


def test_a_prompt_is_read_once(one: Counted) -> None:
    """Then only what does not fill a page."""
    assert one.read() == WHOLE
    assert one.read() == REST


def test_going_back_to_an_earlier_adapter_finds_its_pages(one: Counted) -> None:
    """Under its old number, and staged again under a new one: what counts is the digest."""
    first = one.made.live
    assert one.read() == WHOLE
    one.made.swap(1)
    assert one.read() == WHOLE
    one.made.resident.hold(first)
    one.made.engine.route(first, 1)
    one.made.resident.release(first)
    assert one.read() == REST
    one.made.swap(2)
    again = one.made.swap(0)
    assert (again.number, again is first) == (4, False)
    assert one.read() == REST


def test_another_adapter_never_finds_them(one: Counted) -> None:
    """Under the same name, or even under the same number."""
    assert one.read() == WHOLE
    other = one.made.stage(1)
    one.made.engine.route(other, 1)
    assert one.read(index=1) == WHOLE
    one.made.resident.drop(other)


def test_adapters_without_a_digest_find_nothing_of_each_other(one: Counted) -> None:
    """Whoever embeds the engine may leave it out."""
    resident = one.made.resident
    for number, index in ((10, 1), (11, 2), (12, 1)):
        image = resident.stage(resident.admit(adapter(index)))
        one.made.engine.route(image, number)
        resident.drop(image)
        assert one.read(index=index) == WHOLE


def test_a_salt_separates_tenants(one: Counted) -> None:
    """Each finds its own."""
    assert one.read(salt="a") == WHOLE
    assert one.read(salt="b") == WHOLE
    assert one.read() == WHOLE
    assert [one.read(salt=salt) for salt in ("a", "b", "")] == [REST] * 3


def test_the_base_finds_its_own(one: Counted) -> None:
    """Before the first adapter and after it."""
    one.made.engine.route(one.made.resident.base_image, 0)
    assert one.read() == WHOLE
    one.made.swap(1)
    assert one.read() == WHOLE
    one.made.engine.route(one.made.resident.base_image, 0)
    assert one.read() == REST


def test_two_names_of_one_adapter_share(one: Counted) -> None:
    """One digest is one adapter, in two berths or in one."""
    assert one.read() == WHOLE
    one.made.swap(0, name="support")
    ticket, listener = one.made.ask(PROMPT, TOKENS, name="support")
    assert listener.wait().token_ids == reference(0, PROMPT, TOKENS)
    assert one.steps.computed(ticket) - (TOKENS - 1) == REST


def test_an_answer_is_a_prefix_of_the_next_question(one: Counted) -> None:
    """As a conversation goes on, what the model wrote is not read again."""
    answer = one.made.ask(PROMPT, 60)[1].wait().token_ids
    following = (*PROMPT, *answer, 5, 6, 7)
    again = one.made.ask(following, TOKENS)
    assert again[1].wait().token_ids == reference(0, following, TOKENS)
    assert one.steps.computed(again[0]) - (TOKENS - 1) < 2 * PAGE


def test_forks_read_their_prompt_once(one: Counted) -> None:
    """Several answers to one prompt that come together, greedy and drawn: the others wait for the first."""
    with one.made.resident.step():
        forks: list[tuple[Ticket, Listener]] = [one.made.ask(PROMPT, TOKENS)]
        forks += [one.made.ask(PROMPT, TOKENS, temperature=1.0, seed=seed) for seed in range(1, 5)]
    answers = [listener.wait().token_ids for _, listener in forks]
    assert answers[0] == reference(0, PROMPT, TOKENS)
    assert len(set(answers)) > 2
    computed = [one.steps.computed(ticket) - (TOKENS - 1) for ticket, _ in forks]
    assert computed == [WHOLE, *[REST] * 4]
    alone = [
        one.made.ask(PROMPT, TOKENS, temperature=1.0, seed=seed, cache_salt="alone")[1].wait() for seed in range(1, 5)
    ]
    assert [one.token_ids for one in alone] == answers[1:]


def test_a_text_that_differs_in_one_token_shares_only_what_is_before_it(one: Counted) -> None:
    """A prefix is confirmed token by token."""
    assert one.read() == WHOLE
    other = (*PROMPT[:100], 7, *PROMPT[101:])
    ticket, listener = one.made.ask(other, TOKENS)
    assert listener.wait().token_ids == reference(0, other, TOKENS)
    assert one.steps.computed(ticket) - (TOKENS - 1) == WHOLE - 96


def test_shared_pages_are_not_written_by_those_who_share_them(one: Counted) -> None:
    """Each goes on in pages of its own."""
    assert one.read() == WHOLE
    cache = one.made.loop._runner._cache  # type: ignore[attr-defined]
    nodes = one.made.loop._pages.match((one.made.live.digest, ""), PROMPT)
    rows = torch.cat([torch.arange(node.page * PAGE, (node.page + 1) * PAGE) for node in nodes])
    before = {layer: held[rows].clone() for layer, held in cache.keys.items()}
    asked = [one.made.ask((*PROMPT, number), 40) for number in range(4)]
    for number, (_, listener) in enumerate(asked):
        assert listener.wait().token_ids == reference(0, (*PROMPT, number), 40)
    assert all(torch.equal(cache.keys[layer][rows], kept) for layer, kept in before.items())
