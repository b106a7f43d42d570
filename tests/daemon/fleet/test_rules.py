"""A reload of a fleet: what can change, who goes by it, and that it outlives the watcher."""

from pathlib import Path
from typing import Any

import pytest
from kits.fleet import MemoryPlace

from hotswapd.daemon.config.errors import ConfigError
from hotswapd.daemon.config.settings import Settings, settings_of
from hotswapd.daemon.fleet.reloading import FleetReloading
from hotswapd.daemon.fleet.rules import Reloads, Rules


def settings(room: Path, **tables: Any) -> Settings:
    given = {"model": {"base": "/base"}, "fleet": {"shared": str(room)}, **tables}
    return settings_of(given)


def text(room: Path, **tables: Any) -> str:
    return Rules.of(0, settings(room, **tables)).text


@pytest.fixture
def place() -> MemoryPlace:
    return MemoryPlace()


def begin(place: MemoryPlace, room: Path, told: list[Rules] | None = None) -> FleetReloading:
    made = FleetReloading.begin(Reloads(place, "d"), settings(room))
    made.tell = (told if told is not None else []).append
    return made


def test_settings_are_the_same_after_their_way_to_another_process(tmp_path: Path) -> None:
    """Also the keys that a channel leaves to the tables above."""
    source = {"kind": "local", "path": tmp_path, "channel": "{1}"}
    channel = {"name": "support", "verify": {"max_share": 0.2}, "rollout": {"mode": "canary"}}
    given = settings(tmp_path, source=[source], channel=[channel], verify={"max_logit": 5.0})
    came = Rules.of(3, given).settings()
    assert came == given
    assert came.verify_of("support") == given.verify_of("support")
    assert came.rollout_of("support") == given.rollout_of("support")


def test_what_has_changed_is_told_and_named(place: MemoryPlace, tmp_path: Path) -> None:
    told: list[Rules] = []
    reloading = begin(place, tmp_path, told)
    assert reloading.reload(text(tmp_path, verify={"max_logit": 5.0})) == ["verify"]
    assert reloading.settings.verify.max_logit == 5.0
    assert [(one.version, one.settings().verify.max_logit) for one in told] == [(1, 5.0)]
    assert reloading.reload(text(tmp_path, verify={"max_logit": 5.0})) == []
    assert len(told) == 1


def test_whoever_starts_again_goes_by_the_last_one_and_another_deployment_by_its_own(
    place: MemoryPlace, tmp_path: Path
) -> None:
    first = begin(place, tmp_path)
    for limit in (5.0, 6.0):
        first.reload(text(tmp_path, verify={"max_logit": limit}))
    again = begin(place, tmp_path)
    assert (again.rules.version, again.settings.verify.max_logit) == (2, 6.0)
    assert len(place.names("reloads")) == 1
    other = FleetReloading.begin(Reloads(place, "another"), settings(tmp_path))
    assert (other.rules.version, other.settings) == (0, settings(tmp_path))


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"serve": {"berths": 7}}, "serve.berths"),
        ({"model": {"base": "/another"}}, "model.base"),
        ({"fleet": {"shared": "/another"}}, "fleet.shared"),
        ({"serve": {"api_key_file": "/nowhere/key"}}, "serve.api_key_file"),
    ],
)
def test_what_needs_a_deployment_is_refused_with_its_key(
    place: MemoryPlace, tmp_path: Path, tables: dict[str, Any], key: str
) -> None:
    told: list[Rules] = []
    reloading = begin(place, tmp_path, told)
    with pytest.raises(ConfigError) as refused:
        reloading.reload(text(tmp_path, **tables))
    assert key in [problem.key for problem in refused.value.problems]
    assert (told, place.contents, reloading.settings) == ([], {}, settings(tmp_path))


def test_what_no_fleet_can_have_is_refused(place: MemoryPlace, tmp_path: Path) -> None:
    given = Rules.of(0, settings_of({"model": {"base": "/base"}})).text
    with pytest.raises(ConfigError, match=r"fleet\.shared"):
        begin(place, tmp_path).reload(given)


@pytest.mark.parametrize("given", ["", "[]", '{"model": {"base": "/base"}, "unheard_of": {}}'])
def test_what_cannot_be_read_is_refused_by_whoever_gets_it(given: str) -> None:
    with pytest.raises(ConfigError):
        Rules(1, given).settings()


def test_two_watchers_do_not_both_write_one_version(place: MemoryPlace, tmp_path: Path) -> None:
    one, other = begin(place, tmp_path), begin(place, tmp_path)
    one.reload(text(tmp_path, verify={"max_logit": 5.0}))
    with pytest.raises(ConfigError, match="another configuration came"):
        other.reload(text(tmp_path, verify={"max_logit": 6.0}))
    assert begin(place, tmp_path).settings.verify.max_logit == 5.0


def test_what_a_newer_program_has_written_is_left_alone(place: MemoryPlace, tmp_path: Path) -> None:
    """The watcher goes by what it was deployed with, and numbers go on."""
    place.create("reloads/d-000000000004", b'{"model": {"base": "/base"}, "unheard_of": {}}')
    made = begin(place, tmp_path)
    assert (made.rules.version, made.settings) == (4, settings(tmp_path))
