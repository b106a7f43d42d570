"""Messages between two versions: what a reader does not know it leaves out, what is missing is as usual."""

import json
import math
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, get_type_hints

import pytest

from hotswapd.daemon.engines.protocol import Answer, Loaded, Part
from hotswapd.daemon.fleet import wire
from hotswapd.daemon.fleet.beside import Beside, Told
from hotswapd.daemon.fleet.book import Tag
from hotswapd.daemon.fleet.endings import Endings
from hotswapd.daemon.fleet.keeping import UnderWay
from hotswapd.daemon.fleet.orders import Asks, Found, Orders, Report, Trial
from hotswapd.daemon.fleet.rules import Rules
from hotswapd.daemon.fleet.wire import OtherVersion, packed, unpacked
from hotswapd.daemon.share import Share
from hotswapd.swap.errors import Misfit
from hotswapd.swap.gates.spec import Example, Outcome, Replayed, Verdict
from hotswapd.swap.rows.ended import Ended

FOUND = Found(
    Asks.VERIFY,
    Part("r", Answer.REFUSED, "c", "s", (Misfit("rank", "a", "b", "c", "d"),)),  # type: ignore[arg-type]
    (Verdict("probe", Outcome.FAILED, "c", "s", {"max": 3.5}),),
    again=True,
)
ENDED = Ended(1, (5, 6), "stop", True, 0.1, tag="canary@default", client="x", paces=(((1, 2), 0.5),))
MESSAGES = [
    Report("r", 3, (1, 2), True, {"k": FOUND}, {1: "a"}, {"d": Part()}, (Loaded(1, "a"),), Endings(3, (ENDED,))),
    Orders(1, 2, (Trial("k", "d", replay=(Replayed(Example((1, 2, 3), 2)),)),), {3: "x"}, Rules(4, "{}"), {3: "s"}),
    UnderWay("i", 1, 2, frozenset({1, 2}), ((1, 0.5, "x"),), True, (("n", (("a", "b"),), 1.0),)),
    Told(3, {"a": Beside(Share(1, 2, "s", 5.0), "d")}, Rules(1, "{}"), "{}"),
    Tag("default", 3, "d", 9),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_a_message_is_the_same_after_its_way(message: Any) -> None:
    """As plain values only, which any version of any program can hold."""
    assert unpacked(type(message), packed(message)) == message
    _require_plain(packed(message))


def _require_plain(value: Any) -> None:
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for one in value:
            _require_plain(one)
    else:
        assert type(value) in (str, int, float, bool, type(None))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_what_a_newer_version_adds_is_left_out(message: Any) -> None:
    assert unpacked(type(message), _with_more(packed(message))) == message


def _with_more(value: Any) -> Any:
    """Add a name to every mapping that is a message's, as a version to come may do."""
    if isinstance(value, list):
        return [_with_more(one) for one in value]
    if not isinstance(value, dict):
        return value
    names = {"k", "d", "a", "max"}  # these are keys of mappings, as numbers are, and no fields
    of_message = all(isinstance(key, str) for key in value) and not names & value.keys()
    return {name: _with_more(one) for name, one in value.items()} | ({"to_come": {"a": [1]}} if of_message else {})


@dataclass(frozen=True)
class _Report:
    """A report as the first version of this program had it."""

    member: str
    count: int
    age: tuple[int, int] = (0, 0)
    serving: bool = False


def test_what_an_older_version_does_not_say_is_as_usual() -> None:
    assert unpacked(Report, packed(_Report("r", 3, (1, 2), True))) == Report("r", 3, (1, 2), True)


def test_a_number_that_is_none_and_an_infinite_one_arrive() -> None:
    sent = replace(FOUND, verdicts=(Verdict("probe", numbers={"a": math.nan, "b": math.inf}),))
    numbers = unpacked(Found, packed(sent)).verdicts[0].numbers
    assert math.isnan(numbers["a"])
    assert numbers["b"] == math.inf


def test_what_never_left_this_process_is_not_copied() -> None:
    assert unpacked(Orders, MESSAGES[1]) is MESSAGES[1]


@pytest.mark.parametrize(("version", "least", "reads"), [(1, 1, True), (9, 1, True), (9, 2, False), (0, 0, False)])
def test_another_version_is_read_where_both_sides_allow_it(version: int, least: int, reads: bool) -> None:
    content = packed(Orders(1, 2), "w") | {"version": version, "least": least}
    if reads:
        assert unpacked(Orders, content) == Orders(1, 2)
        return
    with pytest.raises(OtherVersion, match=f"w cannot be understood: it speaks version {version}") as refused:
        unpacked(Orders, content)
    assert (refused.value.code, refused.value.sender) == ("other_version", "w")


@pytest.mark.parametrize(
    "content", [None, 3, {}, {"said": {}}, packed(Tag("c", 1, "d", 2)), {**packed(Orders()), "said": {"trials": 3}}]
)
def test_what_is_no_message_of_this_kind_is_refused_in_a_sentence(content: Any) -> None:
    with pytest.raises(OtherVersion, match="upgrade all of the fleet"):
        unpacked(Report if content and "member" not in str(content) else Orders, content)


def test_messages_with_all_that_the_first_version_had_are_read_for_ever() -> None:
    """Written down: whoever changes a message so that this cannot be read must raise VERSION and LEAST."""
    first = {
        "member": "r", "count": 3, "age": [1, 2], "serving": True, "answering": {1: "a"},
        "found": {"k": {"asked": 3, "part": {"member": "", "answer": "refused", "code": "c", "sentence": "s"}}},
    }  # fmt: skip
    content = {"version": 1, "least": 1, "sender": "r", "said": first}
    found = {"k": Found(Asks.VERIFY, Part("", Answer.REFUSED, "c", "s"))}
    assert unpacked(Report, content) == Report("r", 3, (1, 2), True, found, {1: "a"})
    orders = {"term": 1, "version": 2, "answering": {3: "x"}, "trials": [{"key": "k", "digest": "d", "asks": 2}]}
    content = {"version": 1, "least": 1, "sender": "w", "said": orders}
    assert unpacked(Orders, content) == Orders(1, 2, (Trial("k", "d", Asks.CHECK),), {3: "x"})
    content = {
        "version": 1,
        "least": 1,
        "sender": "i",
        "said": {"ingress": "i", "count": 1, "serial": 2, "numbers": [4]},
    }
    assert unpacked(UnderWay, content) == UnderWay("i", 1, 2, frozenset({4}))
    assert wire.LEAST == 1


@pytest.mark.parametrize("kind", [Report, Orders, Trial, Found, UnderWay, Told, Beside, Share, Part, Loaded])
def test_fields_that_the_first_version_did_not_need_have_a_usual_value(kind: Any) -> None:
    """So that messages without them can be read."""
    needed = {
        "member", "count", "key", "digest", "asked", "part", "ingress", "serial", "share", "live", "beside", "salt",
        "percent", "number",
    }  # fmt: skip
    assert is_dataclass(kind)
    assert get_type_hints(kind)
    for one in fields(kind):
        has_default = "MISSING" not in f"{one.default!r}" or "MISSING" not in f"{one.default_factory!r}"
        assert has_default or one.name in needed, one.name


def test_messages_are_small() -> None:
    """An exchange of a replica that has nothing to say, ten times a second."""
    assert len(json.dumps(packed(Report("r" * 40, 1)))) < 500
