"""The status page of the real daemon in a real browser that nobody reloads: adapters come, and the daemon dies."""

from collections.abc import Iterator

import pytest
from kits.browser import Browser, chromium
from kits.faults import Clients
from kits.room import LIMIT, Room

# A page that somebody reloaded has lost this.
MARK = "window.neverReloaded"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def shows(browser: Browser, selector: str, *words: str) -> None:
    """Wait until an element shows all these words, on the page that was opened at the start."""
    for word in words:
        browser.wait(f"document.querySelector({selector!r})?.innerText.includes({word!r})", LIMIT)
    assert browser.run(MARK) == "so far"


def test_the_page_follows_adapters_and_restarts(room: Room, browser: Browser) -> None:
    process = room.ready()
    url = Clients(room).url
    browser.open(f"{url}/")
    browser.wait("!document.querySelector('#content').hidden", LIMIT)
    browser.run(f"{MARK} = 'so far'")
    shows(browser, "#state", "Ready")

    room.drop("run-0", "good-one")
    shows(browser, "#live", "Generation 1", "good-one")
    shows(browser, "#drops", "g1")

    row = room.outcome(room.drop("run-1", "bad-one", spoilt="nan"))
    shows(browser, "#refusals", "bad-one", row["reason"], row["detail"].partition(": ")[2])
    shows(browser, "#live", "Generation 1", "good-one")
    assert browser.complaints() == []

    process.kill()
    shows(browser, "#contact", "No answer since", "it cannot be reached")
    assert browser.run("document.querySelector('#content').classList.contains('stale')")

    room.ready(HOTSWAPD_SERVE__PORT=url.rpartition(":")[2])
    browser.wait("document.querySelector('#contact').hidden", LIMIT)
    shows(browser, "#state", "Ready")
    shows(browser, "#live", "Generation 1", "good-one")
    shows(browser, "#refusals", "bad-one")
    assert not browser.run("document.querySelector('#content').classList.contains('stale')")
    room.drop("run-2", "after-it")
    shows(browser, "#live", "Generation 2", "after-it")
