"""A candidate whose copy in the store cannot be read, or for which there is no memory: it is held, and no verdict."""

import errno
import os
from pathlib import Path

import pytest
from kits.folders import CONFIG, WEIGHTS
from kits.queues import Queue

from hotswapd.daemon.ledger.attempts import SWAP
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.errors import Rejected

pytestmark = pytest.mark.usefixtures("engine_kind")


@pytest.fixture
def queue() -> Queue:
    made = Queue()
    made.place.put("first", b"first")
    made.settle()
    return made


def failing(step: str, error: Exception, queue: Queue, patch: pytest.MonkeyPatch) -> None:
    """Make one step of the resident's fail."""

    def fail(*_: object) -> None:
        raise error

    patch.setattr(queue.model, step, fail)


def offer(queue: Queue) -> str:
    uri = queue.place.put("a", b"a")
    queue.scan()
    queue.fetch()
    return uri


def make_due(queue: Queue, uri: str) -> None:
    row = next(row for row in queue.ledger.rows.history(100) if row.uri == uri)
    queue.ledger.amend(row, next_try=0.0)


@pytest.mark.parametrize("step", ["admit", "stage"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ENOMEM, errno.ESTALE])
def test_a_copy_that_cannot_be_read_now_is_held_and_tried_again(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """What is live does not change, the reason has its own code, and the next try takes it."""
    failing(step, OSError(number, "the disk's words"), queue, monkeypatch)
    uri = offer(queue)
    queue.turn()
    assert (queue.states()[uri], queue.live.number) == ("HELD store_unreadable", 1)
    row = next(row for row in queue.ledger.rows.history(100) if row.uri == uri)
    assert "the disk's words; fix the disk; it is tried again" in row.detail
    assert row.next_try is not None
    monkeypatch.undo()
    make_due(queue, uri)
    queue.turn()
    assert queue.live.uri == uri


def test_a_copy_that_stays_unreadable_is_fetched_again(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three tries its source gives it anew, and the store puts that in the place of the unreadable one."""
    failing("stage", OSError(errno.EIO, "Input/output error"), queue, monkeypatch)
    uri = offer(queue)
    for _ in range(3):
        queue.turn()
        assert queue.states()[uri] == "HELD store_unreadable"
        make_due(queue, uri)
    queue.turn()
    assert queue.states()[uri] == "WAITING artifact_lost"
    monkeypatch.undo()
    queue.clock.now += 100.0
    assert queue.fetched().tries == 0
    queue.turn()
    assert queue.live.uri == uri


@pytest.mark.parametrize("step", ["admit", "stage"])
def test_without_memory_to_lay_it_out_in_it_is_held(queue: Queue, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Nothing was touched, no death is counted, and it goes live once there is memory again."""
    failing(step, MemoryError(), queue, monkeypatch)
    uri = offer(queue)
    queue.turn()
    assert (queue.states()[uri], queue.live.number) == ("HELD out_of_memory", 1)
    monkeypatch.undo()
    make_due(queue, uri)
    queue.turn()
    assert (queue.live.uri, queue.ledger.attempts.deaths(queue.live.digest, SWAP)[0]) == (uri, 0)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_what_the_system_cannot_do_now_is_no_verdict_on_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A missing file is refused; one that this process may not open for want of descriptors is not."""
    for file in (CONFIG, WEIGHTS):
        (tmp_path / file).write_bytes(b"{}")
    real = os.open

    def no_descriptor(path: str, *rest: int) -> int:
        if str(path).endswith(name):
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *rest)

    monkeypatch.setattr("os.open", no_descriptor)
    with pytest.raises(OSError, match="Too many open files"):
        read_manifest(tmp_path)
    monkeypatch.undo()
    (tmp_path / name).unlink()
    with pytest.raises(Rejected):
        read_manifest(tmp_path)
