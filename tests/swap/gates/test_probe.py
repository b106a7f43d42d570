"""Which texts the built-in probe reads."""

import pytest
from kits.models import byte_tokenizer

from hotswapd.swap.gates.probe import probe_texts


class EmptyTokenizer:
    """What transformers makes of a Qwen2 base that was saved without its tokenizer: it knows no token."""

    def encode(self, text: str) -> list[int]:
        return []


@pytest.mark.parametrize("tokenizer", [None, EmptyTokenizer()])
def test_a_base_that_cannot_read_text_is_probed_with_tokens(tokenizer: EmptyTokenizer | None) -> None:
    """There is always something to read, inside the vocabulary, the long text last."""
    texts = probe_texts(tokenizer, 500, 100)
    assert len(texts) > 1
    assert all(0 <= token < 500 for text in texts for token in text)
    assert 1 < max(map(len, texts)) == len(texts[-1]) <= 100


def test_a_base_with_a_tokenizer_reads_text() -> None:
    """Its own tokens, cut to what fits into its context."""
    tokenizer = byte_tokenizer()
    texts = probe_texts(tokenizer, len(tokenizer), 40)
    assert texts != probe_texts(None, len(tokenizer), 40)
    assert 1 < max(map(len, texts)) <= 40
