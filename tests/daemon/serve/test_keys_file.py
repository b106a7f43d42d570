"""Named keys in a file: what a line may say, and what happens to the others."""

import hashlib
from pathlib import Path

import pytest

from hotswapd.daemon.serve.keys_file import BadLine, Key, KeysFile, parse_line

DIGEST = hashlib.sha256(b"sesame").hexdigest()


def test_a_line_names_a_key_and_its_limits() -> None:
    assert parse_line(f"alice {DIGEST.upper()}") == Key("alice", DIGEST)
    assert parse_line(f" bob.2\t{DIGEST} tokens=9000 requests=60 ") == Key("bob.2", DIGEST, 60, 9000)


@pytest.mark.parametrize(
    "line",
    [
        "alice",
        "alice sesame",
        f"al/ice {DIGEST}",
        f"{DIGEST}",
        f"a {DIGEST} requests=0",
        f"a {DIGEST} requests=1 requests=2",
    ]
    + [f"a {DIGEST} tokens=-1", f"a {DIGEST} burst=3", f"a {DIGEST}0", f"{'a' * 65} {DIGEST}", ""],
)
def test_any_other_line_is_refused(line: str) -> None:
    with pytest.raises(BadLine):
        parse_line(line)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# whose\n\nalice {DIGEST}\n")
    keys = KeysFile(file)
    assert [key.name for key in keys.read()] == ["alice"]
    file.write_text(f"alice {DIGEST}\nbob {DIGEST}\n")
    assert [key.name for key in keys.read()] == ["alice", "bob"]
    file.unlink()
    assert keys.read() == []
    file.write_bytes(b"\xff")
    assert keys.read() == []


def test_a_bad_line_costs_nobody_else_the_key(tmp_path: Path) -> None:
    """A second key of the same name is a bad line too: nobody could tell whose it is."""
    file = tmp_path / "keys"
    file.write_text(f"alice {DIGEST}\nnonsense\nalice {'0' * 64}\nbob {DIGEST}\n")
    assert KeysFile(file).read() == [Key("alice", DIGEST), Key("bob", DIGEST)]
