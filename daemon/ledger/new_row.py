"""A row that is to be: made of what a scan found, or of a generation that was live."""

import secrets
from dataclasses import replace
from typing import Any

from .generation import Generation
from .rows import Find, Row
from .states import ENDS, State


def new_row(find: Find, seq: int, now: float, fields: dict[str, Any]) -> Row:
    """Make the row of a find, with further fields."""
    return replace(
        Row(
            secrets.token_hex(8),
            seq,
            find.source,
            find.uri,
            find.revision,
            find.stamp,
            find.state,
            now,
            reason=find.reason,
            detail=find.detail,
            forced=find.forced,
            identity=find.identity,
            digest=find.digest,
            channel=find.channel,
            finished=now if find.state in ENDS else None,
        ),
        **fields,
    )


def find_of(generation: Generation, source: str) -> Find:
    """Make the find that a generation would be if it were seen now."""
    one = generation
    return Find(source, one.uri, one.revision, one.stamp, State.VERIFIED, channel=one.channel)


def facts_of(generation: Generation) -> dict[str, Any]:
    """Return the fields of a row that a generation decides."""
    kept = {"swap_id": generation.swap_id} if generation.swap_id else {}
    return {"digest": generation.digest, "generation": generation.number, **kept}
