"""docs/operations.md against the program: every command in it exists, every exit status and every alert is in it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotswapd.daemon.commands.parser import make_parser
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.host.exits import Exit

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text()
NAMES = {"DIR": "/srv/a", "URI": "file:///srv/a", "N": "3", "DEST": "/srv/b"}
"""What stands for an argument of the reader's own."""


def commands() -> Iterator[str]:
    """Yield each command of ours: a line of a block, or a span in the text that is more than the program's name."""
    for block in re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        yield from (line for line in block.splitlines() if line.startswith("hotswapd "))
    without = re.sub(r"^```\n.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"`(hotswapd [^`]+)`", without))


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def headings() -> list[str]:
    return re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_each_command_is_one_that_the_program_takes(command: str) -> None:
    """Parsed by the command line's own parser, options and all."""
    words = shlex.split(command, comments=True)[1:]
    make_parser().parse_args([NAMES.get(word, word) for word in words])


def test_the_page_has_commands_at_all() -> None:
    """So that the test above cannot pass for want of them."""
    assert len(set(commands())) > 20


def test_each_exit_status_is_in_the_table_with_its_name() -> None:
    """And the table has no other."""
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", PAGE, re.MULTILINE)
    assert rows == [(str(one.value), one.name) for one in Exit]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_each_alert_points_to_its_own_part_of_the_page(alert: dict[str, Any]) -> None:
    """The annotation `runbook` names the file and the anchor that the heading makes."""
    assert alert["alert"] in headings()
    assert alert["annotations"]["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"


def test_no_part_is_about_an_alert_that_there_is_not() -> None:
    """A heading that looks like an alert is one."""
    assert {name for name in headings() if name.startswith("Hotswapd")} == {alert["alert"] for alert in alerts()}


def test_each_key_of_the_configuration_exists() -> None:
    """A span like `serve.max_drain` names a key of one of the tables."""
    tables = Settings.model_fields
    for table, key in re.findall(r"`([a-z]+)\.([a-z_]+)(?: = [^`]*)?`", PAGE):
        if table in tables and key not in ("json", "sqlite"):
            kind: Any = tables[table].annotation
            assert key in kind.model_fields, f"{table}.{key}"


def test_each_link_leads_somewhere() -> None:
    """Files beside the page, and parts of it."""
    anchors = {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in headings()}
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = link.partition("#")
        assert (DOCS / file).exists() if file else anchor in anchors, link
