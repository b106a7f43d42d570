"""``/openapi.json`` describes what the server takes and gives."""

from typing import Any

import pytest
from kits.daemon_fakes import FakeFace
from kits.requests import HI

from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.app import make_http_app
from hotswapd.daemon.serve.names import names_of
from hotswapd.daemon.serve.openapi import OPERATIONS, document
from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.threshold import Threshold

UNDESCRIBED = {
    "/",
    "/status.json",
    "/metrics",
    "/openapi.json",
    "/health/live",
    "/health/ready",
    "/v1/feedback",
    "/v1/embeddings",
}


def references(part: Any) -> set[str]:
    match part:
        case dict():
            found = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return found.union(*map(references, part.values()))
        case list():
            return set().union(*map(references, part))
    return set()


@pytest.mark.parametrize("keyed", [True, False])
def test_every_reference_leads_somewhere(keyed: bool) -> None:
    made = document(keyed=keyed)
    names = {f"#/components/schemas/{name}" for name in made["components"]["schemas"]}
    assert references(made) <= names
    assert len(references(made)) > 10


def test_every_path_for_clients_is_described() -> None:
    app = make_http_app(FakeFace(), names_of("m"), Metrics())
    assert isinstance(app, Threshold)
    inner: Any = app._app  # FastAPI knows its own paths
    served = {path for path in inner.openapi()["paths"] if not path.startswith("/page/")}
    assert served - UNDESCRIBED == {one.path for one in OPERATIONS}


def test_a_key_is_asked_for_where_it_is() -> None:
    paths = document(keyed=True)["paths"]
    assert paths["/v1/chat/completions"]["post"]["security"] == [{"key": []}]
    assert "security" not in paths["/health"]["get"]
    assert "security" not in document(keyed=False)["paths"]["/v1/chat/completions"]["post"]


def test_fields_are_those_of_the_models() -> None:
    schema = document(keyed=False)["components"]["schemas"]["ChatBody"]
    assert set(schema["properties"]) == set(ChatBody.model_fields)
    assert schema["required"] == ["model", "messages"]
    assert schema["properties"]["tools"]["enum"] == [None, []]
    assert schema["properties"]["echo"]["enum"] == [None, False]
    assert ChatBody.model_validate({"model": "m", "messages": HI, "tools": [], "echo": False})
