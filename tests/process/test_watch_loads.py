"""The watch in the real program: hostile clients, and requests that come to nothing by their clients' own doing."""

from collections.abc import Iterator

import pytest
from kits.loads import Act, Client, Load, bad_asks, hostile, leaving, plain
from kits.room import make_room
from kits.watched import Watched

REQUESTS = 60
FROM = 12
"""Clients, each with an address: no rule about a single one helps."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with make_room(tmp_path_factory.mktemp("watched") / "room") as room:
        made = Watched(room)
        made.under(Load(plain, 2), REQUESTS)  # a generation before the first one, with a load of its own
        yield made


@pytest.mark.parametrize("strategy", hostile())
def test_no_strategy_rolls_anything_back(strategy: str, watched: Watched) -> None:
    """One client with a third of the requests, or six who agree: what is live stays, and no request has failed."""
    found = watched.under(hostile()[strategy], REQUESTS)
    assert found["requests"] >= REQUESTS
    assert (found["errors"], found["non_finite"]) == (0, 0)


def impatient(client: Client) -> None:
    client.lose_patience("what do you see?", 0.02)


def stopped(client: Client) -> None:
    """A word of the client's own ends the answer."""
    status, body = client.ask("Arr, ", 48, stop=["e", "a", " "])
    assert (status, body["choices"][0]["finish_reason"]) == (200, "stop")


CAUSES: dict[str, Act] = {
    "bad asks": bad_asks,
    "gone before or while it is answered": leaving,
    "a timeout of their own": impatient,
    "a stop of their own": stopped,
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_clients_cause_is_no_error(cause: str, watched: Watched) -> None:
    """Whichever way, and from as many clients as one likes: it is not counted, or not as a failure."""
    found = watched.under(Load(CAUSES[cause], FROM, beside=2), REQUESTS)
    assert found["errors"] == 0


def test_who_is_turned_away_by_a_full_queue_is_not_counted(watched: Watched) -> None:
    """Only those who were let in are, and they were answered."""
    statuses: list[int] = []

    def crowding(client: Client) -> None:
        statuses.append(client.ask("what do you see?", 40)[0])

    found = watched.under(Load(crowding, 60), 200)
    assert set(statuses) == {200, 429}
    assert (found["requests"], found["errors"]) == (statuses.count(200), 0)
