"""Pages: each is free, one request's own, or a prefix that is found by its very tokens; the counts never leak."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kits.sequences import image, sequence

from hotswapd.swap.rows.pages import PAGE, Node, Pages
from hotswapd.swap.rows.sequence import Sequence

COUNT = 12
IMAGES = [image(number, digest) for number, digest in ((1, "a"), (2, "b"), (3, "a"))]
"""The third is another generation of the first one's adapter."""


def nodes_of(pages: Pages) -> list[Node]:
    found: list[Node] = []
    waiting: list[Any] = [child for root in pages._roots.values() for child in root.children.values()]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.children.values()
    return found


class PagesMachine(RuleBasedStateMachine):
    """Requests that begin, grow, write, end and are put back, as the schedule has them do."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = Pages(COUNT)
        self.running: list[Sequence] = []
        self.content: dict[int, tuple[Any, tuple[int, ...]]] = {}
        """What was computed into a page: whose, and the whole text up to its end."""

    @rule(
        tokens=st.lists(st.integers(0, 1), min_size=1, max_size=4 * PAGE),
        of=st.sampled_from(IMAGES),
        salt=st.sampled_from(["", "x"]),
        alike=st.booleans(),
    )
    def begin(self, tokens: list[int], of: Any, salt: str, alike: bool) -> None:
        prompt = [0] * len(tokens) if alike else tokens
        one = sequence(prompt, of=of, cache_salt=salt)
        one.find_prefix(self.pages)
        assert one.computed < len(prompt), "at least the last token is computed"
        for at, page in enumerate(one.pages):
            assert self.content[page] == (one.root, tuple(prompt[: (at + 1) * PAGE])), "another text's page was found"
        if one.missing(len(one.tokens)) > self.pages.room:
            one.let_go(self.pages)
            return
        one.grow(self.pages, one.missing(len(one.tokens)))
        self.running.append(one)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100), most=st.integers(1, 40))
    def compute(self, which: int, most: int) -> None:
        one = self.running[which % len(self.running)]
        upto = min(len(one.tokens), one.computed + most)
        for at, page in enumerate(one.pages):
            if (at + 1) * PAGE <= upto and page in one.own:
                self.content[page] = (one.root, tuple(one.tokens[: (at + 1) * PAGE]))
        one.note_computed(upto, self.pages)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100), token=st.integers(0, 1))
    def write(self, which: int, token: int) -> None:
        one = self.running[which % len(self.running)]
        one.tokens.append(token)
        missing = one.missing(len(one.tokens))
        if missing > self.pages.room:
            self.running.remove(one)
            one.let_go(self.pages)
        elif missing > 0:
            one.grow(self.pages, missing)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100))
    def end(self, which: int) -> None:
        self.running.pop(which % len(self.running)).let_go(self.pages)

    @rule()
    def forget(self) -> None:
        self.pages.forget()
        assert all(node.users for node in nodes_of(self.pages))

    @invariant()
    def every_page_is_one_thing(self) -> None:
        free = {page for page in range(COUNT) if self.pages._free[page]}
        own = [page for one in self.running for page in one.own]
        shared = [node.page for node in nodes_of(self.pages)]
        assert len(own) == len(set(own))
        assert len(shared) == len(set(shared))
        assert not set(own) & set(shared)
        assert free == set(range(COUNT)) - set(own) - set(shared)
        assert self.pages._left == len(free)

    @invariant()
    def room_is_exact(self) -> None:
        held = {page for one in self.running for page in one.own} | {
            node.page for one in self.running for node in one.path
        }
        assert self.pages.held == len(held)
        assert self.pages.room == COUNT - len(held)

    @invariant()
    def users_are_counted(self) -> None:
        for node in nodes_of(self.pages):
            assert node.users == sum(any(node is one for one in other.path) for other in self.running)
            idle = node in self.pages._idle
            assert idle == (node.users == 0 and not node.children)

    @invariant()
    def each_has_pages_for_its_tokens(self) -> None:
        for one in self.running:
            assert len(one.pages) * PAGE >= len(one.tokens)
            assert len(set(one.pages)) == len(one.pages)

    @precondition(lambda self: not self.running)
    @rule()
    def all_of_it_can_be_taken(self) -> None:
        assert self.pages.room == COUNT
        taken = self.pages.take(COUNT)
        assert sorted(taken) == list(range(COUNT))
        assert not nodes_of(self.pages)
        assert not self.pages._roots
        self.pages.give(taken)


PagesMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestPages = PagesMachine.TestCase


def cached(pages: Pages, tokens: list[int], **how: Any) -> Sequence:
    """Make a request whose tokens are all computed."""
    one = sequence(tokens, **how)
    one.find_prefix(pages)
    one.grow(pages, one.missing(len(tokens)))
    one.note_computed(len(tokens), pages)
    return one


TEXT = list(range(3 * PAGE + 5))


def test_a_prefix_is_found_page_by_page() -> None:
    """As many whole pages as are the same; a page that differs in its last token is another one."""
    pages = Pages(COUNT)
    cached(pages, TEXT).let_go(pages)
    root = sequence(TEXT).root
    assert len(pages.match(root, TEXT)) == 3
    assert len(pages.match(root, [*TEXT[: 2 * PAGE - 1], 99])) == 1
    assert len(pages.match(root, [99, *TEXT[1:]])) == 0
    assert len(pages.match(root, TEXT[: PAGE - 1])) == 0


def test_a_prefix_belongs_to_a_digest_and_a_salt() -> None:
    """Another adapter, or another tenant of the same, never finds it; the same adapter under another number does."""
    pages = Pages(COUNT)
    cached(pages, TEXT, of=image(1, "a")).let_go(pages)
    assert len(pages.match(sequence(TEXT, of=image(7, "a")).root, TEXT)) == 3
    assert not pages.match(sequence(TEXT, of=image(1, "b")).root, TEXT)
    assert not pages.match(sequence(TEXT, of=image(1, "a"), cache_salt="x").root, TEXT)


def test_the_oldest_prefix_gives_way_from_its_end() -> None:
    """The pages of a prefix go last to first, so that what is left of it can still be found."""
    pages = Pages(6)
    cached(pages, TEXT[: 3 * PAGE]).let_go(pages)
    cached(pages, [77] * (2 * PAGE)).let_go(pages)
    assert pages.room == 6
    pages.take(2)
    assert len(pages.match(sequence([1]).root, TEXT)) == 2
    assert len(pages.match(sequence([1]).root, [77] * (2 * PAGE))) == 2


def test_a_prefix_that_is_held_stays() -> None:
    """Only what nobody holds makes room."""
    pages = Pages(4)
    held = cached(pages, TEXT[: 2 * PAGE])
    cached(pages, [77] * (2 * PAGE)).let_go(pages)
    assert pages.room == 2
    pages.take(2)
    assert pages.room == 0
    assert len(pages.match(held.root, TEXT)) == 2


def test_two_that_computed_the_same_at_once_share_what_follows() -> None:
    """Each keeps its own pages, and only the first one's can be found; nothing is lost when they go."""
    pages = Pages(COUNT)
    two = [sequence(TEXT) for _ in range(2)]
    for one in two:
        one.grow(pages, one.missing(len(TEXT)))
    for one in two:
        one.note_computed(len(TEXT), pages)
    assert two[0].path == two[1].path
    assert not set(two[0].pages) & set(two[1].pages)
    for one in two:
        one.let_go(pages)
    assert (pages.room, pages.held) == (COUNT, 0)


