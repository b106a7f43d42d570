"""What a watcher decides by what its replicas report: who is waited for, what is kept, what has room."""

from dataclasses import replace
from typing import cast

import pytest
from kits.clock import Clock
from kits.fleet import record

from hotswapd.daemon.engines.protocol import Answer, NoRoom, Part
from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.book import Book
from hotswapd.daemon.fleet.changes import Changes
from hotswapd.daemon.fleet.fleet import Fleet
from hotswapd.daemon.fleet.keeping import Keeping, UnderWay
from hotswapd.daemon.fleet.limits import Limits
from hotswapd.daemon.fleet.orders import Asks, Found, Report, Trial
from hotswapd.daemon.fleet.roll import Lost
from hotswapd.daemon.fleet.shared.pointer import Pointer
from hotswapd.daemon.fleet.shared.trail import Term
from hotswapd.daemon.ledger.generation import BASE_DIGEST
from hotswapd.swap.gates.spec import Outcome, Verdict
from hotswapd.swap.rows.tickets import NoGeneration

A, B, C, D = (letter * 64 for letter in "abcd")
LIMITS = Limits(patience=60.0, lease=6.0, max_drain=100.0, berths=3)
FIT, SICK = Part(), Part("", Answer.REFUSED, "probe_not_finite", "NaN")
FULL = Part("", Answer.LOST, "no_berth", "every berth is in use")


def live(**routes: tuple[int, str]) -> Pointer:
    return Pointer(5, 2, "w", 9, {name: record(number, name, digest) for name, (number, digest) in routes.items()})


class Scene:
    def __init__(self, pointer: Pointer | None = None) -> None:
        self.clock = Clock()
        self.fleet = Fleet(2, pointer or live(default=(1, A)), LIMITS, self.clock)
        self.counts = dict.fromkeys("xyz", 0)

    def report(self, member: str, part: Part | None = None, asked: Asks = Asks.VERIFY, **more: object) -> None:
        self.counts[member] += 1
        found = {} if part is None else {"k": Found(asked, part)}
        fields = {"serving": True, "found": found, "answering": self.fleet.orders.answering} | more
        self.fleet.hear(Report(member, self.counts[member], self.fleet.orders.age, **fields))  # type: ignore[arg-type]

    def ballot(self, asks: Asks = Asks.VERIFY, since: float = 1000.0) -> list[tuple[str, str]] | None:
        parts = self.fleet.votes.ballot(Trial("k", B, asks), since)
        return None if parts is None else sorted((one.member, one.answer) for one in parts)


def test_every_replica_in_rotation_is_waited_for() -> None:
    scene = Scene()
    scene.report("x", FIT)
    scene.report("y")
    scene.report("z", serving=False)
    assert scene.ballot() is None
    scene.report("y", FIT, Asks.STAGE)
    assert scene.ballot() is None
    scene.report("y", FIT)
    assert scene.ballot() == [("x", "fit"), ("y", "fit")]


def test_one_refusal_is_enough() -> None:
    scene = Scene()
    scene.report("x", SICK)
    scene.report("y")
    assert scene.ballot() == [("x", "refused")]


def test_who_does_not_answer_within_the_patience_is_lost_for_good() -> None:
    scene = Scene()
    scene.report("x", FIT)
    scene.report("y")
    scene.clock.advance(59.9)
    assert scene.ballot() is None
    scene.clock.advance(0.1)
    assert scene.ballot() == [("x", "fit"), ("y", "lost")]
    assert scene.fleet.take_lost() == [Lost("y", FleetCode.REPLICA_LATE, "it has not answered within 60 s")]
    scene.report("y", SICK)
    assert scene.ballot() == [("x", "fit")]
    assert scene.fleet.take_lost() == []


def test_where_nobody_answers_it_is_not_the_replicas_fault() -> None:
    scene = Scene()
    scene.report("x")
    scene.clock.advance(60.0)
    with pytest.raises(NoRoom, match="patience"):
        scene.ballot()
    assert scene.fleet.take_lost() == []


def test_a_replica_without_a_berth_holds_the_candidate() -> None:
    scene = Scene()
    scene.report("x", FIT)
    scene.report("y", FULL)
    assert scene.ballot() is None
    scene.clock.advance(60.0)
    with pytest.raises(NoRoom, match="y has no free berth"):
        scene.ballot()
    assert scene.fleet.take_lost() == []


def test_who_is_silent_is_not_waited_for_and_may_come_back() -> None:
    scene = Scene()
    scene.report("x", FIT)
    scene.report("y")
    scene.clock.advance(5.0)
    scene.report("x", FIT)
    scene.clock.advance(1.1)
    scene.fleet.tick()
    assert scene.ballot() == [("x", "fit")]
    scene.report("y", FIT)
    assert scene.ballot() == [("x", "fit"), ("y", "fit")]


