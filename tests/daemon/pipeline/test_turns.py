"""Channels take turns."""

from hotswapd.daemon.pipeline.turns import Turns


def test_who_was_served_last_comes_last() -> None:
    turns = Turns()
    assert turns.last("a") == 0
    for channel in ("a", "b", "a"):
        turns.take(channel)
    assert sorted("abc", key=turns.last) == ["c", "b", "a"]
