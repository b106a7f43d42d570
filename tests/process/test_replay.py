"""The replay gate in the real program: it judges by what was answered, and leaves nothing of that anywhere."""

import json
import struct
from collections.abc import Iterator

from kits.faults import goes_live
from kits.models import byte_tokenizer
from kits.room import Room
from kits.stuck import PROMPT, ask

CLIENTS = range(2, 22)


def test_what_clients_wrote_is_nowhere_but_in_memory(room: Room) -> None:
    """The next candidate has a verdict by it; after a kill no file, the log among them, has a text or its tokens."""
    room.configure(**{"verify.watch": "seconds = 0"})
    room.ready()
    goes_live(room, room.drop("run-0"))
    answers = [ask(room, client)[1] for client in CLIENTS]
    row = room.outcome(room.drop("run-1"))
    (verdict,) = [one for one in row["verify"] if one["gate"] == "replay"]
    assert verdict["numbers"]["answers"] == len(CLIENTS)
    assert PROMPT not in json.dumps(row)
    room.process.kill()
    room.process.wait()
    files = [path for path in room.root.rglob("*") if path.is_file() and "run-" not in str(path)]
    assert files
    needles = [PROMPT.encode(), *_tokens(PROMPT), *(needle for text in answers for needle in _tokens(text))]
    found = [(path, needle[:40]) for path in files for needle in needles if needle in path.read_bytes()]
    assert found == []


def _tokens(text: str) -> Iterator[bytes]:
    """Yield the token ids of a text as programs keep them."""
    ids = byte_tokenizer().encode(text)
    if len(ids) < 8:
        return
    yield ", ".join(map(str, ids[:8])).encode()
    yield ",".join(map(str, ids[:8])).encode()
    for kind in "hiq":
        yield struct.pack(f"<8{kind}", *ids[:8])