def test_verdicts_are_those_of_one_replica_and_what_others_refuse() -> None:
    scene = Scene()
    good, bad = Verdict("probe", Outcome.PASSED), Verdict("norm", Outcome.FAILED, "code", "sentence")
    for member in "xyz":
        found = {"k": Found(Asks.VERIFY, FIT, (good, bad) if member == "z" else (good,))}
        scene.fleet.hear(Report(member, 1, (2, 1), True, found))
    assert scene.fleet.verdicts("k") == [("x", good), ("z", bad)]


def test_a_report_that_was_overtaken_counts_no_more() -> None:
    scene = Scene()
    scene.report("x", FIT)
    scene.counts["x"] = 0
    scene.report("x", SICK)
    assert scene.ballot() == [("x", "fit")]


def test_a_replica_that_is_sick_is_named() -> None:
    scene = Scene()
    scene.report("x", serving=False, sick={A: SICK})
    scene.fleet.tick()
    [lost] = scene.fleet.take_lost()
    assert (lost.member, lost.code, "NaN" in lost.sentence) == ("x", "replica_unfit", True)


def test_a_generation_is_open_when_every_replica_answers_for_it_by_these_orders() -> None:
    scene = Scene()
    scene.report("x")
    scene.report("y")
    scene.fleet.open(2, B)
    assert not scene.fleet.has_opened(2, 1000.0)
    scene.report("x")
    assert not scene.fleet.has_opened(2, 1000.0)
    scene.report("y")
    assert scene.fleet.has_opened(2, 1000.0)


def test_what_was_never_live_is_forgotten_at_once_when_it_does_not_go_live() -> None:
    scene = Scene()
    scene.fleet.open(2, B)
    scene.fleet.withdraw(2)
    assert scene.fleet.orders.answering == {1: A}


def test_what_stays_open_is_not_withdrawn() -> None:
    scene = Scene()
    scene.fleet.open(2, B)
    scene.fleet.stay(2)
    scene.fleet.withdraw(2)
    scene.clock.advance(200.0)
    scene.fleet.tick()
    assert scene.fleet.orders.answering == {1: A, 2: B}
    scene.fleet.close(2)
    scene.fleet.tick()
    assert scene.fleet.orders.answering == {1: A}


def test_what_was_live_gives_its_berth_when_that_is_needed() -> None:
    scene = Scene()
    scene.fleet.open(2, B)
    scene.fleet.follow(live(default=(2, B)))
    scene.clock.advance(7.0)
    scene.fleet.tick()
    assert scene.fleet.orders.answering == {1: A, 2: B}
    assert scene.fleet.find(1) == A
    scene.fleet.begin(Trial("k", C))
    assert scene.fleet.orders.answering == {1: A, 2: B}
    scene.fleet.begin(Trial("l", D))
    assert scene.fleet.orders.answering == {2: B}
    with pytest.raises(NoRoom):
        scene.fleet.begin(Trial("m", "e" * 64))


def test_what_somebody_is_answered_with_gives_no_berth() -> None:
    scene = Scene()
    scene.fleet.open(2, B)
    scene.fleet.follow(live(default=(2, B)))
    scene.clock.advance(5.0)
    scene.fleet.hear_ingress(UnderWay("i", 1, 5, frozenset({1})))
    scene.clock.advance(2.0)
    scene.fleet.tick()
    scene.fleet.begin(Trial("k", C))
    assert not scene.fleet.has_room()
    with pytest.raises(NoRoom):
        scene.fleet.begin(Trial("l", D))
    scene.fleet.hear_ingress(UnderWay("i", 2, 5))
    scene.fleet.tick()
    assert scene.fleet.has_room()
    scene.fleet.begin(Trial("l", D))


def test_what_replicas_hold_from_an_earlier_term_is_kept_until_nobody_needs_it() -> None:
    scene = Scene()
    scene.fleet.hear(Report("x", 1, (1, 9), True, {}, {1: A, 7: C}))
    assert scene.fleet.orders.answering == {1: A, 7: C}
    scene.report("x", answering={1: A, 7: C, 8: D})  # which it will close, by the orders of this term
    assert scene.fleet.orders.answering == {1: A, 7: C}


def test_orders_of_a_later_term_end_this_one() -> None:
    scene = Scene()
    scene.fleet.hear(Report("x", 1, (3, 1), True))
    assert scene.fleet.is_over


