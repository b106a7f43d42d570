"""The states of one adapter on its way, and which may follow which: a table of data, read and tested as one."""

from enum import StrEnum


class State(StrEnum):
    """Where an adapter is. The value is also the event's name in ledger and log, and the outcome in the metrics."""

    SIGHTED = "SIGHTED"
    FETCHED = "FETCHED"
    ADMITTED = "ADMITTED"
    STAGED = "STAGED"
    VERIFIED = "VERIFIED"
    LIVE = "LIVE"
    WAITING = "WAITING"
    HELD = "HELD"
    IGNORED = "IGNORED"
    REJECTED = "REJECTED"
    ROLLED_BACK = "ROLLED_BACK"
    SUPERSEDED = "SUPERSEDED"
    GONE = "GONE"
    RETIRED = "RETIRED"
    QUARANTINED = "QUARANTINED"


S = State
UNFETCHED = frozenset({S.SIGHTED, S.WAITING})
"""It is not in the store yet."""
IN_STORE = frozenset({S.FETCHED, S.ADMITTED, S.STAGED, S.VERIFIED, S.HELD})
"""Its artifact is in the store and must stay there."""
OPEN = UNFETCHED | IN_STORE
"""It may still go live by itself."""
PRESENT = UNFETCHED | {S.IGNORED}
"""What the source shows now is all that there is of it: when it is gone there, it is GONE."""
ENDS = frozenset({S.REJECTED, S.ROLLED_BACK, S.SUPERSEDED, S.GONE, S.RETIRED, S.QUARANTINED})
REFUSED = frozenset({S.REJECTED, S.ROLLED_BACK, S.QUARANTINED})
"""It was found bad: only other bytes, another contract or policy, or the operator open it again."""

_STOPS = frozenset({S.REJECTED, S.ROLLED_BACK, S.SUPERSEDED, S.QUARANTINED})
TRANSITIONS: dict[State, frozenset[State]] = {
    S.SIGHTED: frozenset({S.FETCHED, S.WAITING, S.IGNORED, S.REJECTED, S.SUPERSEDED, S.GONE, S.QUARANTINED}),
    S.WAITING: frozenset({S.SIGHTED, S.FETCHED, S.WAITING, S.IGNORED, S.REJECTED, S.SUPERSEDED, S.GONE}),
    S.IGNORED: frozenset({S.SIGHTED, S.WAITING, S.GONE}),
    S.FETCHED: frozenset({S.ADMITTED, S.HELD, S.WAITING}) | _STOPS,
    S.ADMITTED: frozenset({S.STAGED, S.HELD, S.FETCHED}) | _STOPS,
    S.STAGED: frozenset({S.VERIFIED, S.HELD, S.FETCHED}) | _STOPS,
    S.VERIFIED: frozenset({S.LIVE, S.HELD, S.FETCHED}) | _STOPS,
    S.HELD: frozenset({S.FETCHED, S.HELD, S.WAITING}) | _STOPS,
    S.LIVE: frozenset({S.RETIRED, S.ROLLED_BACK, S.FETCHED}),
    S.REJECTED: frozenset({S.SIGHTED}),
    S.ROLLED_BACK: frozenset(),
    S.SUPERSEDED: frozenset(),
    S.GONE: frozenset(),
    S.RETIRED: frozenset(),
    S.QUARANTINED: frozenset(),
}
"""A restart brings what was under way to FETCHED; an adapter whose artifact the store has lost goes to WAITING;
REJECTED opens again as SIGHTED if contract or policy have changed; LIVE becomes FETCHED if it no longer fits; IGNORED
changes when another version of the program has other rules."""


class IllegalTransition(Exception):
    """A defect of the daemon: the one state cannot follow the other. Nothing was changed."""


def require(before: State, after: State) -> None:
    """Raise IllegalTransition unless `after` may follow `before`."""
    if after not in TRANSITIONS[before]:
        raise IllegalTransition(f"{before} cannot become {after}")
