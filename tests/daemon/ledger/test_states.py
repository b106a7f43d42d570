"""The table of states: what may follow what, and that nothing else may."""

import itertools

import pytest

from hotswapd.daemon.ledger.states import (
    ENDS,
    IN_STORE,
    OPEN,
    PRESENT,
    REFUSED,
    TRANSITIONS,
    UNFETCHED,
    IllegalTransition,
    State,
    require,
)

PAIRS = [(before, after) for before in State for after in State]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_only_what_the_table_names_may_follow(before: State, after: State) -> None:
    """A transition is legal exactly when the table has it; any other raises and names both states."""
    if after in TRANSITIONS[before]:
        require(before, after)
        return
    with pytest.raises(IllegalTransition, match=f"{before} cannot become {after}"):
        require(before, after)


def test_the_way_to_live_has_no_short_cut() -> None:
    """What goes live was fetched, admitted, staged and verified, one after the other."""
    way = [State.SIGHTED, State.FETCHED, State.ADMITTED, State.STAGED, State.VERIFIED, State.LIVE]
    forward = {(before, after) for before, after in PAIRS if after in TRANSITIONS[before] and after in way[1:]}
    steps = set(itertools.pairwise(way))
    assert {pair for pair in forward if pair[1] != State.FETCHED} == steps - {(State.SIGHTED, State.FETCHED)}
    assert [before for before in State if State.LIVE in TRANSITIONS[before]] == [State.VERIFIED]


def test_an_end_stays_an_end() -> None:
    """Only a rejected one may open again: its verdict depends on contract and policy."""
    assert {state for state in ENDS if TRANSITIONS[state]} == {State.REJECTED}
    assert TRANSITIONS[State.REJECTED] == {State.SIGHTED}


def test_every_open_state_can_be_superseded_and_no_other() -> None:
    """Something newer that goes live ends all that still waits, and nothing that has ended."""
    assert {state for state in State if State.SUPERSEDED in TRANSITIONS[state]} == OPEN


def test_only_what_is_not_fetched_yet_can_be_gone() -> None:
    """Deleting at the source never unloads, and never takes a private copy away."""
    assert {state for state in State if State.GONE in TRANSITIONS[state]} == PRESENT


def test_the_sets_divide_the_states() -> None:
    """Each state is open, an end, or live; what was refused has ended."""
    assert OPEN == UNFETCHED | IN_STORE
    assert not UNFETCHED & IN_STORE
    assert not OPEN & ENDS
    assert UNFETCHED | {State.IGNORED} == PRESENT
    assert OPEN | ENDS | {State.LIVE, State.IGNORED} == set(State) == set(TRANSITIONS)
    assert REFUSED < ENDS


def test_a_state_is_written_as_its_name() -> None:
    """The ledger, the log and the metrics use one word for one thing."""
    assert all(str(state) == state.value == state.name for state in State)
