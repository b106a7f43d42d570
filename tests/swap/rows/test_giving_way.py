"""Who is put back: to the page and to the seat, by what is counted alone."""

from types import SimpleNamespace
from typing import Any

import pytest

from hotswapd.swap.rows.giving_way import freed_pages, held_pages, seats, who_gives_way


def one(name: str = "a", client: str = "", order: int = 0, pages: int = 1, **more: Any) -> Any:
    """Make what is counted of a request; `missing` are pages that it needs for its tokens, negative if it has more."""
    missing = more.get("missing", 0)
    return SimpleNamespace(
        ask=SimpleNamespace(name=name, client=client),
        order=order,
        pages=[0] * pages,
        own=[0] * more.get("own", pages),
        path=[SimpleNamespace(users=users) for users in more.get("path", ())],
        tokens=[],
        missing=lambda count: missing + count,
        what=f"{name}{client}{order}",
    )


@pytest.mark.parametrize(("missing", "promised"), [(-3, 0), (-1, 0), (0, 0), (1, 1), (2, 2)])
def test_pages_are_counted_that_it_has_and_that_it_was_promised(missing: int, promised: int) -> None:
    """What it has beyond its need is no debt, and what others share is not free when it goes."""
    assert held_pages(one(pages=3, missing=missing)) == 3 + promised
    assert freed_pages(one(own=2, path=(1, 2, 1), missing=missing)) == 4 + promised


def back(first: Any, running: list[Any], need: int) -> list[str]:
    gone: list[Any] = [*who_gives_way(first, running, need, seats, freed_pages)]
    return [one.what for one in gone]


def test_the_newest_of_the_largest_group_goes() -> None:
    running = [one("a", order=0), one("a", order=1), one("a", order=2), one("b", order=3)]
    assert back(one("c", order=9), running, 1) == ["a2"]


def test_nobody_goes_for_somebody_who_would_have_more() -> None:
    """Two against two at the end: with one more the other name would put it back in its turn."""
    running = [one("a", order=0), one("a", order=1), one("b", order=2)]
    assert back(one("b", order=9), running, 1) == []
    running.append(one("a", order=3))
    assert back(one("b", order=9), running, 1) == ["a3"]


def test_nobody_goes_if_it_is_not_enough() -> None:
    """To the page: two that free two each are enough for four, and not for five."""
    running = [one("a", order=order, own=2) for order in range(4)]
    assert back(one("b", order=9), running, 4) == ["a3", "a2"]
    assert back(one("b", order=9), running, 2) == ["a3"]
    assert back(one("b", order=9), running, 7) == []
    assert back(one("b", order=9), running, 0) == []


def test_within_a_name_clients_are_told_apart() -> None:
    running = [one("a", "x", order) for order in range(3)]
    assert back(one("a", "y", 9), running, 1) == ["ax2"]
    assert back(one("a", "x", 9), running, 1) == []
    assert back(one("a", "y", 9), [*running[:2], one("a", "y", 3)], 1) == []
