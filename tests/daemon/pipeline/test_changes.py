"""The count of changes: nobody misses one that comes between looking and waiting."""

import threading
import time

from hotswapd.daemon.pipeline.changes import Changes


def test_a_change_since_the_count_ends_the_wait() -> None:
    changes = Changes()
    since = changes.count()
    changes.notify()
    began = time.monotonic()
    changes.wait(since, 30.0)
    assert time.monotonic() - began < 25.0
    assert changes.count() != since


def test_a_wait_without_a_change_ends_after_its_seconds() -> None:
    changes = Changes()
    began = time.monotonic()
    changes.wait(changes.count(), 0.05)
    assert time.monotonic() - began >= 0.05


def test_one_change_wakes_everybody() -> None:
    changes = Changes()
    since, ended = changes.count(), threading.Semaphore(0)

    def wait() -> None:
        changes.wait(since, 30.0)
        ended.release()

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    changes.notify()
    assert all(ended.acquire(timeout=25.0) for _ in threads)
    for thread in threads:
        thread.join()
