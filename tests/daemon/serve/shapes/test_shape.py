"""What all shapes share."""

import json

import pytest

from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.shapes.shape import Head, Whole, quoted, system_fingerprint
from hotswapd.swap.rows.tickets import TokenLogprobs


@pytest.mark.parametrize(
    ("generation", "digest", "name"),
    [(3, "ab" * 32, "hotswapd-g3-abababababab"), (0, "", "hotswapd-g0-000000000000")],
)
def test_a_fingerprint_names_generation_and_digest(generation: int, digest: str, name: str) -> None:
    assert system_fingerprint(generation, digest) == name


def test_two_answers_have_two_ids() -> None:
    """Feedback names an answer by its id."""
    assert Head("m", "f", 1).number != Head("m", "f", 1).number


@pytest.mark.parametrize("text", ["", 'a "quoted" word', "back\\slash", "line\nbreak\t\x00\x1f", "ü €  \U0001f600"])
def test_a_text_is_written_as_json_on_one_line(text: str) -> None:
    assert json.loads(quoted(text)) == text
    assert "\n" not in quoted(text)


def test_pieces_add_up_to_an_answer() -> None:
    whole, score = Whole(), TokenLogprobs(5, -1.0)
    for piece in (Piece("a", 1, None, 0, (score,), (None, score)), Piece("b", 2, "stop", 0, (score,))):
        whole.add(piece)
    assert (whole.text, whole.tokens, whole.finish) == ("ab", 2, "stop")
    assert (whole.logprobs, whole.prompt_logprobs) == ([score, score], (None, score))
