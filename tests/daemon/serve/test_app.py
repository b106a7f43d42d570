"""What the HTTP server answers besides the two endpoints: models, health, and nothing that changes state."""

from collections.abc import Iterator

import httpx
import openai
import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import Front, front

from hotswapd.daemon.errors import ErrorCode, NotReady
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.face import Readiness

MODEL = "org/model"


class Loading(FakeFace):
    """A daemon whose model does not answer yet."""

    def answerer(self) -> Answerer:
        raise NotReady(ErrorCode.NOT_READY, "loading the base model")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeFace, Front]]:
    face = FakeFace()
    with front(face, tmp_path_factory.mktemp("app"), MODEL) as made:
        yield face, made


@pytest.fixture
def face(served: tuple[FakeFace, Front]) -> FakeFace:
    served[0].reset()
    return served[0]


@pytest.fixture
def url(served: tuple[FakeFace, Front], face: FakeFace) -> str:
    return served[1].url


def test_models_lists_the_base_and_its_generations(url: str) -> None:
    listed = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0).models.list()
    assert [model.id for model in listed] == [MODEL, f"{MODEL}@g3"]


def test_models_lists_nothing_before_anything_answers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A client that takes a model from the list would be refused with it, as `/health/ready` says."""
    with front(Loading(), tmp_path_factory.mktemp("loading"), MODEL) as made:
        answer = httpx.get(f"{made.url}/v1/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")


def test_health_is_ready_or_has_the_reason(url: str, face: FakeFace) -> None:
    assert httpx.get(f"{url}/health/live").json() == {"live": True}
    assert httpx.get(f"{url}/health/ready").json() == {"ready": True, "reason": None}
    face.readiness = Readiness(False, "loading the base model")
    answer = httpx.get(f"{url}/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reason": "loading the base model"}
    assert httpx.get(f"{url}/health/live").status_code == 200


@pytest.mark.parametrize("path", ["/status", "/submit", "/rollback", "/docs", "/redoc", "/v1/other"])
def test_no_path_changes_state_or_shows_more(url: str, path: str) -> None:
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{url}{path}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"


def test_health_is_a_bare_status_for_load_balancers(url: str, face: FakeFace) -> None:
    answer = httpx.get(f"{url}/health")
    assert (answer.status_code, answer.content) == (200, b"")
    face.readiness = Readiness(False, "loading the base model")
    answer = httpx.get(f"{url}/health")
    assert (answer.status_code, answer.json()["error"]["message"]) == (503, "loading the base model")


def test_embeddings_are_a_404_that_says_so(url: str) -> None:
    with pytest.raises(openai.NotFoundError, match="this server generates text"):
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0).embeddings.create(model=MODEL, input="hi")


def test_openapi_is_served(url: str) -> None:
    made = httpx.get(f"{url}/openapi.json").json()
    assert made["openapi"].startswith("3.1")
    assert "/v1/chat/completions" in made["paths"]
