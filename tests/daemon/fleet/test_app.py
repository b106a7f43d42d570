"""The application for Ray Serve, from a configuration file: which deployments, how many, with what."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from hotswapd.daemon.config.errors import ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own
    pytest.importorskip("ray.serve", reason="the extra `ray` is not installed")
    from hotswapd.daemon.fleet.app import build

TOML = """\
[model]
base = "b"
[admission]
max_artifact_bytes = 1000
[serve]
berths = 6
max_queue = 10
max_drain = 30.0
[fleet]
replicas = 3
ingresses = 4
shared = "/shared"
patience = 9.0
gpus_per_replica = 0.5
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "hotswapd.toml"
    file.write_text(TOML)
    return file


def test_the_deployments_are_what_the_configuration_says(config: Path) -> None:
    ingress = build({"config": str(config)})._bound_deployment
    settings, together, replicas = ingress.init_args
    replica: Any = replicas._bound_deployment
    assert (ingress.num_replicas, replica.num_replicas) == (4, 3)
    assert replica.ray_actor_options["num_gpus"] == 0.5
    assert replica._deployment_config.max_ongoing_requests > settings.serve.max_queue
    assert replica.init_args == (settings, together)
    assert (together.shared, together.most) == ("/shared", 1000)
    assert (together.limits.patience, together.limits.max_drain, together.limits.berths) == (9.0, 30.0, 6)


def test_serve_changes_the_number_of_replicas_where_the_configuration_lets_it(config: Path) -> None:
    config.write_text(f"{TOML}max_replicas = 8\nrequests_per_replica = 5.0\n")
    replicas = build({"config": str(config)})._bound_deployment.init_args[2]
    scaling = replicas._bound_deployment._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (3, 8, 5.0)


def test_a_configuration_of_no_fleet_is_refused(config: Path) -> None:
    config.write_text('[model]\nbase = "b"\n')
    with pytest.raises(ConfigError, match=r"fleet\.shared: is required for a fleet"):
        build({"config": str(config)})


@pytest.mark.parametrize("args", [{}, {"config": "/a", "more": "1"}, {"confg": "/a"}])
def test_a_builder_takes_the_file_and_nothing_else(args: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="config: name the TOML file, and nothing else: config=FILE"):
        build(args)
