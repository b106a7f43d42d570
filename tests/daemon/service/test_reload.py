"""SIGHUP to the real daemon: a new configuration is taken whole or not at all, and the model is not touched."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import BAD
from kits.room import Room, home

from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings
from hotswapd.daemon.service.reload import changed, open_fresh, read_again


def settings(**tables: Any) -> Settings:
    return Settings(**{"model": {"base": "org/base"}, **tables})


def folder(path: str, **keys: Any) -> dict[str, Any]:
    return {"kind": "local", "path": path, **keys}


def test_every_key_that_needs_a_restart_is_named() -> None:
    """All of them at once, with what it is and what it would be."""
    new = settings(serve={"port": 9999, "max_drain": 3.0}, state={"dir": "/elsewhere"}, log={"level": "debug"})
    with pytest.raises(ConfigError) as refused:
        read_again(lambda: new, settings())
    assert [problem.key for problem in refused.value.problems] == ["serve.port", "state.dir"]
    assert "'8080' to '9999'" in refused.value.sentence
    assert "restart" in refused.value.sentence


def test_how_one_channel_takes_over_needs_a_restart() -> None:
    """It is named; where the table of all channels has changed, that says it for them."""

    def of(mode: str, weight: float) -> Settings:
        channels = [{"name": "a", "rollout": {"mode": mode}}, {"name": "b"}]
        return settings(rollout={"weight": weight}, channel=channels)

    for new, keys in (
        (of("canary", 20.0), ["channel a.rollout"]),
        (of("ab", 30.0), ["rollout.weight"]),
        (of("canary", 30.0), ["rollout.weight"]),
    ):
        with pytest.raises(ConfigError) as refused:
            read_again(lambda new=new: new, of("ab", 20.0))  # type: ignore[misc]
        assert [problem.key for problem in refused.value.problems] == keys
    assert changed(of("ab", 20.0), read_again(lambda: of("ab", 20.0), of("ab", 20.0))) == []


def test_sources_policies_log_and_limits_may_change() -> None:
    """None of them is part of what is loaded or listened on."""
    new = settings(
        source=[folder("/b")],
        admission={"base_models": ["*"]},
        log={"level": "debug"},
        serve={"max_drain": 3.0},
        state={"keep": 9, "max_bytes": 1 << 30},
    )
    assert read_again(lambda: new, settings()) is new
    assert changed(settings(), new) == ["source", "admission", "serve", "state", "log"]


def test_an_unreadable_key_file_refuses_the_reload(tmp_path: Path) -> None:
    """The sentence names the key and the file."""
    lost = str(tmp_path / "lost")
    new = settings(source=[{"kind": "hub", "repo": "org/a", "token_file": lost}])
    with pytest.raises(ConfigError, match=r"token_file: .*lost cannot be read"):
        read_again(lambda: new, settings())


def test_only_what_is_described_otherwise_is_watched_anew() -> None:
    """A table that is as it was keeps its watch, unless a limit that all of them have has changed."""
    old = settings(source=[folder("/a"), folder("/b")])
    new = settings(source=[folder("/a"), folder("/b", settle=9.0), folder("/c")])
    assert [source.name for source in open_fresh(old, new)] == ["/b", "/c"]
    smaller = settings(source=[folder("/a"), folder("/b")], admission={"max_artifact_bytes": 5})
    assert [source.name for source in open_fresh(old, smaller)] == ["/a", "/b"]


def test_a_source_that_cannot_be_opened_refuses_the_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is in the sentence, and no source is opened twice for it."""

    def fail(*_: object) -> None:
        raise OSError("no more watches")

    monkeypatch.setattr("hotswapd.daemon.service.reload.open_source", fail)
    with pytest.raises(ConfigError, match="cannot be watched: no more watches") as caught:
        open_fresh(settings(), settings(source=[folder(str(tmp_path), name="runs")]))
    assert [problem.key for problem in caught.value.problems] == ["source runs"]


def test_a_file_that_is_no_configuration_any_more_is_refused(tmp_path: Path) -> None:
    """Whatever is wrong with it, what was read before stays."""
    file = tmp_path / "hotswapd.toml"
    file.write_text("[model\n")
    with pytest.raises(ConfigError, match="not TOML"):
        read_again(lambda: load_settings(file, {}), settings())


def reload(room: Room, event: str) -> dict[str, Any]:
    """Have it read the configuration again, and wait until it says how that went."""
    assert room.process is not None
    times = len(room.events(event)) + 1
    room.process.signal(signal.SIGHUP)
    return room.until_logged(event, times)


def test_a_reload_takes_all_of_it_or_nothing(room: Room) -> None:
    """Refused: status says which key, and the old source is still watched. Taken: the new one is, the model stays."""
    process = room.ready()
    room.config.write_text(room.config.read_text().replace("settle = 0.1", "settle = 0.1\nsetle = 1"))
    refused = reload(room, "reload_refused")
    assert refused["key"] == "source[0].setle"
    room.expect("STATUS", lambda said: "the last reload was refused: source[0].setle" in said)
    assert "source[0].setle" in room.status()["reload_refused"]
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
    more = room.root / "more"
    more.mkdir()
    room.configure(log='level = "debug"', source=f'kind = "local"\nname = "more"\npath = "{more}"\nsettle = 0.1')
    notes = len(room.hear())
    assert reload(room, "reloaded")["changed"] == ["source", "log"]
    reloading = room.expect("RELOADING", after=notes)
    assert int(reloading["MONOTONIC_USEC"]) > 0
    ready = room.expect("READY", after=notes)
    assert "refused" not in ready["STATUS"]
    assert room.status()["reload_refused"] is None
    assert [source["name"] for source in room.status()["sources"]] == ["more"]
    room.drop("run-1")  # nobody looks there any more
    shutil.copytree(home() / "run-2", more / "run-2")
    assert room.outcome((more / "run-2").as_uri())["generation"] == 2
    assert process.ended() is None
    assert len(room.events("listening")) == 1


def test_another_policy_tries_what_was_refused(room: Room) -> None:
    """An adapter of another base is live once its name is admitted, without a restart."""
    room.ready()
    place = room.root / "adapters" / "other"
    shutil.copytree(home() / "run-0", room.root / "adapters" / ".part")
    BAD["other_base"][0](room.root / "adapters" / ".part")
    (room.root / "adapters" / ".part").rename(place)
    assert room.outcome(place.as_uri())["reason"] == "other_base"
    room.configure(admission='base_models = ["some/other-model"]')
    reload(room, "reloaded")
    room.until(lambda: room.live() == 1, "it is not looked at again")


def test_a_storm_of_reloads_leaves_it_serving(room: Room) -> None:
    """Many at once are one or a few; the last configuration counts."""
    process = room.ready()
    for _ in range(50):
        process.signal(signal.SIGHUP)
    room.until_logged("reloaded")
    room.configure(log='level = "warning"')
    process.signal(signal.SIGHUP)
    room.until(lambda: room.hear()[-1].get("READY") == "1" or room.status()["ready"], "it is not ready any more")
    assert room.outcome(room.drop("run-0"))["state"] == "LIVE"
