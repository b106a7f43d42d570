"""What operators asked for."""

from hotswapd.daemon.answers import Action
from hotswapd.daemon.ledger.ledger import Ledger


def test_an_action_says_what_who_and_how_it_ended(ledger: Ledger) -> None:
    """Newest first, with the peer where it is known."""
    ledger.actions.note("pause", "", "done", None)
    ledger.actions.note("rollback", "3", "no_such_generation", (7, 1000, 1001))
    newest, oldest = ledger.actions.newest(10)
    assert (newest["action"], newest["argument"], newest["result"]) == ("rollback", "3", "no_such_generation")
    assert (newest["pid"], newest["uid"], newest["gid"], oldest["pid"]) == (7, 1000, 1001, None)
    assert newest.keys() == Action.__annotations__.keys()
    assert oldest["at"] is not None
    assert newest["at"] is not None
    assert newest["at"] >= oldest["at"]
