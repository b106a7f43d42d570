"""What requests can ask for: the channels and generations that the newest pointer names."""

import pytest
from kits.fleet import MemoryPlace, record
from structlog.testing import capture_logs

from hotswapd.daemon.errors import FleetCode
from hotswapd.daemon.fleet.pointed import Pointed
from hotswapd.daemon.fleet.shared.trail import Follower, Term, Trail
from hotswapd.loaders.errors import Unavailable


class Scene:
    def __init__(self) -> None:
        self.place = MemoryPlace()
        self.term = Term.begin(Trail(self.place), "w")
        self.pointed = Pointed(Follower(Trail(self.place)), named=["empty"])

    def live(self, **numbers: int) -> None:
        routes = {name: record(number, name) for name, number in numbers.items()}
        self.term.write(self.term.now.next(routes))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_every_channel_that_is_named_or_live_is_one(scene: Scene) -> None:
    assert (scene.pointed.names(), scene.pointed.has("sales")) == (["default", "empty"], False)
    scene.live(default=3, sales=4)
    assert scene.pointed.names() == ["default", "empty", "sales"]
    assert all(scene.pointed.has(name) for name in ("default", "empty", "sales"))
    assert not scene.pointed.has("support")


def test_what_requests_are_given_from_now_on_is_logged_with_its_swap_id(scene: Scene) -> None:
    routes = {"default": {**record(3), "swap_id": "s3"}, "sales": record(4, "sales")}
    scene.term.write(scene.term.now.next(routes))
    with capture_logs() as logs:
        scene.pointed.look()
        scene.pointed.look()
    said = [(one["event"], one["channel"], one["generation"], one["swap_id"]) for one in logs]
    assert said == [("serves", "default", 3, "s3"), ("serves", "sales", 4, "")]
    with capture_logs() as logs:
        scene.live(default=3)
        scene.pointed.look()
    assert [(one["channel"], one["generation"]) for one in logs] == [("sales", 0)]


def test_what_is_live_can_be_asked_for_the_default_channels_first(scene: Scene) -> None:
    assert scene.pointed.generations() == [0]
    scene.live(default=3, sales=4, support=2)
    assert scene.pointed.generations() == [3, 4, 2, 0]


def test_a_generation_belongs_to_the_channel_in_which_it_is_live(scene: Scene) -> None:
    scene.live(default=3, sales=4)
    assert scene.pointed.owns(4, "sales")
    assert not scene.pointed.owns(4, "default")
    assert scene.pointed.owns(0, "sales")


def test_nothing_is_beside_what_is_live(scene: Scene) -> None:
    assert (scene.pointed.route("me"), scene.pointed.number()) == ((None, ""), None)
    assert not scene.pointed.scored(1, 1.0)


def test_while_the_place_is_away_the_last_pointer_counts(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.live(default=3)
    scene.pointed.look()

    def away(name: str) -> bool:
        raise Unavailable(FleetCode.SHARED_DOWN, "the mount is gone")

    monkeypatch.setattr(scene.place, "has", away)
    assert scene.pointed.look().answers("default")[0] == 3


def test_where_a_look_takes_long_requests_go_by_the_last_one(scene: Scene) -> None:
    """With a bucket: who catches up is nobody's request."""
    seldom = Pointed(Follower(Trail(scene.place)), seldom=True)
    scene.live(default=3)
    assert seldom.look().serial == 0
    assert seldom.catch_up().answers("default")[0] == 3
    scene.live(default=4)
    assert seldom.generations() == [3, 0]
    seldom.catch_up()
    assert seldom.generations() == [4, 0]
