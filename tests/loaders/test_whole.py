"""A file that is still being written is distinguished from one that is whole but wrong."""

import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kits.folders import weights

from hotswapd.loaders.files import MAX_CONFIG_BYTES
from hotswapd.loaders.whole import config_missing, weights_missing

Ask = Callable[[Callable[[int, int], str | None], bytes], str | None]
WHOLE = weights(b"\1" * 64)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def ask(question: Callable[[int, int], str | None], content: bytes) -> str | None:
        file = tmp_path / "file"
        file.write_bytes(content)
        fd = os.open(file, os.O_RDONLY)
        try:
            return question(fd, len(content))
        finally:
            os.close(fd)

    return ask


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_every_shorter_weights_file_is_unfinished(ask: Ask, length: int) -> None:
    assert ask(weights_missing, WHOLE[:length]) is not None


def test_a_whole_weights_file_is_whole(ask: Ask) -> None:
    assert ask(weights_missing, WHOLE) is None


@pytest.mark.parametrize("written", [0, 5, 8, 20, 40])
def test_preallocated_weights_are_unfinished(ask: Ask, written: int) -> None:
    assert ask(weights_missing, WHOLE[:written] + bytes(len(WHOLE) - written)) is not None


@pytest.mark.parametrize(
    "content",
    [
        WHOLE + b"trailing",
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 4) + b"no J",
        struct.pack("<Q", 2) + b"{}",
    ],
    ids=["longer", "absurd header length", "not JSON", "no tensors"],
)
def test_wrong_but_whole_weights_pass(ask: Ask, content: bytes) -> None:
    assert ask(weights_missing, content) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"r": 8', b'{"r": "\xff"}', b"\0" * 20])
def test_a_config_that_does_not_parse_is_unfinished(ask: Ask, content: bytes) -> None:
    assert "does not parse as JSON yet" in (ask(config_missing, content) or "")


@pytest.mark.parametrize(
    "content",
    [b'{"r": 8}', b"[" * 100_000, b"1" * 5000, b"{" * (MAX_CONFIG_BYTES + 1)],
    ids=["good", "deep", "long number", "too large"],
)
def test_a_wrong_but_whole_config_passes(ask: Ask, content: bytes) -> None:
    assert ask(config_missing, content) is None


@given(st.binary(max_size=300))
def test_no_bytes_make_the_checks_fail(content: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        for question in (config_missing, weights_missing):
            answer = question(file.fileno(), len(content))
            assert answer is None or "\n" not in answer


@given(st.binary(max_size=300), st.integers(0, 300))
def test_a_lying_header_is_read_within_the_file(content: bytes, length: int) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(struct.pack("<Q", length) + content)
        file.flush()
        answer = weights_missing(file.fileno(), 8 + len(content))
    if length == 0 or length > len(content):
        assert answer is not None


@pytest.mark.parametrize("question", [config_missing, weights_missing])
def test_a_git_lfs_pointer_is_whole(ask: Ask, question: Callable[[int, int], str | None]) -> None:
    """It would wait for ever, though nobody writes to it: admission says what it is and how to fetch the file."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 7512\n"
    assert ask(question, pointer) is None
