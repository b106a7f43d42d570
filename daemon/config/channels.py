"""``[[channel]]``: what overrides ``[verify]`` and ``[rollout]`` for one served name, and which names may be served."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ValidationError

from hotswapd.daemon.ledger.channel import DEFAULT, RULE, is_channel_name
from hotswapd.daemon.ledger.reasons import Reason

from .errors import Problem
from .rollout import Rollout
from .tables import Table, wrong
from .verify import Verify

FIRST = "{1}"
"""In a source's table: the first directory below its path names the channel."""
_WHOLE = ("header", "feedback")
"""Keys of [rollout] that belong to the HTTP server, and so to no channel."""
T = TypeVar("T", bound=Table)


def _name(text: str) -> str:
    if not is_channel_name(text):
        raise wrong(f"{RULE} ({Reason.CHANNEL_NAME})")
    return text


def _of_a_source(text: str) -> str:
    if text != FIRST and not is_channel_name(text):
        raise wrong(f'must be a name or "{FIRST}": {RULE} ({Reason.CHANNEL_NAME})')
    return text


ChannelName = Annotated[str, AfterValidator(_name)]
ChannelOfSource = Annotated[str, AfterValidator(_of_a_source)]


class ChannelTable(Table):
    """``[[channel]]``: one served name. Keys that its tables do not set are those of ``[verify]`` and ``[rollout]``."""

    name: ChannelName
    verify: Verify | None = None
    rollout: Rollout | None = None


def overridden(base: T, over: T | None) -> T:
    """Return a table with the keys that another one sets in place of its own, tables inside it likewise.

    Raises ValidationError if they do not go together.
    """
    return base if over is None else type(base).model_validate(_merged(base, over))


def _merged(base: Table, over: Table) -> dict[str, Any]:
    merged = base.model_dump()
    for key in over.model_fields_set:
        mine, theirs = getattr(base, key), getattr(over, key)
        both = isinstance(mine, Table) and isinstance(theirs, Table)
        merged[key] = _merged(mine, theirs) if both else over.model_dump(include={key})[key]
    return merged


def names_of_base(base: str, others: Iterable[str]) -> set[str]:
    """Return every name that the base is called by: as it is written, its last part, and the others."""
    return {base, base.rstrip("/").rpartition("/")[2], *others} - {"*"}


def taken_sentence(name: str) -> str:
    """Return why a name that the base has cannot be a channel's."""
    return f"{name!r} is a name of the base, and so of the default channel: choose another ({Reason.CHANNEL_NAME})"


def channel_problems(
    tables: Sequence[ChannelTable], sources: Sequence[str], verify: Verify, rollout: Rollout, base_names: set[str]
) -> Iterator[Problem]:
    """Find what is wrong with the channels of a configuration; `sources` are what its sources say of theirs."""
    for index, source in enumerate(sources):
        if source in base_names - {DEFAULT}:
            yield Problem(f"source[{index}].channel", taken_sentence(source))
    names = [table.name for table in tables]
    for index, table in enumerate(tables):
        key = f"channel[{index}]"
        if table.name in names[:index]:
            yield Problem(f"{key}.name", f"{table.name!r} has a table already: put both into one")
        if table.name in base_names - {DEFAULT}:
            yield Problem(f"{key}.name", taken_sentence(table.name))
        yield from _override_problems(key, table, verify, rollout)


def _override_problems(key: str, table: ChannelTable, verify: Verify, rollout: Rollout) -> Iterator[Problem]:
    for one in _WHOLE:
        if table.rollout is not None and one in table.rollout.model_fields_set:
            yield Problem(f"{key}.rollout.{one}", f"it is the same for every channel: set rollout.{one}")
    try:
        overridden(verify, table.verify)
    except ValidationError as error:
        yield Problem(f"{key}.verify", _said(error))
    try:
        overridden(rollout, table.rollout)
    except ValidationError as error:
        yield Problem(f"{key}.rollout", _said(error))


def _said(error: ValidationError) -> str:
    return f"together with the keys that it does not set: {error.errors(include_url=False)[0]['msg']}"
