"""The demo's clients: what they find wrong, and what becomes of one that nobody answers."""

from hotswapd.daemon.demo.asking import Answer, Asker, Visitors


def test_a_wrong_answer_under_traffic_is_found() -> None:
    """An answer that is not its generation's, or a generation's that nobody asked alone, is not right."""
    visitors = Visitors(Asker(1, "?", 1))
    visitors.answers = [Answer(1, "one"), Answer(2, "one"), Answer(3, "three")]
    assert visitors.wrong({1: "one", 2: "two"}) == [Answer(2, "one"), Answer(3, "three")]


def test_a_client_that_nobody_answers_notes_it() -> None:
    """A failed request is a failure of the demo, not of the thread that asked."""
    with Visitors(Asker(1, "?", 1), count=1) as visitors:
        pass
    assert visitors.failures
    assert not visitors.answers
