"""Rows and generations: what is stored comes back, and what is shown has the documented keys."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswapd.daemon.ledger.generation import Generation, base_generation
from hotswapd.daemon.ledger.moment import moment
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
)
GENERATIONS = st.builds(Generation, st.integers(0, 1 << 31), TEXT, TEXT, TEXT, MOMENTS, TEXT, MOMENTS)


@given(ROWS)
def test_a_row_comes_back_from_its_columns(row: Row) -> None:
    """What SQLite stores of a row makes the same row again."""
    stored = to_columns(row)
    assert len(stored) == len(COLUMNS)
    assert of_columns(stored) == row


@given(GENERATIONS)
def test_a_generation_comes_back_from_its_record(generation: Generation) -> None:
    """What the pointer keeps makes the same generation again."""
    assert Generation.of(generation.record()) == generation


def _row(**fields) -> Row:
    return Row("id", 1, "s", "file:///a", "r", 5.0, State.WAITING, 10.0, **fields)


def test_the_history_has_the_documented_keys_and_says_nothing_with_null() -> None:
    """An empty text, a stage that did not happen and an end that has not come are null."""
    shown = _row(seconds={"fetch": 0.5}).history()
    assert list(shown) == [
        "swap_id",
        "uri",
        "revision",
        "digest",
        "state",
        "reason",
        "detail",
        "generation",
        "sighted",
        "finished",
        "seconds",
        "verify",
    ]
    assert (shown["digest"], shown["reason"], shown["generation"], shown["finished"]) == (None, None, None, None)
    assert shown["seconds"] == {"fetch": 0.5, "admit": None, "stage": None, "verify": None, "pause": None}


def test_the_queue_shows_reason_sentence_and_next_try() -> None:
    """Whoever asks what waits learns for what, and when it is tried again."""
    shown = _row(reason="permission", detail="mode 0600 of root", next_try=12.5).queued()
    assert (shown["state"], shown["reason"], shown["detail"]) == ("WAITING", "permission", "mode 0600 of root")
    assert shown["next_try"] == "1970-01-01T00:00:12.500Z"


def test_the_base_is_generation_zero_without_a_place() -> None:
    """The bare base model has no address and a digest of zeros."""
    shown = base_generation("main", 0.0).live()
    assert shown == {
        "generation": 0,
        "uri": None,
        "revision": "main",
        "digest": "0" * 64,
        "since": "1970-01-01T00:00:00.000Z",
    }


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"generation": "x", "uri": "", "revision": "", "digest": "", "since": 0},
        {"generation": math.inf, "uri": "", "revision": "", "digest": "", "since": 0},
        {"generation": 1, "uri": "", "revision": "", "digest": "", "since": None},
    ],
)
def test_a_record_that_names_no_generation_is_a_value_error(record) -> None:
    """A damaged pointer is told from a good one, whatever it holds."""
    with pytest.raises(ValueError):  # noqa: PT011 - any sentence will do
        Generation.of(record)


def test_a_time_is_utc_with_milliseconds() -> None:
    """Times read the same in every output; no time is null."""
    assert moment(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"
    assert moment(None) is None
