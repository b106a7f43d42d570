"""No lock can be taken away unnoticed: what a class changes after its constructor is touched with its lock held.

The uses without it are listed here, each with its reason; a lock that guards no attribute is counted.
"""

import ast
from pathlib import Path

import pytest
from kits.locksets import guarded_classes, parsed
from kits.mutations import Mutation, mutations

ROOT = Path(__file__).parents[1]
TREES = parsed(ROOT, ("daemon", "loaders", "swap"))
CLASSES = guarded_classes(TREES)
ONE_READ = "one read of one reference"
ONE_WRITE = "one write of one reference"
ONE_DICT_CALL = "one call of a dictionary, which no other thread can interrupt"
OWN_LOCK = "prometheus_client's own lock"
BY_CALLER = "called inside `reading`, which holds it"
ALLOWED: dict[str, dict[str, str]] = {
    "daemon/bench/load.py::Load": dict.fromkeys(
        ("_client: answers", "_enter: gate", "drain: gate", "run: answers", "run: gate"),
        "threads start and end around it",
    ),
    "daemon/engines/resident.py::ResidentEngine": dict.fromkeys(
        (
            "_calling: _caller",
            "_end_scoring: _opened",
            "_give_way: _caller",
            "_progress: _caller",
            "_rest: _caller",
            "configure: _gates",
            "open: _opened",
            "prepare: _gates",
            "verify: _gates",
        ),
        "only on the worker's thread",
    ),
    "daemon/fleet/looking.py::Looking": dict.fromkeys(("_late: _is_late", "_run: _is_late"), ONE_WRITE),
    "daemon/fleet/pointed.py::Pointed": dict.fromkeys(
        (
            "_share: _told",
            "digests: _told",
            "has: _named",
            "is_over: _told",
            "name: _named",
            "names: _named",
            "now: _heard",
            "owns: _told",
            "scored: _told",
        ),
        ONE_READ,
    ),
    "daemon/fleet/replica.py::Replica": {
        **dict.fromkeys(
            (
                "_done: _open_as",
                "_give_up: _staged",
                "_have: _open_as",
                "_have: _staged",
                "_open: _open_as",
                "_open: _staged",
                "step: _ticked",
            ),
            "only on the thread of `run`",
        ),
        **dict.fromkeys(("obey: _more", "run: _more"), "an event, which has a lock of its own"),
    },
    "daemon/fleet/shared/sweep.py::Sweep": {
        "_look: _copies": "it has no state",
        "step: _looked": "only on the thread of `step`",
    },
    "daemon/fleet/shared/journal.py::SharedJournal": {
        **dict.fromkeys(
            (
                "_is_whole_due: _count",
                "_is_whole_due: _since",
                "_is_whole_due: _size",
                "_is_whole_due: _whole_at",
                "ended: _count",
                "ended: _draft",
                "ended: _since",
                "ended: _size",
                "ended: _whole_at",
                "ending: _count",
                "ending: _draft",
            ),
            "with the ledger's lock",
        ),
        "ended: _due": "a deque, which has a lock of its own",
        "publish: trouble": ONE_WRITE,
    },
    "daemon/host/notify.py::Notify": dict.fromkeys(("_say: _status", "status: _status"), ONE_READ),
    "daemon/ledger/file.py::LedgerFile": dict.fromkeys(
        (
            "_committing: _untold",
            "_committing: trouble",
            "_wait_for_locks: _database",
            "tell: _untold",
            "writing: _untold",
        ),
        BY_CALLER,
    ),
    "daemon/live/sample.py::Sample": {
        "__len__: _drawn": ONE_READ,
        "add: _bar": "an answer that an older bar lets through is drawn with the lock, and falls out again",
        "add: _keeps": ONE_READ,
        "keep: _keeps": ONE_READ,
        "tokens: _drawn": "called inside `add`, which holds it, and by tests when nothing is added",
    },
    "daemon/live/shadow.py::Shadow": dict.fromkeys(
        (
            "_begin: _asked",
            "_begin: _tries",
            "_begin: _until",
            "_end: _asked",
            "blames: _asked",
            "blames: _until",
            "forget: _tries",
        ),
        "only on the worker's thread",
    ),
    "daemon/live/watch.py::LiveWatch": {"is_open: _ends": ONE_READ, "judge: table": ONE_READ},
    "daemon/pipeline/queue.py::Inbox": {
        "_is_due: _retry_at": ONE_DICT_CALL,
        "next_one: _is_open": ONE_READ,
        "fetched: _retry_at": ONE_DICT_CALL,
        "hurry: _retry_at": ONE_DICT_CALL,
        "next_fetch: _is_open": ONE_READ,
        "open: _is_open": "one write, after all of it is open",
    },
    "daemon/pipeline/turns.py::Turns": {"last: _last": ONE_DICT_CALL},
    "daemon/pipeline/sightings.py::Sightings": {"give_up_others: _ledger": "the ledger has its own lock"},
    "daemon/report/metrics.py::Metrics": dict.fromkeys(
        (
            "_of_clients: _key_requests",
            "_of_clients: _key_tokens",
            "_of_clients: _requests",
            "_of_clients: _tokens",
            "key: _key_requests",
            "kept_back: _kept_back",
            "key: _key_tokens",
            "recompiled: _recompiles",
            "refused_connection: _refused",
            "expect: _swaps",
            "live: _generation",
            "live: _live",
            "removed: _generation",
            "removed: _live",
            "source: _scanned",
            "source: _up",
            "stalled: _stalls",
            "swap: _stages",
            "swap: _swaps",
        ),
        OWN_LOCK,
    ),
    "daemon/serve/rendered.py::Rendered": dict.fromkeys(
        ("_make: _next", "_make: _rests_until", "get: _next"), "an asyncio lock, on one event loop"
    ),
    "daemon/rollout/trial.py::Trial": {"share: step": ONE_READ},
    "loaders/store/store.py::Store": dict.fromkeys(
        ("highest: _pointers", "pointed: _pointers", "pointer: _pointers"), "a file that is only ever renamed over"
    ),
    "loaders/wire.py::Wire": {"progress: _until": "one write of one number", "_watch: _until": ONE_READ},
    "swap/berths/filling.py::_Filling": dict.fromkeys(("_fill: _misfits", "misfits: _misfits"), ONE_READ),
    "swap/berths/host.py::HostMemory": {"__contains__: _kept": ONE_DICT_CALL},
    "swap/resident/resident.py::Resident": {
        "accept_bases: contract": "one write, on the worker's thread",
        "admit: contract": ONE_READ,
        "mark_warm: _warm_at": "one write, before anybody is answered",
        "recompiles: _warm_at": ONE_READ,
    },
    "swap/rows/rows.py::Rows": {
        "run: loop": "one write, before any request",
        **dict.fromkeys(("busy: _tickets", "cancel: loop", "mend: loop", "stop: loop"), ONE_READ),
    },
    "swap/resident/compilation.py::CompileCounter": {"count: _count": ONE_READ},
}
ENTERED = {
    "swap/rows/prompts.py::Prompts": {"_turns": 1},
    "swap/resident/resident.py::Resident": {"_turns": 3},
    "swap/rows/rows.py::Rows": {"_lock": 25},
    "loaders/wire.py::Wire": {"_lock": 2},
    "daemon/engines/resident.py::ResidentEngine": {"_moving": 4},
    "daemon/fleet/engine.py::FleetEngine": {"_lock": 19},
    "daemon/fleet/pointed.py::Pointed": {"_lock": 4},
    "daemon/fleet/replica.py::Replica": {"_lock": 11},
    "daemon/pipeline/queue.py::Inbox": {"_lock": 2},
}
"""How often a lock is taken that guards more than attributes of its class: a thread, several calls, places."""


