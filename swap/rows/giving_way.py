"""Who is put back so that another request can begin, where one client's requests have taken all there is. No torch.

A group is a served name, and within one name a client. The newest request of the group that has most is put back, but
only as long as that group still has as much as the one that asks then has: so nobody is put back for somebody who has
more, and two groups never put each other back by turns.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from collections.abc import Sequence as Several

from .sequence import Sequence

Weigh = Callable[[Sequence], int]
Whose = Callable[[Sequence], Hashable]


def seats(_: Sequence) -> int:
    """Weigh a request by its place among those under way."""
    return 1


def held_pages(one: Sequence) -> int:
    """Weigh a request by the pages that it holds, or needs for what it has."""
    return len(one.pages) + max(0, one.missing(len(one.tokens)))


def freed_pages(one: Sequence) -> int:
    """Count the pages that others can have once it is put back: those that nobody shares, and those promised to it."""
    alone = sum(node.users == 1 for node in one.path)
    return len(one.own) + alone + max(0, one.missing(len(one.tokens)))


def who_gives_way(first: Sequence, running: Several[Sequence], need: int, weigh: Weigh, frees: Weigh) -> list[Sequence]:
    """Choose whom to put back so that `need` of what `frees` counts is free for `first`; nobody, if it is not enough.

    `weigh` is what a group must not have more of than another.
    """
    of_name = [one for one in running if one.ask.name == first.ask.name]
    return _choose(first, running, need, weigh, frees, _name) or _choose(first, of_name, need, weigh, frees, _client)


def _name(one: Sequence) -> Hashable:
    return one.ask.name


def _client(one: Sequence) -> Hashable:
    return one.ask.client


def _choose(
    first: Sequence, among: Several[Sequence], need: int, weigh: Weigh, frees: Weigh, whose: Whose
) -> list[Sequence]:
    has: Counter[Hashable] = Counter()
    for one in among:
        has[whose(one)] += weigh(one)
    least = has[whose(first)] + weigh(first)
    left = sorted((one for one in among if whose(one) != whose(first)), key=lambda one: one.order)
    chosen: list[Sequence] = []
    while need > 0 and left:
        newest = max(left, key=lambda one: (has[whose(one)], one.order))
        if has[whose(newest)] - weigh(newest) < least:
            return []
        has[whose(newest)] -= weigh(newest)
        left.remove(newest)
        chosen.append(newest)
        need -= frees(newest)
    return chosen if need <= 0 else []
