"""The status page in a real browser: what it shows, that it keeps up, and that it asks nobody but its own daemon."""

import copy
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kits.browser import ROLLOUT, Browser, chromium, overview
from kits.daemon_fakes import FakeFace
from kits.fronts import front

ARMS = [
    ["", "Live: Generation 5", "Beside: Generation 7"],
    ["Share of new requests", "95 %", "5 %"],
    ["Requests", "1043", "57"],
    ["Failed", "0", "3 (5.26 %)"],
    ["One token repeated", "2 (0.192 %)", "0"],
    ["Not finite", "0", "0"],
    ["Time to first token", "41 ms", "43 ms"],
    ["Time per token", "8.7 ms", "none yet"],
    ["Tokens per answer", "131", "144"],
    ["Log-probability per token", "-0.732", "-0.694"],
    ["Score", "0.813 from 31", "none yet"],
]
SHOWN = "!document.querySelector('#content').hidden"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def face() -> FakeFace:
    made = FakeFace()
    made.shown = overview()
    return made


@pytest.fixture
def url(face: FakeFace, tmp_path: Path) -> Iterator[str]:
    with front(face, tmp_path) as one:
        yield f"{one.url}/"


def test_channels_that_need_a_look_come_first_and_can_be_searched(browser: Browser, face: FakeFace, url: str) -> None:
    """With one channel there is no such part; with five hundred it stays short."""
    live = face.shown["status"]["live"]
    usual = {"live": live, "pinned": False, "paused": False, "rollout": None, "waiting": 0, "refused": None}
    names = ["support", *(f"c{index:03}" for index in range(499))]
    channels = [{**usual, "name": name, "refused": "rank_too_high" if name == "support" else None} for name in names]
    face.shown["status"]["channels"] = channels
    browser.open(url)
    browser.wait(SHOWN)
    assert "Refused: rank_too_high" in browser.text("#channels li")
    assert "and 480 more" in browser.text("#channels")
    browser.run("document.querySelector('#sought').value = 'C49'")
    browser.run("document.querySelector('#sought').dispatchEvent(new Event('input'))")
    assert browser.run("document.querySelectorAll('#channels li').length") == 9
    face.shown["status"]["channels"] = channels[:1]
    browser.wait("document.querySelector('#channels-card').hidden")


def test_everything_that_an_operator_asks_for_is_there(browser: Browser, url: str) -> None:
    """Live, berths, sources, queue with its reason, refusals with theirs, stages and both pictures."""
    browser.open(url)
    browser.wait(SHOWN)
    for selector, parts in {
        "#state": ["Ready"],
        "#live": ["Generation 5", "run-5", "Live for"],
        "#berths": ["5 active, 2 waiting", "Candidate"],
        "#sources": ["Up", "Down", "access denied"],
        "#queue": ["Waiting", "incomplete", "still being written", "next try in"],
        "#drops": ["g6", "Fetch", "Verify"],
        "#pictures": ["Generation 5 live", "Generation 6 before", "q_proj"],
        "#refusals": ["non_finite", "rank_too_high", "look at the training run"],
        "#actions": ["rollback"],
    }.items():
        assert [part for part in parts if part not in browser.text(selector)] == []
    assert browser.run("document.querySelectorAll('#timeline .life').length") == 7
    assert browser.run("document.querySelectorAll('#timeline .refusal').length") == 7


def test_a_fleet_shows_each_replica_and_one_daemon_none(browser: Browser, face: FakeFace, url: str) -> None:
    hidden = "document.querySelector('#replicas-card').hidden"
    one = {"name": "r#1", "serving": True, "silent": 0.1, "answering": [5, 6], "loaded": [], "active": 2, "waiting": 1}
    one |= {"trial": None, "trouble": None}
    trial = {"digest": "a", "uri": "file:///run-8", "answer": "refused", "code": "non_finite", "sentence": "NaN"}
    browser.open(url)
    browser.wait(SHOWN)
    assert browser.run(hidden)
    face.shown["status"]["replicas"] = [one, {**one, "name": "r#2", "serving": False, "answering": [], "trial": trial}]
    browser.wait(f"!{hidden}")
    for part in ("Serves", "r#1", "5", "6; 2 active, 1 waiting", "Starts", "The base alone", "refused: non_finite NaN"):
        assert part in browser.text("#replicas")
    assert browser.complaints() == []


def test_every_verdict_is_there_with_its_numbers(browser: Browser, face: FakeFace, url: str) -> None:
    """Behind a line that says how many passed; of what went live and of what a gate refused."""
    failed = {"gate": "probe", "outcome": "failed", "code": "probe_collapsed", "sentence": "one token for all"}
    face.shown["refusals"][0]["verify"] = [failed | {"numbers": {"same_token": 0.97}}]
    browser.open(url)
    browser.wait(SHOWN)
    assert "2 gates: 1 passed, 1 warned" in browser.text("#gates")
    assert "1 gate: 1 failed" in browser.text("#refusals")
    assert "same_token 0.97" not in browser.text("#refusals")
    for summary in browser.chrome.find_elements("css selector", "#gates summary, #refusals li summary"):
        summary.click()
    for part in ("largest_logit 24.3", "change not finite", "update_norm 12", "update_outgrown: the update's norm"):
        assert part in browser.text("#gates")
    assert "same_token 0.97" in browser.text("#refusals")
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints() == []


