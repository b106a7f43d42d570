"""Questions of the daemon's own: to the live generation, the previous one and the base, and nothing is left of them."""

from collections.abc import Iterator

import pytest
from kits.engine_room import go_live, uses
from kits.rows import SHORT_ASK, Bench, bench
from kits.waiting import until

from hotswapd.daemon.engines.beside import SHADOW, Asked, ask_beside
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.swap.rows.ended import Ended
from hotswapd.swap.rows.tickets import NoGeneration

TOKENS = 12


@pytest.fixture
def made() -> Iterator[Bench]:
    with bench(berths=3) as opened:
        yield opened


@pytest.fixture
def engine(made: Bench) -> ResidentEngine:
    return ResidentEngine(made.engine)


def asked(made: Bench, engine: ResidentEngine, number: int) -> Asked:
    found = ask_beside(made.engine, engine, number, [SHORT_ASK, SHORT_ASK[:2]], TOKENS)
    assert found is not None
    return found


def test_each_generation_answers_greedily_as_itself(made: Bench, engine: ResidentEngine) -> None:
    """They are in nobody's way: afterwards the same ones are served, and each such request has its tag."""
    ended: list[Ended] = []
    first, second = go_live(made, engine, 0), go_live(made, engine, 1)
    before = uses(engine)
    made.rows.on_request_end = ended.append
    questions = {number: asked(made, engine, number) for number in (second, first, 0)}
    until(lambda: all(one.answers() is not None for one in questions.values()), "they are not answered")
    for number, one in questions.items():
        answers = one.answers()
        assert answers is not None
        found = [end.token_ids for end in ended if end.generation == number]
        assert sorted(answers) == sorted(found)
        one.end()
    assert {one.tag for one in ended} == {SHADOW}
    assert len({questions[number].answers()[0] for number in (second, first, 0)}) == 3  # type: ignore[index]
    assert uses(engine) == before
    assert made.right(*made.ask(SHORT_ASK), SHORT_ASK)


def test_what_is_not_on_the_device_is_not_asked(made: Bench, engine: ResidentEngine) -> None:
    go_live(made, engine, 0)
    assert ask_beside(made.engine, engine, 99, [SHORT_ASK], TOKENS) is None


def test_ended_early_nothing_runs(made: Bench, engine: ResidentEngine) -> None:
    """What was asked is cancelled, and the generation is kept for a quick return as before."""
    first = go_live(made, engine, 0)
    go_live(made, engine, 1)
    one = asked(made, engine, first)
    one.end()
    assert uses(engine)[first] == "previous"
    with pytest.raises(NoGeneration, match="not served"):
        made.ask(SHORT_ASK, generation=first)