@pytest.mark.parametrize("place", CLASSES)
def test_what_changes_is_touched_with_the_lock(place: str) -> None:
    assert CLASSES[place].unguarded() == set(ALLOWED.get(place, {}))


@pytest.mark.parametrize("place", ENTERED)
def test_locks_of_other_things_are_taken_as_often_as_before(place: str) -> None:
    entered = CLASSES[place].entered
    assert {name: entered[name] for name in ENTERED[place]} == ENTERED[place]


LOCKS = [
    one for path in TREES for one in mutations(path, (ROOT / path).read_text()) if one.what.startswith("lock removed")
]


@pytest.mark.parametrize("removed", LOCKS, ids=str)
def test_a_lock_that_is_taken_away_is_missed(removed: Mutation) -> None:
    """The two tests above notice each of them."""
    raw = (ROOT / removed.file).read_bytes()
    changed = raw[: removed.start] + removed.new.encode() + raw[removed.end :]
    beside = {path: tree for path, tree in TREES.items() if path.parent == removed.file.parent}
    classes = guarded_classes(beside | {removed.file: ast.parse(changed)})
    assert any(
        one.unguarded() != set(ALLOWED.get(place, {}))
        or any(one.entered[name] != times for name, times in ENTERED.get(place, {}).items())
        for place, one in classes.items()
    )


def test_there_are_locks_to_take_away() -> None:
    assert len(LOCKS) > 60


def test_no_exception_is_out_of_date() -> None:
    assert set(ALLOWED) | set(ENTERED) <= set(CLASSES)