def test_without_sharing_nothing_is_found() -> None:
    """The plain runner's pages only count."""
    pages = Pages(COUNT, shares=False)
    one = cached(pages, TEXT)
    assert not pages.match(one.root, TEXT)
    one.let_go(pages)
    assert pages.room == COUNT


@given(counts=st.lists(st.integers(1, 5), max_size=8), give=st.lists(st.integers(0, 7), max_size=8))
@settings(max_examples=100)
def test_pages_that_are_taken_are_nobody_elses(counts: list[int], give: list[int]) -> None:
    """However torn the free pages are."""
    pages = Pages(COUNT)
    held: list[list[int]] = []
    for at, count in enumerate(counts):
        if count <= pages.room:
            held.append(pages.take(count, after=held[-1][-1] if held else -1))
            assert len(held[-1]) == count
        if at < len(give) and held:
            pages.give(held.pop(give[at] % len(held)))
        flat = [page for one in held for page in one]
        assert len(flat) == len(set(flat)) == pages.held


def test_a_growing_request_gets_the_page_behind_its_last() -> None:
    """So that its keys are read as one view, not gathered."""
    pages = Pages(COUNT)
    one = sequence(TEXT)
    one.grow(pages, 2)
    one.grow(pages, 1)
    assert one.pages == list(range(one.pages[0], one.pages[0] + 3))


def straight(one: Sequence) -> bool:
    return one.pages == list(range(one.pages[0], one.pages[0] + len(one.pages)))


def test_requests_that_grow_side_by_side_grow_in_place() -> None:
    """What may follow is kept clear of the next one."""
    pages = Pages(COUNT)
    three = [sequence(TEXT[:PAGE], tokens=3 * PAGE) for _ in range(3)]
    for _ in range(4):
        for one in three:
            one.grow(pages, 1)
    assert all(straight(one) for one in three)
    assert pages.room == 0


def test_a_cache_full_of_prefixes_gives_way_in_one_piece() -> None:
    """Those of one old request, so that a new one can grow in place there."""
    pages = Pages(COUNT)
    for first in range(4):
        cached(pages, [first] * (3 * PAGE)).let_go(pages)
    assert pages.room == COUNT
    two = [sequence([9 + number], tokens=2 * PAGE) for number in range(2)]
    for _ in range(3):
        for one in two:
            one.grow(pages, 1)
    assert all(straight(one) for one in two)


def test_what_is_kept_clear_is_had_by_who_needs_it() -> None:
    """Room to grow is a wish: nobody waits for it, and no prefix of others goes for it twice."""
    pages = Pages(4)
    one = sequence(TEXT[:PAGE], tokens=3 * PAGE)
    one.grow(pages, 1)
    assert pages.room == 3
    assert len(pages.take(3)) == 3
    assert pages.room == 0


def test_what_was_kept_clear_is_free_again_at_the_end() -> None:
    """For the next one's run, and whatever else."""
    pages = Pages(4)
    one = sequence(TEXT[:PAGE], tokens=3 * PAGE)
    one.grow(pages, 1)
    one.let_go(pages)
    other = sequence(TEXT[:PAGE], tokens=3 * PAGE)
    other.grow(pages, 1)
    assert other.pages == [0]
    assert pages.take(3, more=0) == [1, 2, 3]


@pytest.mark.parametrize("length", [1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_the_last_token_is_always_computed(length: int) -> None:
    """Its logits are what the answer begins with, and they are not cached."""
    pages = Pages(COUNT)
    cached(pages, TEXT[:length]).let_go(pages)
    one = sequence(TEXT[:length])
    one.find_prefix(pages)
    assert one.computed == (length - 1) // PAGE * PAGE
