"""What can be asked of the rows."""

import pytest
from kits.ledgers import add, make_live, refused

from hotswapd.daemon.ledger.ledger import Ledger, Left
from hotswapd.daemon.ledger.reasons import BY_ITS_OWN_REQUESTS, Reason
from hotswapd.daemon.ledger.rows import OPERATOR, Find
from hotswapd.daemon.ledger.states import State as S


def test_rows_are_numbered_in_the_given_order(ledger: Ledger) -> None:
    """The sequence number is the order of sightings, across calls and across restarts."""
    add(ledger, "b", "a")
    ledger.close()
    add(ledger, "c")
    assert [row.uri for row in ledger.rows.history(10)] == ["file:///c", "file:///a", "file:///b"]
    assert ledger.rows.known("s") == {f"file:///{name}": ("default", "r1") for name in "abc"}
    assert ledger.rows.known("s", ["file:///b", "file:///x"]) == {"file:///b": ("default", "r1")}


def test_an_unknown_row_is_a_key_error(ledger: Ledger) -> None:
    """Whoever may not find one asks with `find`."""
    (row,) = add(ledger, "a")
    assert ledger.rows.find(row.swap_id) == ledger.rows.get(row.swap_id) == row
    assert ledger.rows.find("none") is None
    with pytest.raises(KeyError, match="none"):
        ledger.rows.get("none")


def test_a_verdict_holds_for_bytes_contract_and_policy(ledger: Ledger) -> None:
    """Another digest or another fingerprint has none."""
    row = refused(ledger, "a", "policy 1")
    found = ledger.rows.verdict("d a", "policy 1")
    assert found is not None
    assert found.swap_id == row.swap_id
    assert ledger.rows.verdict("d a", "policy 2") is None
    assert ledger.rows.verdict("d b", "policy 1") is None


@pytest.mark.parametrize("reason", [*Reason, Reason.OPERATOR])
def test_only_its_own_requests_close_rolled_back_bytes(ledger: Ledger, reason: Reason) -> None:
    """Under any policy, until they are live again; a rollback by hand says nothing about the next try."""
    good, bad = add(ledger, "good", "bad")
    make_live(ledger, good, 1)
    make_live(ledger, bad, 2)
    (back,) = ledger.add([Find(OPERATOR, "file:///good", "r1", 0.0, S.VERIFIED, forced=True)])
    make_live(ledger, back, 1, Left(S.ROLLED_BACK, reason))
    found = ledger.rows.verdict("digest file:///bad", "any policy")
    assert (found is not None) == (reason in BY_ITS_OWN_REQUESTS)
    (again,) = add(ledger, "bad")
    make_live(ledger, again, 3)
    assert ledger.rows.verdict("digest file:///bad", "any policy") is None


def test_the_store_keeps_the_newest_of_each_source(ledger: Ledger) -> None:
    """A queue that is paused for weeks does not fill the disk: what is dropped is fetched again if it is tried."""
    (live,) = add(ledger, "live")
    make_live(ledger, live, 1)
    for source in ("a", "b"):
        for index in range(20):
            (row,) = add(ledger, f"{source}{index}", source=source)
            ledger.fetched(row, f"{source}{index}", 0.1)
    kept = {f"{source}{index}" for source in ("a", "b") for index in range(4, 20)}
    assert ledger.rows.in_store() == kept | {"digest file:///live"}
