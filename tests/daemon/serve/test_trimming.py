"""Memory goes back once after a burst, and not after each request."""

import threading

from kits.rows import LONG

from hotswapd.daemon.serve.trimming import Trimming


def test_a_burst_is_followed_by_one_trim() -> None:
    trimmed = threading.Semaphore(0)
    calls: list[int] = []

    def trim(keep: int) -> int:
        calls.append(keep)
        trimmed.release()
        return 1

    trimming = Trimming(trim, rest=0.0)
    trimming.count(1 << 20)
    assert calls == []
    trimming.count(40 << 20)
    assert trimmed.acquire(timeout=LONG)
    assert calls == [0]


def test_a_c_library_without_it_is_left_alone() -> None:
    Trimming(None).count(1 << 40)
    assert not any(thread.name == "trim" for thread in threading.enumerate())