def test_both_arms_of_a_rollout_are_side_by_side(browser: Browser, face: FakeFace, url: str) -> None:
    """With what it waits for; before and after there is nothing of it, and a screen reader is told of both moments."""
    hidden = "document.querySelector('#rollout-card').hidden"
    without, running = face.shown, copy.deepcopy(face.shown)
    running["status"]["rollout"] = ROLLOUT
    browser.open(url)
    browser.wait(SHOWN)
    assert browser.run(hidden)
    face.shown = running
    browser.wait(f"!{hidden}")
    assert (
        browser.run("document.querySelector('#said').textContent")
        == "Generation 7 is now running beside the live generation."
    )
    table = browser.run(
        "[...document.querySelectorAll('#rollout tr')].map((row) => [...row.cells].map((c) => c.innerText))"
    )
    assert table == ARMS
    assert "Step 1 of 3: 5, 25, 100 % of new requests" in browser.text("#rollout")
    assert f"Waiting for {ROLLOUT['waits_for']}." in browser.text("#rollout")
    scopes = browser.run("[...document.querySelectorAll('#rollout th')].map((head) => head.scope)")
    assert scopes == ["col"] * 2 + ["row"] * (len(ARMS) - 1)
    face.shown = without
    browser.wait(hidden)
    assert browser.run("document.querySelector('#said').textContent") == "The rollout has ended."
    assert browser.complaints() == []


def test_it_asks_only_its_own_daemon(browser: Browser, url: str) -> None:
    """No other host, and no script or style that the policy refuses."""
    browser.open(url)
    browser.wait(SHOWN)
    assert all(asked.startswith((url, "data:")) for asked in browser.requests())
    assert browser.complaints() == []
    assert "default-src 'none'" in httpx.get(url).headers["Content-Security-Policy"]


def test_it_keeps_up_and_tells_a_screen_reader(browser: Browser, face: FakeFace, url: str) -> None:
    """A new generation appears without a reload, and one sentence is announced."""
    browser.open(url)
    browser.wait(SHOWN)
    after = copy.deepcopy(face.shown)
    after["status"]["live"] |= {"generation": 7, "uri": "s3://training/llama-support/run-7"}
    face.shown = after
    browser.wait("document.querySelector('#live').innerText.includes('Generation 7')")
    assert browser.run("document.querySelector('#said').textContent") == "Generation 7, run-7, is live."


def test_names_are_text(browser: Browser, face: FakeFace, url: str) -> None:
    """An adapter's name cannot bring markup in."""
    face.shown["status"]["live"]["uri"] = "file:///srv/<img src=x onerror=document.title='owned'>"
    browser.open(url)
    browser.wait(SHOWN)
    assert "<img" in browser.text("#live")
    assert browser.run("document.querySelectorAll('main img').length") == 0


def test_an_answer_it_cannot_show_is_not_an_outage(browser: Browser, face: FakeFace, url: str) -> None:
    """The page of an older daemon may be open still; it shows what comes as soon as it can again."""
    berths = face.shown["status"]["berths"]
    face.shown["status"]["berths"] = "two"
    browser.open(url)
    browser.wait("!document.querySelector('#contact').hidden")
    assert "this page cannot show it" in browser.text("#contact")
    assert "Reload" in browser.text("#contact")
    face.shown["status"]["berths"] = berths
    browser.wait(SHOWN)
    assert browser.run("document.querySelector('#contact').hidden")
    assert browser.text("#berths")


def test_a_lost_daemon_is_said_and_the_last_answer_stays(browser: Browser, face: FakeFace, tmp_path: Path) -> None:
    """What was seen last is dimmed, with the moment since which nothing came."""
    with front(face, tmp_path) as one:
        browser.open(f"{one.url}/")
        browser.wait(SHOWN)
    browser.wait("!document.querySelector('#contact').hidden")
    assert "No answer since" in browser.text("#contact")
    assert "Generation 5" in browser.text("#live")


def test_with_a_key_nothing_is_shown_before_it(browser: Browser, face: FakeFace, tmp_path: Path) -> None:
    """The page's files hold no secret; its answer needs the key, and a wrong one is said to be wrong."""
    (tmp_path / "key").write_text("sesame\n")
    with front(face, tmp_path, api_key_file=str(tmp_path / "key")) as one:
        url = f"{one.url}/"
        assert httpx.get(f"{url}status.json").status_code == 401
        assert httpx.get(f"{url}status.json", headers={"Authorization": "Bearer sesame"}).status_code == 200
        browser.open(url)
        browser.wait("!document.querySelector('#key-form').hidden")
        assert browser.text("#live") == ""
        field = browser.chrome.find_element("id", "key")
        field.send_keys("wrong\n")
        browser.wait("document.querySelector('#key-wrong').textContent !== ''")
        field.send_keys("sesame\n")
        browser.wait(SHOWN)
        assert "Generation 5" in browser.text("#live")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser: Browser, face: FakeFace, url: str, width: int) -> None:
    """A telephone needs no scrolling sideways."""
    face.shown["status"]["rollout"] = ROLLOUT
    browser.open(url, width=width)
    browser.wait(SHOWN)
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")


def test_keyboard_and_screen_reader_find_their_way(browser: Browser, face: FakeFace, url: str) -> None:
    """Landmarks, one first heading, captions, names for charts and fields, and a way past the header."""
    face.shown["status"]["rollout"] = ROLLOUT
    browser.open(url)
    browser.wait(SHOWN)
    assert browser.run("['header', 'main', 'footer'].every((name) => document.querySelector(name))")
    assert browser.run("document.querySelectorAll('h1').length") == 1
    assert browser.run("[...document.querySelectorAll('table')].every((table) => table.caption)")
    assert browser.run("[...document.querySelectorAll('svg')].every((one) => one.getAttribute('aria-label'))")
    assert browser.run("[...document.querySelectorAll('input')].every((input) => input.labels.length)")
    assert browser.run("document.querySelector('#said').getAttribute('aria-live')") == "polite"
    browser.chrome.find_element("css selector", "body").send_keys("\ue004")
    assert browser.run("document.activeElement.className") == "skip"
