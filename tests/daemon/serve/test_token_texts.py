"""What single tokens are, for the three kinds of vocabulary."""

import pytest
from kits.models import byte_tokenizer
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from hotswapd.daemon.serve.token_texts import TokenTexts


def test_a_byte_level_token_is_its_bytes() -> None:
    """Every single byte of the vocabulary comes out, also one that is only half of a character."""
    tokenizer = byte_tokenizer()
    texts = TokenTexts(tokenizer)
    tokens = tokenizer.encode("hé \n")
    assert b"".join(texts.raw(token) for token in tokens) == "hé \n".encode()
    assert [texts.text(token) for token in tokens] == ["h", "\ufffd", "\ufffd", " ", "\n"]
    assert {texts.raw(token) for token in range(256)} == {bytes([byte]) for byte in range(256)}


def test_a_special_token_is_its_name() -> None:
    assert TokenTexts(byte_tokenizer()).text(256) == "<|end|>"


def test_a_sentencepiece_token_has_its_space_and_its_byte() -> None:
    backend = Tokenizer(models.WordLevel({"▁the": 0, "s": 1, "<0xC3>": 2}, unk_token="s"))
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    texts = TokenTexts(PreTrainedTokenizerFast(tokenizer_object=backend))
    assert [texts.raw(token) for token in range(3)] == [b" the", b"s", b"\xc3"]


def test_any_other_token_is_what_it_decodes_to() -> None:
    backend = Tokenizer(models.WordPiece({"play": 0, "##ing": 1}, unk_token="play"))
    backend.decoder = decoders.WordPiece()
    assert TokenTexts(PreTrainedTokenizerFast(tokenizer_object=backend)).text(0) == "play"


@pytest.mark.parametrize("tokenizer", [None, byte_tokenizer()])
def test_a_token_without_a_text_is_its_number(tokenizer: object) -> None:
    """A vocabulary may be padded, and a base may have no tokenizer."""
    assert TokenTexts(tokenizer).text(99_999) == "token_id:99999"
