"""``POST /v1/feedback`` without a model: what it takes, what it refuses, what it remembers."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.errors import install_errors
from hotswapd.daemon.serve.feedback import Answers, feedback_routes

JSON = {"Content-Type": "application/json"}


class Scorer(Answerer):
    """Writes down what was scored."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, float]] = []

    def scored(self, generation: int, score: float, answer: str = "") -> bool:
        assert answer
        self.noted.append((generation, score))
        return True


def client(scorer: Scorer, answers: Answers | None) -> TestClient:
    app = FastAPI()
    install_errors(app)
    app.include_router(feedback_routes(lambda: scorer, answers), prefix="/v1")
    return TestClient(app)


def test_a_score_counts_once_for_who_answered() -> None:
    """A second one for the same answer is refused."""
    scorer, answers = Scorer(), Answers()
    answers.note("cmpl-1", 7)
    asked = client(scorer, answers)
    assert asked.post("/v1/feedback", json={"id": "cmpl-1", "score": 1}).json() == {"generation": 7, "counted": True}
    again = asked.post("/v1/feedback", json={"id": "cmpl-1", "score": 0})
    assert (again.status_code, again.json()["error"]["code"]) == (404, "unknown_answer")
    assert scorer.noted == [(7, 1.0)]


def test_off_it_says_so() -> None:
    """With the line that turns it on."""
    answer = client(Scorer(), None).post("/v1/feedback", json={"id": "cmpl-1", "score": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "feedback_off")
    assert "rollout.feedback = true" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b"[1]", "not_json"),
        (b'{"id": "a", "score": 1, "prompt": "secret"}', "unknown_field"),
        (b'{"score": 1}', "bad_value"),
        (b'{"id": "a", "score": true}', "bad_value"),
        (b'{"id": "a", "score": NaN}', "bad_value"),
        (b'{"id": "a", "score": 1e400}', "bad_value"),
        (b'{"id": "a", "score": "1"}', "bad_value"),
        (b" " * 5000, "bad_value"),
    ],
)
def test_what_makes_no_sense_is_refused(body: bytes, code: str) -> None:
    """Nothing is counted, and the answer can still be scored."""
    scorer, answers = Scorer(), Answers()
    answers.note("a", 7)
    answer = client(scorer, answers).post("/v1/feedback", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert scorer.noted == []
    assert answers.take("a") == 7


def test_only_the_newest_answers_are_remembered() -> None:
    """So that memory stays flat."""
    answers = Answers(kept=3)
    for number in range(5):
        answers.note(str(number), number)
    assert [answers.take(str(number)) for number in range(5)] == [None, None, 2, 3, 4]
