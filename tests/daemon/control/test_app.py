"""The control socket's endpoints: each reaches the daemon, and what makes no sense changes nothing."""

from collections.abc import Iterator

import pytest
from kits.daemon_fakes import ACTIONS, HISTORY, STATUS, FakeFace
from kits.fronts import Front, front

from hotswapd.daemon.control.client import Client, Refused


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeFace, Front]]:
    face = FakeFace()
    with front(face, tmp_path_factory.mktemp("control")) as made:
        yield face, made


@pytest.fixture
def face(served: tuple[FakeFace, Front]) -> FakeFace:
    served[0].reset()
    return served[0]


@pytest.fixture
def client(served: tuple[FakeFace, Front], face: FakeFace) -> Client:
    return served[1].client


def test_status_and_history_are_what_the_daemon_says(client: Client) -> None:
    assert client.get("/status") == STATUS
    assert client.get("/history") == HISTORY
    assert client.get("/history?limit=1") == HISTORY[:1]
    assert client.get("/actions?limit=1") == ACTIONS[:1]


@pytest.mark.parametrize("limit", ["0", "-1", "many", "9999999999", "%C2%B2", ""])
def test_a_senseless_limit_is_refused(client: Client, limit: str) -> None:
    with pytest.raises(Refused) as caught:
        client.get(f"/history?limit={limit}")
    assert (caught.value.status, caught.value.code) == (400, "bad_limit")


@pytest.mark.parametrize(
    ("path", "fields", "asked"),
    [
        ("/submit", {"uri": "file:///a"}, ("submit", "file:///a", False)),
        ("/submit", {"uri": "file:///a", "again": True}, ("submit", "file:///a", True)),
        ("/rollback", {}, ("rollback", None, False)),
        ("/rollback", {"generation": 2, "follow": True}, ("rollback", 2, True)),
        ("/pin", {}, ("pin", None)),
        ("/pin", {"generation": 0}, ("pin", 0)),
        ("/unpin", {}, ("unpin",)),
        ("/pause", {}, ("pause",)),
        ("/resume", {}, ("resume",)),
        ("/resume", {"channel": "support"}, ("resume", "support")),
        ("/rollback", {"generation": 2, "channel": "support"}, ("rollback", 2, False, "support")),
        ("/channel/remove", {"channel": "support"}, ("remove", False, "support")),
        ("/channel/remove", {"channel": "support", "purge": True}, ("remove", True, "support")),
    ],
)
def test_each_change_reaches_the_daemon(
    client: Client, face: FakeFace, path: str, fields: dict[str, object], asked: tuple[object, ...]
) -> None:
    assert client.post(path, fields) == {"ok": True}
    assert face.asked == [asked]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/submit", {}),
        ("/submit", {"uri": 3}),
        ("/submit", {"uri": "file:///a", "again": "yes"}),
        ("/submit", {"uri": "file:///a", "agian": True}),
        ("/submit", []),
        ("/submit", {"uri": "file:///" + "a" * (64 << 10)}),
        ("/rollback", {"generation": True}),
        ("/rollback", {"generation": -1}),
        ("/rollback", {"generation": "2"}),
        ("/pin", {"follow": True}),
        ("/pause", {"for": 3}),
    ],
)
def test_a_senseless_change_is_refused(client: Client, face: FakeFace, path: str, fields: dict[str, object]) -> None:
    with pytest.raises(Refused) as caught:
        client.post(path, fields)
    assert caught.value.status == 400
    assert face.asked == []


def test_the_daemons_refusal_keeps_code_and_sentence(client: Client) -> None:
    with pytest.raises(Refused, match="generation 99 is not kept") as caught:
        client.post("/rollback", {"generation": 99})
    assert (caught.value.status, caught.value.code) == (409, "no_such_generation")


@pytest.mark.parametrize("path", ["/submit", "/rollback", "/pause"])
def test_reading_never_changes(client: Client, face: FakeFace, path: str) -> None:
    with pytest.raises(Refused) as caught:
        client.get(path)
    assert caught.value.status == 405
    assert face.asked == []


def test_completions_are_not_served_here(client: Client) -> None:
    with pytest.raises(Refused) as caught:
        client.post("/v1/completions", {})
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/pause", {"channel": 3}, "bad_channel"),
        ("/pause", {"channel": ""}, "bad_channel"),
        ("/channel/remove", {}, "bad_channel"),
        ("/channel/remove", {"channel": "a", "purge": "yes"}, "bad_purge"),
    ],
)
def test_a_channel_is_a_name(client: Client, face: FakeFace, path: str, fields: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as caught:
        client.post(path, fields)
    assert (caught.value.status, caught.value.code, face.asked) == (400, code, [])
