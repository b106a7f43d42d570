"""What ingresses count, as the watcher shows it: whole counts, so that nothing is lost, added twice or goes back."""

import shutil
import subprocess

from kits.clock import Clock
from kits.needs import need
from prometheus_client.parser import text_string_to_metric_families

from hotswapd.daemon.report.ingresses import IngressCounts
from hotswapd.daemon.report.metrics import Metrics

Shown = dict[tuple[str, str, str], float]


def ingress(*codes: int) -> Metrics:
    made = Metrics()
    for code in codes:
        made.request(code, 3, 7)
        made.key("alice", code, 7)
    return made


def shown(watcher: Metrics, name: str = "hotswapd_requests_total") -> Shown:
    """Map ingress, status and generation to what is shown."""
    families = text_string_to_metric_families(watcher.text([]).decode())
    samples = [one for family in families for one in family.samples if one.name == name]
    return {
        (one.labels["ingress"], one.labels.get("code", ""), one.labels.get("generation", "")): one.value
        for one in samples
    }


def test_each_ingress_is_shown_under_the_names_of_one_daemon() -> None:
    watcher = Metrics()
    told = watcher.counted_by_ingresses()
    told.hear("i" * 32, ingress(200, 200, 503).client_counts())
    told.hear("j" * 32, ingress(200).client_counts())
    first, second = "i" * 12, "j" * 12
    assert shown(watcher) == {(first, "200", "3"): 2, (first, "503", "3"): 1, (second, "200", "3"): 1}
    assert shown(watcher, "hotswapd_tokens_total") == {(first, "", "3"): 21, (second, "", "3"): 7}
    assert shown(watcher, "hotswapd_key_requests_total")[first, "200", ""] == 2
    assert shown(watcher, "hotswapd_key_tokens_total")[first, "", ""] == 21


def test_what_is_said_twice_counts_once_and_what_is_lost_is_in_the_next() -> None:
    watcher, made = Metrics(), ingress(200)
    told = watcher.counted_by_ingresses()
    for _ in range(2):
        told.hear("i", made.client_counts())
    made.request(200, 3, 7)
    made.client_counts()  # which never arrives
    made.request(200, 3, 7)
    told.hear("i", made.client_counts())
    assert shown(watcher) == {("i", "200", "3"): 3}


def test_a_watcher_that_starts_again_shows_what_was_shown_before() -> None:
    made, texts = ingress(200, 200), []
    for _ in range(2):
        watcher = Metrics()
        watcher.counted_by_ingresses().hear("i", made.client_counts())
        texts.append(shown(watcher))
    assert texts[0] == texts[1] == {("i", "200", "3"): 2}


def test_an_ingress_that_has_ended_is_shown_no_longer() -> None:
    clock, watcher = Clock(), Metrics()
    told = watcher.counted_by_ingresses()
    told._clock = clock
    told.hear("gone", ingress(200).client_counts())
    clock.advance(61.0)
    told.hear("i", ingress(200).client_counts())
    assert shown(watcher).keys() == {("i", "200", "3")}


def test_what_only_a_newer_ingress_counts_is_left_out() -> None:
    told = IngressCounts([])
    told.hear("i", [("hotswapd_unheard_of", (("a", "b"),), 1.0)])
    assert list(told.collect()) == []


def test_promtool_accepts_what_a_watcher_shows() -> None:
    need(shutil.which("promtool"), "promtool")
    watcher = Metrics()
    watcher.counted_by_ingresses().hear("i", ingress(200).client_counts())
    done = subprocess.run(["promtool", "check", "metrics"], input=watcher.text([]), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
