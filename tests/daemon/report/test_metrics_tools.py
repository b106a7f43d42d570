"""What Prometheus and Grafana make of the metrics: checked by promtool, name by name."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from kits.needs import need
from prometheus_client.parser import text_string_to_metric_families

from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.swap.lanes.tickets import LaneStatus

ROOT = Path(__file__).resolve().parents[3]
ALERTS = ROOT / "docs" / "alerts.yml"
DASHBOARD = ROOT / "docs" / "grafana-dashboard.json"
FROM_PROMETHEUS = {"up"}
OF_THE_SCRAPE = {"instance", "job", "le", "__name__"}


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    """Every metric with every label that it can have."""
    made = Metrics()
    made.lanes = lambda: [LaneStatus(generation=3, active=1, waiting=2)]
    for state in State:
        made.swap(state.value, "a", dict.fromkeys(("fetch", "admit", "stage", "verify", "pause"), 0.002))
    made.live(3, 'file:///a "quoted" \\ and\nmore', "ab")
    made.source("a", True, datetime(2026, 1, 1, tzinfo=UTC))
    made.recompiled()
    made.request(200, 3, 7)
    return made


@pytest.fixture(scope="module")
def labels(metrics: Metrics) -> dict[str, set[str]]:
    """Map each series' name to its labels' names."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
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


def alerts() -> list[dict]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_promtool_finds_nothing_to_say_about_the_metrics(metrics: Metrics):
    """Names, types, units and help as Prometheus wants them."""
    promtool("check", "metrics", given=metrics.text())


def test_promtool_takes_the_alerts():
    """Every rule parses."""
    promtool("check", "rules", "--lint-fatal", ALERTS)


def test_each_alert_fires_when_it_should_and_is_silent_when_all_is_well(tmp_path: Path):
    """Run by promtool over series that are made up for it."""
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    promtool("test", "rules", "alerts_test.yml", cwd=tmp_path)


def test_no_alert_is_without_its_test():
    """Each is named in the silent case and in one that makes it fire."""
    cases = Path(__file__).with_name("alerts_test.yml").read_text()
    for alert in alerts():
        assert f"alertname: {alert['alert']}}}" in cases
        assert f'alertname="{alert["alert"]}"' in cases


def test_each_alert_says_what_to_do():
    """A summary for the pager, an action for who was paged, and how bad it is."""
    for alert in alerts():
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert alert["annotations"]["summary"]
        assert len(alert["annotations"]["action"]) > 60


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_what_is_there(query: str, labels: dict[str, set[str]]):
    """Every metric and every label of the dashboard and of the alerts is one that the daemon has."""
    names = set(re.findall(r"\b(?:hotswapd|process)_\w+|\bup\b", re.sub(r'"[^"]*"', "", query)))
    assert names
    assert names <= set(labels) | FROM_PROMETHEUS
    known = OF_THE_SCRAPE.union(*(labels.get(name, set()) for name in names))
    grouped = {one for group in re.findall(r"\bby \(([^)]*)\)", query) for one in re.split(r",\s*", group)}
    matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
    assert grouped | matched <= known


def test_promtool_parses_every_query_of_the_dashboard(tmp_path: Path):
    """What Grafana fills in is filled in."""
    filled = [query.replace("$__rate_interval", "5m").replace("$instance", ".+") for query in queries()]
    rules = [{"record": f"query:{index}", "expr": query} for index, query in enumerate(filled)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", path)


def test_the_dashboards_panels_have_a_place_and_a_name_of_their_own():
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
