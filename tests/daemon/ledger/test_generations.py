"""What the ledger keeps beside the rows, across restarts."""

import pytest

from hotswapd.daemon.ledger.attempts import BOOT, SWAP
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def test_flags_have_a_default_and_outlive_the_process(ledger) -> None:
    """Pinned and paused are as the operator left them."""
    assert ledger.flags.pinned is False
    ledger.flags.set("pinned", value=True)
    ledger.close()
    assert ledger.flags.pinned is True


def test_deaths_are_counted_once_for_each_attempt_that_was_left_open(ledger) -> None:
    """An attempt that ended, well or badly, is no death; one that a start finds open is, and only at that start."""
    ledger.attempts.begin("d", SWAP, "staging")
    ledger.attempts.end("d", SWAP)
    ledger.attempts.count_deaths()
    assert ledger.attempts.deaths("d", SWAP) == (0, "staging")
    for deaths in (1, 2):
        ledger.attempts.begin("d", SWAP, "verification")
        ledger.attempts.count_deaths()
        ledger.attempts.count_deaths()
        assert ledger.attempts.deaths("d", SWAP) == (deaths, "verification")
    assert ledger.attempts.deaths("d", BOOT) == (0, "")
    ledger.attempts.end("d", SWAP, forget=True)
    assert ledger.attempts.deaths("d", SWAP) == (0, "verification")


def test_generations_are_listed_newest_first_and_a_refused_one_is_not_good(ledger) -> None:
    """What was rolled back from is not what a rollback goes to by default."""
    for number in (1, 2, 3):
        ledger.adopt(Generation(number, f"file:///{number}", "r", str(number), float(number), f"id{number}"), "s")
    ledger.generations.refuse(2)
    assert [one.number for one in ledger.generations.newest(10)] == [3, 2, 1]
    assert [one.number for one in ledger.generations.newest(10, good=True)] == [3, 1]
    assert (ledger.generations.get(2).uri, ledger.generations.get(9)) == ("file:///2", None)
    assert ledger.generations.next_number() == 4


def test_an_operators_action_says_what_who_and_how_it_ended(ledger) -> None:
    """Newest first, with the peer where it is known."""
    ledger.actions.note("pause", "", "done", None)
    ledger.actions.note("rollback", "3", "no_such_generation", (7, 1000, 1001))
    newest, oldest = ledger.actions.newest(10)
    assert (newest["action"], newest["argument"], newest["result"]) == ("rollback", "3", "no_such_generation")
    assert (newest["pid"], newest["uid"], newest["gid"], oldest["pid"]) == (7, 1000, 1001, None)
    assert newest["at"] >= oldest["at"]
