"""Text as it grows: whole characters, stop sequences across tokens, nothing lost at the end."""

import pytest
from kits.models import byte_tokenizer

from hotswapd.swap.rows.text import TextStream


def feed_all(stream: TextStream, text: str) -> list[str]:
    """Feed one byte-token after the other."""
    tokens = byte_tokenizer().encode(text)
    pieces = [stream.feed(tokens[: n + 1]) for n in range(len(tokens))]
    return [*pieces, stream.feed(tokens, last=True)]


@pytest.mark.parametrize("text", ["plain", "", "grüße 日本", "a\n\n b"])
def test_the_pieces_add_up_to_the_text(text: str) -> None:
    """Whatever a token cuts through, the pieces joined are the text."""
    assert "".join(feed_all(TextStream(byte_tokenizer()), text)) == text


def test_a_character_comes_whole() -> None:
    """A character of three bytes appears only with its last byte."""
    assert feed_all(TextStream(byte_tokenizer()), "日") == ["", "", "日", ""]


def test_a_stop_sequence_ends_the_text_before_it() -> None:
    """What follows it, and the sequence itself, are thrown away."""
    stream = TextStream(byte_tokenizer(), ["END"])
    assert "".join(feed_all(stream, "one two END three")) == "one two "
    assert stream.stopped


def test_what_may_begin_a_stop_sequence_is_held_back() -> None:
    """Nothing is shown that would have to be taken back."""
    stream = TextStream(byte_tokenizer(), ["ab!"])
    tokens = byte_tokenizer().encode("xab?")
    assert [stream.feed(tokens[: n + 1]) for n in range(4)] == ["x", "", "", "ab?"]


def test_what_was_held_back_comes_at_the_end() -> None:
    """A beginning of a stop sequence that was none is not lost."""
    stream = TextStream(byte_tokenizer(), ["ab!"])
    assert "".join(feed_all(stream, "xab")) == "xab"
    assert not stream.stopped


def test_the_first_of_several_stop_sequences_wins() -> None:
    """The earliest place counts, not the order in which they are named."""
    assert "".join(feed_all(TextStream(byte_tokenizer(), ["zz", "b"]), "abzz")) == "a"


def test_without_a_tokenizer_there_is_no_text() -> None:
    """A base that has none answers with token ids only."""
    assert TextStream(None).feed([1, 2, 3], last=True) == ""


def test_a_character_cut_by_the_end_is_shown_as_replaced() -> None:
    """An answer that ends in the middle of a character has the replacement character, streamed or not."""
    tokens = byte_tokenizer().encode("a日")[:2]
    stream = TextStream(byte_tokenizer())
    assert stream.feed(tokens) + stream.feed(tokens, last=True) == byte_tokenizer().decode(tokens)
