"""The configuration that a command line amounts to."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from hotswapd.daemon.config.errors import ConfigError
from hotswapd.daemon.config.line import Line
from hotswapd.daemon.config.settings import Settings

ENVIRON = {"HOME": "/home/ann"}


def settings(*sets: str, environ: dict[str, str] = ENVIRON, **given: Any) -> Settings:
    return Line("org/model", ["/a", "s3://bucket/runs/"], given, sets).settings(environ, 1000)


def problem(*sets: str, name: str = "default") -> str:
    with pytest.raises(ConfigError) as caught:
        Line("org/model", ["/a"], {}, sets, name).settings(ENVIRON, 1000)
    return str(caught.value)


def test_base_and_sources_are_all_that_is_needed() -> None:
    got = settings()
    assert got.model.base == "org/model"
    assert [source.name for source in got.source] == ["/a", "s3://bucket/runs/"]
    assert got.state.dir == Path("/home/ann/.local/state/hotswapd")
    assert got.control.socket == Path("/home/ann/.local/state/hotswapd/control.sock")
    assert got.serve == Settings.model_validate({"model": {"base": "m"}}).serve


def test_a_name_moves_state_and_socket() -> None:
    got = Line("m", name="sales").settings(ENVIRON, 0)
    assert (str(got.state.dir), str(got.control.socket)) == (
        "/var/lib/hotswapd-sales",
        "/run/hotswapd-sales/control.sock",
    )
    assert problem(name="a/b").startswith("--name: 'a/b' must be")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("serve.berths=3", lambda got: got.serve.berths == 3),
        ("model.dtype=bfloat16", lambda got: got.model.dtype == "bfloat16"),
        ('model.dtype="bfloat16"', lambda got: got.model.dtype == "bfloat16"),
        ("model.compile=false", lambda got: got.model.compile is False),
        ("verify.watch.seconds=60", lambda got: got.verify.watch.seconds == 60),
        ('admission.base_models=["*"]', lambda got: got.admission.base_models == ("*",)),
        ("source[0].settle=0.5", lambda got: got.source[0].settle == 0.5),
        ("source[1].region=eu-west-1", lambda got: got.source[1].region == "eu-west-1"),
        ('verify.probe=[{prompt = "a", contains = "b=c"}]', lambda got: got.verify.probe[0].contains == "b=c"),
        ("state.dir=/x", lambda got: got.state.dir == Path("/x")),
        ("serve.api_key_file=", lambda got: got.serve.api_key_file == ""),
    ],
)
def test_any_key_can_be_set(text: str, read: Any) -> None:
    assert read(settings(text))


def test_the_last_of_two_counts_and_the_line_beats_the_environment() -> None:
    environ = ENVIRON | {"HOTSWAPD_SERVE__BERTHS": "5", "HOTSWAPD_SERVE__MAX_QUEUE": "7", "HOTSWAPD_STATE__DIR": "/e"}
    got = settings("serve.berths=3", "serve.berths=4", environ=environ)
    assert (got.serve.berths, got.serve.max_queue, got.state.dir) == (4, 7, Path("/e"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("berths=3", "--set: 'berths=3' must be TABLE.KEY=VALUE"),
        ("serve.berths", "--set: 'serve.berths' must be TABLE.KEY=VALUE"),
        ("serve.berth=3", "serve.berth: there is no such key; did you mean berths?"),
        ("srve.berths=3", "srve: there is no such key; did you mean serve?"),
        ("serve.berths=0", "serve.berths: must be at least 2"),
        ("source[2].poll=1", "number 2 that was not given"),
        ("source.poll=1", "--set: 'source.poll' does not name a key of a table"),
        ("serve.berths.x=1", "serve.berths: must be a valid integer"),
        ("a b.c=1", "--set: 'a b.c' is not a key"),
    ],
)
def test_a_wrong_key_is_named(text: str, said: str) -> None:
    assert said in problem(text)


def test_options_stand_for_keys() -> None:
    arguments = Namespace(base="m", source=[], set=[], name="default", port=0, max_rank=8, log_format=None)
    got = Line.of(arguments).settings(ENVIRON, 1000)
    assert (got.serve.port, got.model.max_rank, got.log.format) == (0, 8, "auto")
    doctor = Namespace(base="m", source=["/a"], set=["log.format=json"], name="default")
    assert Line.of(doctor).settings(ENVIRON, 1000).log.format == "json"


def test_what_must_be_written_is_the_line_and_the_places() -> None:
    tables = Line("org/model", [], {}, ["state.keep=2"]).tables(ENVIRON, 1000)
    assert tables == {
        "model": {"base": "org/model"},
        "state": {"dir": "/home/ann/.local/state/hotswapd", "keep": 2},
        "control": {"socket": "/home/ann/.local/state/hotswapd/control.sock"},
    }
