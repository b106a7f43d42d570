"""``[fleet]``: what it says by itself, and what keeps the rest of a configuration from being that of a fleet."""

from pathlib import Path

import pytest

from hotswapd.daemon.config.fleet_settings import fleet_problems, fleet_settings, gpus_of, grows
from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings

SHARED = '[fleet]\nshared = "/shared"\n'


def load(tmp_path: Path, text: str = "", device: str = "auto") -> Settings:
    file = tmp_path / "hotswapd.toml"
    file.write_text(f'[model]\nbase = "b"\ndevice = "{device}"\n{text}')
    return load_settings(file, {})


def problems(tmp_path: Path, text: str) -> list[str]:
    return [str(one) for one in fleet_problems(load(tmp_path, text))]


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        ("s3://bucket", "must name a bucket and a prefix of its own in it"),
        ("s3://no/fleet", "must name a bucket and a prefix of its own in it"),
        ("shared", "must be an absolute path of a directory that every node has mounted, or s3://BUCKET/PREFIX"),
    ],
)
def test_the_shared_place_is_a_directory_or_a_prefix(tmp_path: Path, shared: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"fleet.shared: {said}"):
        load(tmp_path, f'[fleet]\nshared = "{shared}"\n')


def test_a_prefix_in_a_bucket_is_taken(tmp_path: Path) -> None:
    assert load(tmp_path, '[fleet]\nshared = "s3://bucket/fleet"\n').fleet.shared == "s3://bucket/fleet"


def test_one_process_needs_none_and_a_fleet_does(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == [
        "fleet.shared: is required for a fleet: name a directory that every node has mounted"
    ]
    assert problems(tmp_path, SHARED) == []


def test_what_serve_does_itself_is_named_by_its_key(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f'{SHARED}[serve]\ntls_cert = "/cert"\n')
    assert problem.startswith("serve.tls_cert: a fleet's HTTP is Ray Serve's: put TLS in front of it")


@pytest.mark.parametrize(("device", "gpus"), [("auto", 0.5), ("cuda", 0.5), ("cpu", 0.0)])
def test_a_model_on_the_cpu_takes_no_gpu(tmp_path: Path, device: str, gpus: float) -> None:
    assert gpus_of(load(tmp_path, f"{SHARED}gpus_per_replica = 0.5\n", device)) == gpus


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "hotswapd.toml"
    file.write_text('[model]\nbase = "b"\n[serve]\ntls_cert = "/cert"\n')
    with pytest.raises(ConfigError) as caught:
        fleet_settings(file, {})
    assert [problem.key for problem in caught.value.problems] == ["fleet.shared", "serve.tls_cert"]
    assert fleet_settings(file, {"HOTSWAPD_FLEET__SHARED": "/s", "HOTSWAPD_SERVE__TLS_CERT": ""}).fleet.shared


@pytest.mark.parametrize(("most", "fine"), [(0, True), (3, True), (4, True), (2, False)])
def test_the_number_of_replicas_may_grow_and_not_begin_above_its_bound(tmp_path: Path, most: int, fine: bool) -> None:
    text = f"{SHARED}replicas = 3\nmax_replicas = {most}\n"
    assert problems(tmp_path, text) == (
        [] if fine else ["fleet.max_replicas: is less than fleet.replicas = 3: set it to more, or to 0"]
    )
    assert grows(load(tmp_path, text)) == (most > 3)
