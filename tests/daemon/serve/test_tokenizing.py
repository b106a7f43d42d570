"""``/tokenize`` and ``/detokenize`` with a real tokenizer."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from kits.models import byte_tokenizer
from kits.rows import LONG
from kits.serving import MODEL, Served
from kits.ways import WAYS, served_by

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module", params=WAYS)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_by(request.param, tmp_path_factory.mktemp("room")) as made:
        yield made


def post(one: Served, path: str, **fields: Any) -> httpx.Response:
    return httpx.post(one.url + path, json=fields, timeout=LONG)


def test_a_text_is_tokenized_and_back(one: Served) -> None:
    answer = post(one, "/tokenize", model=MODEL, prompt="hé", return_token_strs=True).json()
    tokens = byte_tokenizer().encode("hé")
    assert answer == {"count": 3, "max_model_len": 448, "tokens": tokens, "token_strs": ["h", "\ufffd", "\ufffd"]}
    assert post(one, "/detokenize", tokens=tokens).json() == {"prompt": "hé"}
    assert post(one, "/detokenize", tokens=[]).json() == {"prompt": ""}


def test_a_conversation_is_tokenized_by_the_template(one: Served) -> None:
    text = byte_tokenizer().apply_chat_template(HI, add_generation_prompt=True, tokenize=False)
    answer = post(one, "/tokenize", messages=HI).json()
    assert answer["tokens"] == byte_tokenizer().encode(text, add_special_tokens=False)
    assert post(one, "/detokenize", tokens=answer["tokens"]).json() == {"prompt": text}


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/tokenize", {"prompt": "x", "model": "other"}, "model_not_found"),
        ("/tokenize", {"prompt": "x" * 100_000}, "context_length_exceeded"),
        ("/tokenize", {"prompt": 1}, "bad_value"),
        ("/detokenize", {"tokens": [1], "model": "other"}, "model_not_found"),
        ("/detokenize", {"tokens": [10**30]}, "bad_token"),
        ("/detokenize", {"tokens": [99_999]}, "bad_token"),
        ("/detokenize", {"tokens": "x"}, "bad_value"),
        ("/detokenize", {}, "missing_field"),
    ],
)
def test_what_cannot_be_done_is_refused(one: Served, path: str, fields: dict[str, Any], code: str) -> None:
    answer = post(one, path, **fields)
    assert answer.status_code in {400, 404}
    assert answer.json()["error"]["code"] == code


def test_a_body_must_say_that_it_is_json(one: Served) -> None:
    """As for answers: a page of another site cannot ask."""
    answer = httpx.post(f"{one.url}/tokenize", content=b'{"prompt": "x"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
