"""What one replica holds and does next, and its fence."""

import pytest

from hotswapd.daemon.engines.protocol import Answer, Part
from hotswapd.daemon.fleet.held import FULL, Held
from hotswapd.daemon.fleet.orders import Asks, Orders, Trial
from hotswapd.daemon.fleet.shared.pointer import Pointer
from hotswapd.daemon.ledger.generation import BASE_DIGEST

A, B, C = "a" * 64, "b" * 64, "c" * 64
SICK = Part("", Answer.REFUSED, "probe_not_finite", "NaN")
NO_BYTES = Part("", Answer.LOST, "not_shared", "it is not there")


def pointer(serial: int, **routes: tuple[int, str]) -> Pointer:
    return Pointer(
        serial, 1, "w", 9, {name: {"generation": number, "digest": digest} for name, (number, digest) in routes.items()}
    )


def acts(held: Held, **answers: Part) -> list[str]:
    """Do everything there is to do, each act with its answer, and name it."""
    done = []
    while (task := held.next()) is not None:
        done.append(f"{task.act} {task.digest[:1]}{task.number or ''}")
        held.done(task, answers.get(task.act, Part()))
    return done


def test_it_holds_the_bare_base_from_the_beginning() -> None:
    held = Held("r")
    assert held.may_answer(0, BASE_DIGEST)
    assert not held.may_answer(0, A)
    assert not held.may_answer(1, BASE_DIGEST)
    assert held.next() is None


def test_what_the_pointer_names_is_checked_before_it_is_opened() -> None:
    held = Held("r")
    held.follow(pointer(1, default=(3, A)))
    assert not held.whole()
    assert acts(held) == ["stage a3", "check a3", "open a3"]
    assert held.whole()
    assert held.serving
    assert held.may_answer(3, A)
    assert not held.may_answer(3, B)
    assert not held.may_answer(4, A)


def test_a_task_has_the_swap_id_of_what_it_is_about() -> None:
    """That of a candidate, of what the watcher has opened, and of what a pointer names where there is no watcher."""
    held, found = Held("r"), []
    named = {"default": {"generation": 3, "digest": A, "swap_id": "s3"}}
    held.follow(Pointer(1, 1, "w", 9, named))
    held.obey(Orders(1, 1, (Trial("k", C, Asks.VERIFY, swap_id="s5"),), {4: B}, swaps={4: "s4"}))
    while (task := held.next()) is not None:
        found.append((task.act, held.swap_of(task)))
        held.done(task)
    made = [("stage", "s3"), ("check", "s3"), ("open", "s3"), ("stage", "s4"), ("check", "s4"), ("open", "s4")]
    assert found == [*made, ("stage", "s5"), ("verify", "s5")]


def test_a_trial_goes_as_far_as_it_is_asked() -> None:
    held = Held("r")
    held.obey(Orders(1, 1, (Trial("k", A),)))
    assert acts(held) == ["stage a"]
    assert held.report().found["k"].settles(Trial("k", A), "r")
    held.obey(Orders(1, 2, (Trial("k", A, Asks.VERIFY),)))
    assert acts(held) == ["verify a"]
    held.obey(Orders(1, 3, (Trial("k", A, Asks.VERIFY),), {7: A}))
    assert acts(held) == ["open a7"]
    assert held.report().answering == {7: A}


def test_what_is_not_wanted_any_more_is_closed_and_dropped_and_must_be_verified_again() -> None:
    held = Held("r")
    held.obey(Orders(1, 1, (), {7: A}))
    acts(held)
    held.obey(Orders(1, 2, ()))
    assert acts(held) == ["close a7", "drop a"]
    assert not held.may_answer(7, A)
    held.obey(Orders(1, 3, (), {7: A}))
    assert acts(held) == ["stage a7", "check a7", "open a7"]


def test_a_number_that_means_other_bytes_now_is_closed_first() -> None:
    held = Held("r")
    held.obey(Orders(1, 1, (), {7: A}))
    acts(held)
    held.obey(Orders(2, 1, (), {7: B}))
    assert acts(held) == ["close a7", "drop a", "stage b7", "check b7", "open b7"]


def test_what_the_pointer_names_stays_whatever_the_orders_say() -> None:
    held = Held("r")
    held.follow(pointer(1, default=(3, A)))
    acts(held)
    held.obey(Orders(1, 1, ()))
    assert acts(held) == []
    held.follow(pointer(2, default=(4, B)))
    assert acts(held)[-1] == "open b4"


@pytest.mark.parametrize("late", [Orders(1, 2), Orders(1, 1), Orders(0, 9)])
def test_older_orders_are_not_obeyed(late: Orders) -> None:
    held = Held("r")
    held.obey(Orders(1, 2, (), {7: A}))
    held.obey(late)
    assert held.orders.answering == {7: A}


def test_an_older_pointer_is_not_followed() -> None:
    held = Held("r")
    held.follow(pointer(5, default=(3, A)))
    held.follow(pointer(4, default=(2, B)))
    assert held.pointer.serial == 5


def test_a_refusal_ends_the_trial_and_opens_nothing() -> None:
    held = Held("r")
    held.obey(Orders(1, 1, (Trial("k", A, Asks.VERIFY),)))
    assert acts(held, verify=SICK) == ["stage a", "verify a"]
    assert held.report().found["k"].part == SICK
    held.obey(Orders(1, 2, ()))
    assert acts(held) == ["drop a"]


@pytest.mark.parametrize("why", [FULL, NO_BYTES])
def test_what_found_no_berth_or_no_bytes_is_tried_again(why: Part) -> None:
    held = Held("r")
    held.obey(Orders(1, 1, (Trial("k", A),)))
    assert acts(held, stage=why) == ["stage a"]
    assert not held.report().found["k"].settles(Trial("k", A), "r")
    assert held.next() is None
    held.try_again()
    assert acts(held) == ["stage a"]
    assert held.report().found["k"].settles(Trial("k", A), "r")


def test_a_replica_that_finds_the_live_one_unfit_says_so_and_does_not_serve() -> None:
    held = Held("r")
    held.follow(pointer(1, default=(3, A)))
    assert acts(held, check=SICK) == ["stage a3", "check a3"]
    assert not held.whole()
    assert not held.report().serving
    assert held.report().sick == {A: SICK}
    held.follow(pointer(2, default=(4, B)))
    acts(held)
    held.obey(Orders(1, 1))
    assert held.report().sick == {}


def test_what_is_live_comes_before_what_is_tried() -> None:
    held = Held("r")
    held.obey(Orders(1, 1, (Trial("k", B),), {3: A}))
    assert acts(held) == ["stage a3", "check a3", "open a3", "stage b"]


def test_each_report_counts() -> None:
    held = Held("r")
    assert held.report().count < held.report().count
