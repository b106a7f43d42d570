"""What the status page shows, as one answer: from the ledger and from ``GET /status``."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from hotswapd.daemon.answers import Action, AnonymousAction, Life, Overview, PictureRecord, Refusal, Status
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.ledger.rows import Row

_LIVES, _REFUSALS, _ACTIONS = 40, 40, 20


def overview(status: Status, ledger: Ledger, pictures: Sequence[PictureRecord]) -> Overview:
    """Return what ``GET /status.json`` answers; a ledger that cannot be read leaves its parts empty.

    Who asked for an action does not leave the machine: only `hotswapd history --actions` shows it.
    """
    answer: Overview = {
        "now": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "version": version("hotswapd"),
        "status": {**status},
        "lives": [],
        "refusals": [],
        "actions": [],
        "pictures": list(pictures),
    }
    try:
        answer["lives"] = [_life(row, at) for row, at in ledger.rows.lives(_LIVES)]
        answer["refusals"] = [_refusal(row) for row in ledger.rows.refusals(_REFUSALS)]
        answer["actions"] = [_action(one) for one in ledger.actions.newest(_ACTIONS)]
    except LedgerDown as error:
        answer["status"]["trouble"] = str(error)
    return answer


def _life(row: Row, at: float) -> Life:
    """Describe when a generation went live, and how the seconds since its sighting were spent."""
    return {
        "at": moment(at),
        "channel": row.channel,
        "sighted": moment(row.sighted),
        "state": row.state.value,
        "generation": row.generation,
        "uri": row.uri or None,
        "digest": row.digest,
        "source": row.source,
        "total": max(0.0, at - row.sighted),
        "seconds": row.history()["seconds"],
        "verify": list(row.verify),
    }


def _refusal(row: Row) -> Refusal:
    return {
        "at": moment(row.finished or row.sighted),
        "channel": row.channel,
        "state": row.state.value,
        "reason": row.reason or None,
        "detail": row.detail or None,
        "generation": row.generation,
        "uri": row.uri or None,
        "digest": row.digest or None,
        "source": row.source,
        "verify": list(row.verify),
    }


def _action(one: Action) -> AnonymousAction:
    return {"at": one["at"], "action": one["action"], "argument": one["argument"], "result": one["result"]}
