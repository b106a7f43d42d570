"""What the ledger keeps beside the rows, across restarts."""

import pytest

from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def test_flags_have_a_default_and_outlive_the_process(ledger) -> None:
    """Pinned and paused are as the operator left them."""
    assert ledger.flag("pinned", False) is False
    ledger.set_flag("pinned", value=True)
    ledger.close()
    assert ledger.flag("pinned", False) is True


def test_deaths_are_counted_once_for_each_attempt_that_was_left_open(ledger) -> None:
    """An attempt that ended, well or badly, is no death; one that a start finds open is, and only at that start."""
    ledger.begin_attempt("d", "swap", "staging")
    ledger.end_attempt("d", "swap")
    ledger.count_deaths()
    assert ledger.deaths("d", "swap") == (0, "staging")
    for deaths in (1, 2):
        ledger.begin_attempt("d", "swap", "verification")
        ledger.count_deaths()
        ledger.count_deaths()
        assert ledger.deaths("d", "swap") == (deaths, "verification")
    assert ledger.deaths("d", "boot") == (0, "")
    ledger.end_attempt("d", "swap", forget=True)
    assert ledger.deaths("d", "swap") == (0, "verification")


def test_generations_are_listed_newest_first_and_a_refused_one_is_not_good(ledger) -> None:
    """What was rolled back from is not what a rollback goes to by default."""
    for number in (1, 2, 3):
        ledger.adopt(Generation(number, f"file:///{number}", "r", str(number), float(number), f"id{number}"), "s")
    ledger.refuse_generation(2)
    assert [one.number for one in ledger.generations(10)] == [3, 2, 1]
    assert [one.number for one in ledger.generations(10, good=True)] == [3, 1]
    assert (ledger.generation(2).uri, ledger.generation(9)) == ("file:///2", None)
    assert ledger.next_generation() == 4


def test_an_operators_action_says_what_who_and_how_it_ended(ledger) -> None:
    """Newest first, with the peer where it is known."""
    ledger.note_action("pause", "", "done", None)
    ledger.note_action("rollback", "3", "no_such_generation", (7, 1000, 1001))
    newest, oldest = ledger.actions(10)
    assert (newest["action"], newest["argument"], newest["result"]) == ("rollback", "3", "no_such_generation")
    assert (newest["pid"], newest["uid"], newest["gid"], oldest["pid"]) == (7, 1000, 1001, None)
    assert newest["at"] >= oldest["at"]
