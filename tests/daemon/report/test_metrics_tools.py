"""What Prometheus and Grafana make of the metrics: checked by promtool, name by name."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from kits.exposition import ROLLOUT, Held
from kits.needs import need
from prometheus_client.parser import text_string_to_metric_families

from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.replicas import ReplacedStatus, ReplicaStatus
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.replicas import replica_metrics

ROOT = Path(__file__).resolve().parents[3]
ALERTS = ROOT / "docs" / "alerts.yml"
DASHBOARD = ROOT / "docs" / "grafana-dashboard.json"
REPLICA: ReplicaStatus = {
    "name": "r0",
    "serving": True,
    "silent": 0.5,
    "answering": [3, 4],
    "loaded": [],
    "active": 3,
    "waiting": 1,
    "trial": None,
    "trouble": None,
}
REPLACED: ReplacedStatus = {"counts": {"replica_odd": 1, "replica_late": 0}, "last": []}
FROM_PROMETHEUS = {"up"}
OF_THE_SCRAPE = {"instance", "job", "le", "__name__"}


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    """Every metric with every label that it can have."""
    made = Metrics()
    for state in State:
        made.swap(state.value, "a", dict.fromkeys(("fetch", "admit", "stage", "verify", "pause"), 0.002))
    made.live(3, 'file:///a "quoted" \\ and\nmore', "ab")
    made.source("a", True, datetime(2026, 1, 1, tzinfo=UTC))
    made.recompiled()
    made.request(200, 3, 7)
    made.key("alice", 200, 7)
    made.connections(1)
    made.refused_connection()
    made.stalled(1.0)
    return made


@pytest.fixture(scope="module")
def labels(metrics: Metrics) -> dict[str, set[str]]:
    """Map each series' name to its labels' names."""
    found: dict[str, set[str]] = {}
    shown = metrics.text([Held(3, active=1, waiting=2)], {"default": ROLLOUT}) + replica_metrics([REPLICA], REPLACED)
    for family in text_string_to_metric_families(shown.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def promtool(*arguments: object, given: bytes = b"", cwd: Path | None = None) -> None:
    need(shutil.which("promtool"), "promtool")
    command = ["promtool", *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False, cwd=cwd)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def queries() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    found += [note["expr"] for note in dashboard["annotations"]["list"]]
    found += [rule["expr"] for rule in alerts()]
    return [" ".join(query.split()) for query in found]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_promtool_accepts_the_metrics(metrics: Metrics) -> None:
    """Names, types, units and help as Prometheus wants them."""
    shown = metrics.text([Held(3, active=1, waiting=2)])
    promtool("check", "metrics", given=shown + replica_metrics([REPLICA, {**REPLICA, "name": "r1"}], REPLACED))


def test_each_replica_of_a_fleet_is_shown_and_one_daemon_has_none() -> None:
    assert replica_metrics([]) == b""
    lines = replica_metrics([REPLICA, {**REPLICA, "name": "r1", "serving": False}], REPLACED).decode().splitlines()
    for line in (
        'hotswapd_replica_serving{replica="r0"} 1.0',
        'hotswapd_replica_serving{replica="r1"} 0.0',
        'hotswapd_replica_silent_seconds{replica="r0"} 0.5',
        'hotswapd_replica_generations{replica="r0"} 2.0',
        'hotswapd_replica_requests{replica="r0",state="active"} 3.0',
        'hotswapd_replica_requests{replica="r0",state="waiting"} 1.0',
        'hotswapd_replicas_replaced_total{code="replica_odd"} 1.0',
        'hotswapd_replicas_replaced_total{code="replica_late"} 0.0',
    ):
        assert line in lines


def test_promtool_accepts_the_alerts() -> None:
    """Every rule parses."""
    promtool("check", "rules", "--lint-fatal", ALERTS)


def test_each_alert_fires_when_it_should(tmp_path: Path) -> None:
    """And is silent when all is well; run by promtool over made-up series."""
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    promtool("test", "rules", "alerts_test.yml", cwd=tmp_path)


def test_no_alert_is_without_its_test() -> None:
    """Each is named in the silent case and in one that makes it fire."""
    cases = Path(__file__).with_name("alerts_test.yml").read_text()
    for alert in alerts():
        assert f"alertname: {alert['alert']}}}" in cases
        assert f'alertname="{alert["alert"]}"' in cases


def test_each_alert_says_what_to_do() -> None:
    """A summary for the pager, an action for who was paged, and how bad it is."""
    for alert in alerts():
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert alert["annotations"]["summary"]
        assert len(alert["annotations"]["action"]) > 60


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_existing_metrics(query: str, labels: dict[str, set[str]]) -> None:
    """Every metric and every label of the dashboard and of the alerts is one that the daemon has."""
    names = set(re.findall(r"\b(?:hotswapd|process)_\w+|\bup\b", re.sub(r'"[^"]*"', "", query)))
    assert names
    assert names <= set(labels) | FROM_PROMETHEUS
    known = OF_THE_SCRAPE.union(*(labels.get(name, set()) for name in names))
    grouped = {one for group in re.findall(r"\bby \(([^)]*)\)", query) for one in re.split(r",\s*", group)}
    matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
    assert grouped | matched <= known


def test_promtool_parses_every_query(tmp_path: Path) -> None:
    """What Grafana fills in is filled in."""
    filled = [query.replace("$__rate_interval", "5m").replace("$instance", ".+") for query in queries()]
    rules = [{"record": f"query:{index}", "expr": query} for index, query in enumerate(filled)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", path)


def test_panels_have_their_own_place_and_name() -> None:
    """No two panels have one id, and none lies over another."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] for panel in panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
