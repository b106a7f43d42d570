"""The read-only answers: from a real ledger, and NotReady without one."""

from collections.abc import Callable

import pytest
from kits.operators import make_operator
from kits.queues import Queue

from hotswapd.daemon.control.views import Views
from hotswapd.daemon.errors import NotReady
from hotswapd.daemon.ledger.ledger import LedgerDown


@pytest.fixture
def queue() -> Queue:
    made = Queue()
    for name in ("one", "two"):
        made.place.put(name, name.encode())
        made.settle()
    return made


@pytest.fixture
def views(queue: Queue) -> Views:
    return make_operator(queue.ledger).views


def test_history_is_newest_first_and_limited(views: Views) -> None:
    assert [row["uri"] for row in views.history(9)] == ["file:///s/two", "file:///s/one"]
    assert [row["uri"] for row in views.history(1)] == ["file:///s/two"]


def test_actions_have_who_asked(queue: Queue, views: Views) -> None:
    queue.ledger.actions.note("pause", "", "done", (1, 2, 3))
    queue.ledger.actions.note("resume", "", "done", None)
    newest, oldest = views.actions(9)
    assert (newest["action"], newest["pid"], oldest["action"], oldest["uid"]) == ("resume", None, "pause", 2)
    assert len(views.actions(1)) == 1


def test_the_page_shows_status_and_lives(views: Views) -> None:
    shown = views.overview()
    assert shown["status"] == views.status()
    assert [life["generation"] for life in shown["lives"]] == [2, 1]


def test_before_the_model_answers_no_berth_is_counted(views: Views) -> None:
    """A gauge that reads 0 would be a wrong answer."""
    assert b"hotswapd_berth" not in b"".join(
        line for line in views.exposition().splitlines() if not line.startswith(b"#")
    )


@pytest.mark.parametrize(
    ("part", "method", "read"),
    [
        ("rows", "history", lambda views: views.history(9)),
        ("actions", "newest", lambda views: views.actions(9)),
    ],
)
def test_without_a_ledger_there_is_no_history(
    queue: Queue, views: Views, monkeypatch: pytest.MonkeyPatch, part: str, method: str, read: Callable[[Views], object]
) -> None:
    def down(*_: object) -> object:
        raise LedgerDown("the disk is full")

    monkeypatch.setattr(getattr(queue.ledger, part), method, down)
    with pytest.raises(NotReady) as caught:
        read(views)
    assert caught.value.code == "ledger_down"
