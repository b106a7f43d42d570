"""Channels in the ledger: what one decides, forgets or has refused says nothing about another."""

from pathlib import Path

import pytest
from kits.ledgers import add, make_live, refused, states

from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.daemon.ledger.channel import is_channel_name
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.states import State as S


@pytest.mark.parametrize(
    ("name", "fits"), [("a", True), ("A.b_c-9", True), ("x" * 64, True), ("x" * 65, False), ("", False), ("a\n", False)]
)
def test_a_name_has_1_to_64_plain_characters(name: str, fits: bool) -> None:
    assert is_channel_name(name) is fits


def test_going_live_passes_by_what_is_older_in_its_channel_only(ledger: Ledger) -> None:
    """Another channel's live one stays live, its candidates stay open, and its high water stays low."""
    (other,) = add(ledger, "other", channel="sales")
    make_live(ledger, other, 1)
    (waits,) = add(ledger, "waits", channel="sales")
    (older,) = add(ledger, "older", channel="support")
    (new,) = add(ledger, "new", channel="support")
    make_live(ledger, new, 2)
    assert ledger.rows.get(older.swap_id).reason == Reason.NEWER_LIVE
    assert [ledger.rows.get(row.swap_id).state for row in (other, waits, new)] == [S.LIVE, S.SIGHTED, S.LIVE]
    assert ledger.flags.get("high_water", channel="support") == new.seq
    assert ledger.flags.get("high_water", channel="sales") == other.seq
    assert [one.channel for name in ("support", "sales") if (one := ledger.rows.live(name))] == ["support", "sales"]


def test_sighting_what_is_live_again_passes_by_its_channel_only(ledger: Ledger) -> None:
    rows = [add(ledger, name, channel=name)[0] for name in ("support", "sales")]
    (again,) = add(ledger, "again", channel="support")
    ledger.pass_by(ledger.fetched(again, "d", 0.1), Reason.ALREADY_LIVE, "")
    assert [ledger.rows.get(row.swap_id).state for row in rows] == [S.SUPERSEDED, S.SIGHTED]


def test_a_digest_refused_in_one_channel_is_not_refused_in_another(ledger: Ledger) -> None:
    row = refused(ledger, "bad", "policy", channel="support")
    assert ledger.rows.verdict(row.digest, "policy", "support") == ledger.rows.get(row.swap_id)
    assert ledger.rows.verdict(row.digest, "policy", "sales") is None
    ledger.attempts.begin(row.digest, SWAP, "staging", "support")
    ledger.attempts.count_deaths()
    assert ledger.attempts.deaths(row.digest, SWAP, "support") == (1, "staging")
    assert ledger.attempts.deaths(row.digest, SWAP, "sales") == (0, "")
    ledger.attempts.end(row.digest, SWAP, "sales", forget=True)
    assert ledger.attempts.deaths(row.digest, SWAP, "support") == (1, "staging")


def test_another_policy_opens_the_rows_of_its_channel_only(ledger: Ledger) -> None:
    for name in ("support", "sales"):
        refused(ledger, name, "old", channel=name)
    opened = ledger.reopen(lambda channel: "new" if channel == "support" else "old")
    assert [row.channel for row in opened] == ["support"]


def test_bytes_are_known_at_an_address_by_channel(ledger: Ledger) -> None:
    """The same folder may be watched for two channels."""
    (row,) = add(ledger, "a", channel="support", identity="files")
    ledger.fetched(row, "d", 0.1)
    assert (ledger.rows.place("file:///a", "support"), ledger.rows.place("file:///a", "sales")) == ("d", "")
    assert ledger.rows.known("s") == {"file:///a": ("support", "r1")}
    assert ledger.rows.same_files("files", "d", "support") == ledger.rows.get(row.swap_id)
    assert ledger.rows.same_files("files", "d", "sales") is None
    assert ledger.rows.latest("file:///a", "sales") is None


def test_pin_and_pause_hold_one_channel_and_outlive_the_ledger(tmp_path: Path) -> None:
    """The default channel's lie where versions without channels look for them."""
    path = tmp_path / "ledger.sqlite"
    first = Ledger(path)
    first.flags.set("pinned", value=True, channel="support")
    first.flags.set("paused", value=True)
    assert (first.flags.pinned(), first.flags.pinned("support"), first.flags.paused("support")) == (False, True, False)
    assert [set(first.flags.holding(flag)) for flag in ("pinned", "paused")] == [{"support"}, {"default"}]
    first.close()
    path.unlink()
    again = Ledger(path)
    assert [set(again.flags.holding(flag)) for flag in ("pinned", "paused")] == [{"support"}, {"default"}]
    again.flags.forget("support")
    again.close()
    path.unlink()
    assert Ledger(path).flags.holding("pinned") == frozenset()


def test_a_channel_exists_from_its_first_adapter_on(ledger: Ledger) -> None:
    """Not because of something that is never taken; and the default channel exists without any."""
    ledger.add([Find("s", "file:///x", "r1", 0.0, S.IGNORED, "temporary_name", channel="never")])
    add(ledger, "a", channel="support")
    add(ledger, "b")
    ledger.channels.make(["configured", "support"])
    assert ledger.channels.all() == ["configured", "support"]


def test_turns_are_the_newest_of_each_channel(ledger: Ledger) -> None:
    for channel in ("support", "sales"):
        for row in add(ledger, "1", "2", "3", channel=channel):
            ledger.fetched(row, row.uri, 0.1)
    add(ledger, "4", "5", channel="support")
    assert [(turn.channel, turn.seq) for turn in ledger.rows.stored(2)] == [
        ("sales", 6),
        ("sales", 5),
        ("support", 3),
        ("support", 2),
    ]
    assert [(turn.channel, turn.seq) for turn in ledger.rows.fetchable("s", 1)] == [("support", 8)]
    assert ledger.channels.waiting() == {"support": 5, "sales": 3}


def test_what_was_refused_last_needs_a_look(ledger: Ledger) -> None:
    """A refusal before the newest adapter is history."""
    refused(ledger, "bad", "p", channel="support")
    refused(ledger, "worse", "p", channel="sales")
    add(ledger, "next", channel="sales")
    refused(ledger, "mine", "p")
    assert ledger.channels.refused() == {"support": "rank_too_high", "default": "rank_too_high"}


def test_each_channel_keeps_its_newest_generations(ledger: Ledger) -> None:
    """And nothing of a channel that was removed; a purge leaves no trace of it."""
    number = 0
    for channel in ("support", "sales"):
        for row in add(ledger, f"{channel}1", f"{channel}2", f"{channel}3", channel=channel):
            number += 1
            make_live(ledger, row, number)
    assert ledger.generations.kept(1, [1]) == {f"digest file:///{name}" for name in ("support1", "support3", "sales3")}
    ledger.channels.forget("support", purge=False)
    assert ledger.generations.kept(1, []) == {"digest file:///sales3"}
    assert (len(ledger.rows.history(9, "support")), ledger.channels.all()) == (3, ["sales"])
    ledger.channels.forget("support", purge=True)
    ledger.generations.forget("support")
    assert (ledger.rows.history(9, "support"), ledger.generations.newest(9, "support")) == ([], [])
    assert states(ledger) == ["RETIRED", "RETIRED", "LIVE"]
    assert [one.number for one in ledger.generations.newest(9, "sales")] == [6, 5, 4]
