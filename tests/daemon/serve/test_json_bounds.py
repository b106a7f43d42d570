"""Bodies are bounded before they are parsed: depth, number of items, and text that is text."""

import json

import pytest

from hotswapd.daemon.errors import BadRequest
from hotswapd.daemon.serve import json_bounds
from hotswapd.daemon.serve.json_bounds import MAX_DEPTH, bounded_text, require_text


def code(body: bytes, most: int = 100) -> str:
    with pytest.raises(BadRequest) as caught:
        bounded_text(body, most)
    return caught.value.code


def test_a_request_passes_as_it_is() -> None:
    body = b'\xef\xbb\xbf {"prompt": "a, [b] {c} \\" \\\\", "stop": ["\\"]", "\\\\"]}'
    assert json.loads(bounded_text(body, 100)) == {"prompt": 'a, [b] {c} " \\', "stop": ['"]', "\\"]}


def test_what_is_in_a_text_is_not_counted() -> None:
    """Also behind quotes and backslashes that are escaped, in any number."""
    for escapes in range(8):
        text = json.dumps({"prompt": "\\" * escapes + '"' + "[{," * 1000}).encode()
        assert json.loads(bounded_text(text, 4))["prompt"].endswith("[{,")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b'"{"', b"[" * 100_000, '{"a": 1}'.encode("utf-16"), b'{"\xff": 1}']
)
def test_what_is_no_object_in_utf8_is_not_json(body: bytes) -> None:
    assert code(body) == "not_json"


def test_depth_is_bounded() -> None:
    for more, found in ((0, ""), (1, "body_too_complex")):
        lists = MAX_DEPTH - 1 + more
        body = b'{"a":' + b"[" * lists + b"]" * lists + b"}"
        assert code(body) == found if found else bounded_text(body, 100)


def test_items_are_bounded() -> None:
    """The object, the list and 97 commas are 99; one more comma is the hundredth."""
    assert bounded_text(b'{"a": [' + b"1," * 97 + b"1]}", 99)
    assert code(b'{"a": [' + b"1," * 98 + b"1]}", 99) == "body_too_complex"
    assert code(b'{"a": [' + b"[]," * 98 + b"1]}", 99) == "body_too_complex"


@pytest.mark.parametrize("piece", [1, 2, 3, 5])
def test_pieces_change_nothing(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strings and escapes may begin in one piece and end in another: each body has five items."""
    monkeypatch.setattr(json_bounds, "_PIECE", piece)
    for text in ('\\"[[[', "\\" * 5, '\\\\"' * 3, '"', "a,b", ""):
        body = json.dumps({"a": [text, text], text + "k": {"b": 1}}).encode()
        assert bounded_text(body, 5)
        assert code(body, 4) == "body_too_complex"


def test_a_body_of_quotes_is_refused_before_it_is_cut() -> None:
    assert code(b'{"a": ' + b'"' * 10_000, 99) == "body_too_complex"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (r'{"model": "\ud800"}', "model"),
        (r'{"messages": [{"content": [{"text": "a\uDFFFb"}]}]}', "messages"),
        (r'{"a": {"\udc00": 1}}', "a"),
        (r'{"\ud800": 1}', "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_half_a_surrogate_pair_is_named(text: str, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        require_text(json.loads(text), text.encode())
    assert caught.value.param == field
    assert caught.value.sentence.encode()


def test_a_whole_surrogate_pair_is_text() -> None:
    text = r'{"prompt": "\ud83d\ude00", "stop": "\\ud800"}'
    require_text(json.loads(text), text.encode())
