"""What can be pasted once the daemon answers."""

import json
import shlex
from pathlib import Path

import pytest

from hotswapd.daemon.commands.invitation import invitation
from hotswapd.daemon.config.line import Line

ADDRESS = ("127.0.0.1", 8080)


def lines(*sources: str, base: str = "org/model", sets: tuple[str, ...] = (), name: str = "") -> list[str]:
    settings = Line(base, sources, {}, sets).settings({"HOME": "/h"}, 1000)
    return [line.strip() for line in invitation(settings, ADDRESS, name).splitlines()]


def words(said: list[str], program: str) -> list[str]:
    return next(shlex.split(line) for line in said if line.startswith(program))


def test_the_question_is_a_request_as_it_must_be() -> None:
    """As a shell splits it, whatever the base is called."""
    asked = words(lines(base='o/it\'s "b"'), "curl")
    assert asked[2] == "http://localhost:8080/v1/completions"
    assert json.loads(asked[-1])["model"] == 'o/it\'s "b"'


def test_a_key_is_read_when_it_is_asked() -> None:
    said = lines(sets=("serve.api_key_file=/k e/y",))
    assert words(said, "curl")[-2:] == ["-H", "Authorization: Bearer $(cat '/k e/y')"]
    assert not any("Authorization" in line for line in lines())


def test_one_of_several_keys_and_tls_are_for_the_reader_to_fill_in() -> None:
    """The file holds digests, and only its owner knows which name the certificate is for."""
    said = lines(sets=("serve.api_keys_file=/keys", "serve.tls_cert=/cert"))
    assert words(said, "curl")[2] == "https://localhost:8080/v1/completions"
    assert words(said, "curl")[-1] == "Authorization: Bearer YOUR-KEY"


def test_each_source_has_its_way_in() -> None:
    said = lines("/srv/a b", "s3://bucket/runs/", "hf://org/adapter@v2")
    assert words(said, "cp") == ["cp", "-r", "YOUR-ADAPTER", "/srv/a b/"]
    assert words(said, "hotswapd publish")[-2:] == ["YOUR-ADAPTER", "s3://bucket/runs/NAME"]
    assert "# push a commit to org/adapter (v2)" in said


def test_without_a_source_it_says_how_to_name_one() -> None:
    assert any("nothing is watched" in line for line in lines())


def test_a_named_daemon_is_asked_by_its_name() -> None:
    assert "hotswapd status --watch --name sales" in lines(name="sales")
    assert "hotswapd status --watch" in lines()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://localhost:1"),
        ("::1", "http://localhost:1"),
        ("10.0.0.7", "http://10.0.0.7:1"),
        ("fd00::7", "http://[fd00::7]:1"),
    ],
)
def test_the_address_can_be_opened(host: str, url: str) -> None:
    settings = Line("m", [str(Path("/a"))]).settings({"HOME": "/h"}, 1000)
    assert f"  {url}/" in invitation(settings, (host, 1)).splitlines()