def test_a_retired_generation_is_kept_while_an_ingress_follows_an_older_pointer_or_answers_with_it() -> None:
    keeping = Keeping(lease=6.0, max_drain=0.0, now=0.0)
    keeping.retire(1, serial=5, now=0.0)
    keeping.hear(UnderWay("i", 1, 4), 7.0)
    assert keeping.due(7.0) == []
    keeping.hear(UnderWay("i", 2, 5, frozenset({1})), 8.0)
    keeping.hear(UnderWay("i", 1, 5), 8.0)  # overtaken on its way
    assert keeping.due(8.0) == []
    keeping.hear(UnderWay("i", 3, 5), 9.0)
    assert keeping.due(9.0) == [1]
    assert keeping.due(9.0) == []


def test_an_ingress_that_is_silent_keeps_nothing() -> None:
    keeping = Keeping(lease=6.0, max_drain=0.0, now=0.0)
    keeping.hear(UnderWay("i", 1, 5, frozenset({1})), 1.0)
    keeping.retire(1, serial=5, now=1.0)
    assert keeping.due(6.9) == []
    assert keeping.due(7.1) == [1]


def test_nothing_is_kept_for_longer_than_max_drain() -> None:
    keeping = Keeping(lease=6.0, max_drain=3.0, now=0.0)
    keeping.hear(UnderWay("i", 1, 5, frozenset({1})), 0.0)
    keeping.retire(1, serial=5, now=0.0)
    assert keeping.due(2.9) == []
    assert keeping.due(3.0) == [1]


def test_the_bound_can_change() -> None:
    keeping = Keeping(lease=6.0, max_drain=0.0, now=0.0)
    keeping.retire(1, serial=5, now=0.0)
    keeping.hear(UnderWay("i", 1, 5, frozenset({1})), 0.0)
    assert keeping.due(6.0) == []
    keeping.max_drain = 5.0
    assert keeping.due(6.0) == [1]


def test_a_book_says_what_is_under_way_and_whom_it_follows() -> None:
    book = Book("i")
    first = book.tag("default", live(default=(1, A)))
    other = book.tag("elsewhere", live(default=(1, A)))
    assert (first.number, first.digest, other.number) == (1, A, 0)
    assert book.say() == UnderWay("i", 1, 5, frozenset({0, 1}))
    book.end(first)
    book.end(other)
    book.follow(Pointer(serial=9))
    assert book.say() == UnderWay("i", 2, 9)


def test_a_generation_is_given_by_its_number_while_it_is_live_or_under_way() -> None:
    book = Book("i")
    first = book.tag("default", live(default=(1, A)))
    book.tag("default", live(default=(2, B)))
    assert book.tag("default", live(default=(2, B)), asked=1) == replace(first, serial=5)
    assert book.tag("default", live(default=(2, B)), asked=0).digest == BASE_DIGEST
    book.end(first)
    book.end(first)
    with pytest.raises(NoGeneration, match="generation 1 is not served any more; there is g2, g0"):
        book.tag("default", live(default=(2, B)), asked=1)


def test_one_of_several_judges_and_its_verdicts_are_told() -> None:
    """It is always the same one as long as it is there; one alone judges anyway."""
    scene = Scene()
    scene.report("x")
    assert scene.fleet.votes.judge() == ""
    scene.report("z")
    scene.report("y", serving=False)
    assert scene.fleet.votes.judge() == "x"
    found = Verdict("dataset", Outcome.PASSED)
    scene.fleet.begin(Trial("k", B, Asks.VERIFY, judge="z"))
    for member, verdicts in (("x", ()), ("z", (found,))):
        scene.report(member, found={"k": Found(Asks.VERIFY, FIT, verdicts)})
    assert scene.fleet.verdicts("k") == [("z", found)]


@pytest.mark.parametrize(("judge", "raises"), [("", False), ("x", False), ("z", True)])
def test_a_candidate_that_its_judge_did_not_see_through_is_tried_again(judge: str, raises: bool) -> None:
    """Nobody else has run the gates that were left to it."""
    scene = Scene()
    trial = Trial("k", B, Asks.VERIFY, judge=judge)
    scene.fleet.begin(trial)
    scene.report("x", FIT)
    scene.report("y", FIT)
    trying = Changes(scene.fleet, cast("Term", None), scene.clock).trying(trial)
    with pytest.raises(NoRoom, match="z, which was to run all gates") if raises else pytest.raises(StopIteration):
        next(trying)


def test_a_refusal_needs_no_judge() -> None:
    scene = Scene()
    trial = Trial("k", B, Asks.VERIFY, judge="z")
    scene.fleet.begin(trial)
    scene.report("x", SICK)
    with pytest.raises(StopIteration) as ended:
        next(Changes(scene.fleet, cast("Term", None), scene.clock).trying(trial))
    assert [part.answer for part in ended.value.value] == [Answer.REFUSED]
