"""A headless Chromium that opens the status page, and what a daemon with a history sends it."""

import base64
import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.ui import WebDriverWait

from kits.daemon_fakes import STATUS
from kits.needs import need

LIMIT = 30.0
"""Seconds after which something that the page should show has failed to appear."""
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Start a browser with an empty profile, and end it."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(program and driver, "chromium with its driver")
    with tempfile.TemporaryDirectory(prefix="hotswapd-browser-", ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = str(program)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        chrome = Chrome(options=options, service=ChromeService(executable_path=driver))
        try:
            yield Browser(chrome)
        finally:
            chrome.quit()


class Browser:
    """One tab."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a page in a window of this size and colour scheme, and forget what was logged before."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.chrome.get("about:blank")  # the page before asks nothing more, then what it asked is forgotten
        self.complaints()
        self._log("performance")
        self.chrome.get(url)

    def _log(self, name: str) -> list[dict[str, Any]]:
        return list(self.chrome.get_log(name))  # type: ignore[no-untyped-call]

    def wait(self, script: str, limit: float = LIMIT) -> Any:
        """Wait until an expression of JavaScript is true, and return its value."""
        return WebDriverWait(self.chrome, limit, poll_frequency=0.1).until(lambda _: self.run(script), script)

    def run(self, script: str) -> Any:
        """Return an expression's value."""
        return self.chrome.execute_script(f"return ({script});")

    def text(self, selector: str) -> str:
        """Return the visible text of the first element that matches; empty when there is none."""
        return str(self.run(f"document.querySelector({selector!r})?.innerText ?? ''"))

    def complaints(self) -> list[str]:
        """Return what the browser has complained about since the last call: errors of scripts, refused resources."""
        return [line["message"] for line in self._log("browser") if line["level"] in ("SEVERE", "WARNING")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the page was opened or since the last call."""
        found = []
        for line in self._log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return found

    def picture(self, path: Path) -> Path:
        """Save the whole page as a PNG."""
        size = self.chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))
        return path


def overview(now: datetime | None = None, layers: int = 24) -> dict[str, Any]:
    """Make what a daemon sends its page after some hours: swaps, a rollback, refusals, a queue."""
    at = now or datetime.now(UTC)
    lives = [_life(at - timedelta(minutes=minutes), number, back) for minutes, number, back in _LIVES]
    live = {**STATUS["live"], "generation": lives[0]["generation"], "uri": lives[0]["uri"], "since": lives[0]["at"]}
    soon, just = stamp(at + timedelta(seconds=42)), stamp(at - timedelta(seconds=3))
    queue = [{**STATUS["queue"][0], "next_try": soon}]
    sources = [{**one, "last_scan": just if one["ok"] else None} for one in STATUS["sources"]]
    resident = {**STATUS["resident"], "base": "meta-llama/Llama-3.1-8B-Instruct", "device": "cuda:0"}
    (berth,) = STATUS["berths"]
    berths = [
        {**berth, "generation": live["generation"], "active": 5, "waiting": 2},
        {**berth, "berth": 1, "channel": None, "generation": 6, "use": "draining", "active": 1, "waiting": 0},
        {**berth, "berth": 2, "channel": None, "generation": -1, "use": "candidate", "active": 0, "waiting": 0},
    ]
    changed = {"live": live, "queue": queue, "sources": sources, "resident": resident, "berths": berths}
    return {
        "now": stamp(at),
        "version": "0.1.0",
        "status": {**STATUS, **changed, "queue_depth": 1, "phase": None, "trouble": None},
        "lives": lives,
        "refusals": [_refusal(at - timedelta(minutes=minutes), index) for index, minutes in enumerate(_REFUSED)],
        "actions": [{"at": lives[0]["at"], "action": "rollback", "argument": "", "result": "done"}],
        "pictures": [_picture(live["generation"], layers, 0.0), _picture(6, layers, 1.0)],
    }


ROLLOUT: dict[str, Any] = {
    "kind": "canary",
    "share": 5.0,
    "steps": [5.0, 25.0, 100.0],
    "salt": "ab" * 32,
    "seconds": 71.3,
    "waits_for": "57 of 200 requests in the canary arm, 71 of 300 seconds",
    "live": {
        "generation": 5,
        "requests": 1043,
        "errors": 0,
        "degenerate": 2,
        "non_finite": 0,
        "feedback": 31,
        "first_token_seconds": 0.0412,
        "seconds_a_token": 0.0087,
        "tokens": 131.0,
        "mean_logprob": -0.7321,
        "mean_score": 0.8125,
    },
    "canary": {
        "generation": 7,
        "requests": 57,
        "errors": 3,
        "degenerate": 0,
        "non_finite": 0,
        "feedback": 0,
        "first_token_seconds": 0.0431,
        "tokens": 144.0,
        "mean_logprob": -0.6944,
    },
}
"""A canary at its first step, that nobody has rated yet."""


def stamp(at: datetime) -> str:
    """Write a moment as the daemon does."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Minutes ago, generation, and whether it was a rollback.
_LIVES = (
    (12, 5, True),
    (44, 6, False),
    (97, 5, False),
    (161, 4, False),
    (230, 3, False),
    (262, 2, False),
    (335, 1, False),
)
_REFUSED = (31, 96, 180, 184, 250, 330, 332)
_TRAINING = "look at the training run: its loss has probably diverged"
_REASONS = (
    ("non_finite", f"layers.0.q_proj.lora_B.weight: wanted finite values, got NaN or infinity; {_TRAINING}"),
    ("rank_too_high", "r: wanted at most 64, got 128; train with a lower rank, or raise model.max_rank and restart"),
    ("other_base", "base_model_name_or_path: wanted meta-llama/Llama-3.1-8B-Instruct, got 'mistralai/Mistral-7B-v0.1'"),
)


def _life(at: datetime, number: int, back: bool) -> dict[str, Any]:
    wave = 1 + 0.8 * math.sin(number * 2.1)
    seconds = {"fetch": 2.1 * wave, "admit": 0.06, "stage": 0.35 * wave, "verify": 0.9, "pause": 0.0017 * wave**2}
    none = dict.fromkeys(seconds) | {"pause": 0.0011}
    return {
        "at": stamp(at),
        "sighted": stamp(at - timedelta(seconds=6 * wave)),
        "state": "RETIRED",
        "generation": number,
        "uri": f"s3://training/llama-support/run-{number}",
        "digest": f"{number:02d}" * 32,
        "source": "operator" if back else "s3://training/llama-support/",
        "total": 0.0 if back else 2.6 + 4.5 * wave,
        "seconds": none if back else seconds,
        "verify": [] if back else verdicts(number),
    }


def verdicts(number: int) -> list[dict[str, Any]]:
    """Make what the gates found of a generation; its update outgrew what is usual, which is a warning."""
    warned = {"outcome": "warned", "code": "update_outgrown", "sentence": "the update's norm is 12, look at lora_alpha"}
    fine = {"outcome": "passed", "code": None, "sentence": None}
    probe = {"finite": 1.0, "largest_logit": 18.25 + number, "change": None}
    return [{"gate": "norms", **warned, "numbers": {"update_norm": 12.0}}, {"gate": "probe", **fine, "numbers": probe}]


def _refusal(at: datetime, index: int) -> dict[str, Any]:
    reason, detail = _REASONS[index % len(_REASONS)]
    return {
        "at": stamp(at),
        "state": "REJECTED",
        "reason": reason,
        "detail": detail,
        "generation": None,
        "uri": f"s3://training/llama-support/try-{9 - index}",
        "digest": "cd" * 32,
        "source": "s3://training/llama-support/",
    }


def _picture(number: int, layers: int, phase: float) -> dict[str, Any]:
    kinds = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    norms = [
        [round(0.4 + abs(math.sin(layer / 7 + kind + phase)) * (1 + layer / layers) * 0.8, 4) for kind in range(7)]
        for layer in range(layers)
    ]
    return {
        "generation": number,
        "digest": "ab" * 32,
        "layers": list(map(str, range(layers))),
        "kinds": kinds,
        "norms": norms,
    }
