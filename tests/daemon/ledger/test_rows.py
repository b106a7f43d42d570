"""Rows: what is stored comes back, and what is shown has the documented keys."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hotswapd.daemon.answers import HistoryRow, QueueEntry, StageSeconds
from hotswapd.daemon.ledger.rows import COLUMNS, Row, of_columns, to_columns
from hotswapd.daemon.ledger.states import State

MOMENTS = st.floats(0, 4e9)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
ROWS = st.builds(
    Row,
    swap_id=TEXT,
    seq=st.integers(1, 1 << 62),
    source=TEXT,
    uri=TEXT,
    revision=TEXT,
    stamp=MOMENTS,
    state=st.sampled_from(State),
    sighted=MOMENTS,
    digest=TEXT,
    reason=TEXT,
    detail=TEXT,
    generation=st.none() | st.integers(0, 1 << 31),
    fingerprint=TEXT,
    forced=st.booleans(),
    tries=st.integers(0, 1000),
    next_try=st.none() | MOMENTS,
    finished=st.none() | MOMENTS,
    seconds=st.dictionaries(st.sampled_from(["fetch", "verify"]), st.floats(0, 1e6)),
    verify=st.just(()),
)


@given(ROWS)
def test_a_row_comes_back_from_its_columns(row: Row) -> None:
    """What SQLite stores of a row makes the same row again."""
    stored = to_columns(row)
    assert len(stored) == len(COLUMNS)
    assert of_columns(stored) == row


def _row(**fields: Any) -> Row:
    return Row("id", 1, "s", "file:///a", "r", 5.0, State.WAITING, 10.0, **fields)


def test_the_history_has_the_documented_keys() -> None:
    """An empty text, a stage that did not happen and an end that has not come are null."""
    shown = _row(seconds={"fetch": 0.5}).history()
    assert list(shown) == list(HistoryRow.__annotations__)
    assert (shown["digest"], shown["reason"], shown["generation"], shown["finished"]) == (None, None, None, None)
    assert list(shown["seconds"]) == list(StageSeconds.__annotations__)
    assert shown["seconds"] == {"fetch": 0.5, "admit": None, "stage": None, "verify": None, "pause": None}


def test_the_queue_shows_reason_sentence_and_next_try() -> None:
    """Whoever asks what waits learns for what, and when it is tried again."""
    shown = _row(reason="permission", detail="mode 0600 of root", next_try=12.5).queued()
    assert list(shown) == list(QueueEntry.__annotations__)
    assert (shown["state"], shown["reason"], shown["detail"]) == ("WAITING", "permission", "mode 0600 of root")
    assert shown["next_try"] == "1970-01-01T00:00:12.500Z"
