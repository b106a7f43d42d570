"""docs/fleet-rayservice.yaml: its Serve application is ours, and its configuration is that of a fleet."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hotswapd.daemon.config.fleet_settings import fleet_settings

DOCUMENTS = list(yaml.safe_load_all((Path(__file__).parents[2] / "docs" / "fleet-rayservice.yaml").read_text()))
SERVICE: dict[str, Any] = next(one for one in DOCUMENTS if one["kind"] == "RayService")["spec"]


def test_the_configuration_is_one_of_a_fleet(tmp_path: Path) -> None:
    (name, text), *more = next(one for one in DOCUMENTS if one["kind"] == "ConfigMap")["data"].items()
    assert not more
    (tmp_path / name).write_text(text)
    settings = fleet_settings(tmp_path / name, {})
    (workers,) = SERVICE["rayClusterConfig"]["workerGroupSpecs"]
    assert settings.fleet.replicas == workers["replicas"]
    (container,) = workers["template"]["spec"]["containers"]
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    assert {settings.fleet.shared, "/etc/hotswapd"} <= mounted
    assert int(container["resources"]["limits"]["nvidia.com/gpu"]) >= settings.fleet.gpus_per_replica
    for key in (settings.serve.api_keys_file, settings.control.key_file):
        assert Path(str(key)).name in next(one for one in DOCUMENTS if one["kind"] == "Secret")["stringData"]


def test_serve_takes_the_application() -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="the extra `ray` is not installed")
    found = schema.ServeDeploySchema.model_validate(yaml.safe_load(SERVICE["serveConfigV2"]))
    (application,) = found.applications
    assert application.import_path == "hotswapd.daemon.fleet.app:build"
    assert application.args == {"config": "/etc/hotswapd/hotswapd.toml"}
