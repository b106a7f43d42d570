"""The pages for readers: every link, path and make target in them leads somewhere, and the map has every package."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/decisions.md",
    "docs/fleet.md",
    "docs/reliability.md",
    "docs/security.md",
)
FOLDERS = ("daemon", "loaders", "swap")
EXAMPLES = {"loaders/gcs/", "swap/gates/<gate>.py"}
"""Paths that a reader would make."""


def links(page: str) -> Iterator[str]:
    """Yield the links of a page that lead into the repository."""
    targets = re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text())
    yield from (target for target in targets if not target.startswith("https://"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def paths(page: str) -> set[str]:
    """Return the files and folders of the repository that a page names between backticks."""
    spans = re.findall(r"`([^`\s]+)`", (ROOT / page).read_text())
    return {span for span in spans if re.match(rf"({'|'.join(FOLDERS)}|tests|docs|systemd|scripts)/", span)} - EXAMPLES


def targets() -> set[str]:
    """Return the targets of the Makefile and of what it includes."""
    text = (ROOT / "Makefile").read_text() + (ROOT / "systemd" / "install.mk").read_text()
    return {name for names in re.findall(r"^([a-z][a-z -]*):(?!=)", text, re.MULTILINE) for name in names.split()}


@pytest.mark.parametrize("page", PAGES)
def test_each_link_leads_somewhere(page: str) -> None:
    """To a file, or to a heading of one."""
    for link in links(page):
        file, _, anchor = link.partition("#")
        there = (ROOT / page).parent / file if file else ROOT / page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@pytest.mark.parametrize("page", PAGES)
def test_each_path_exists(page: str) -> None:
    """A file that moves takes the page with it."""
    missing = [path for path in sorted(paths(page)) if not list(ROOT.glob(path.split("::")[0].rstrip("/")))]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_each_make_target_exists(page: str) -> None:
    """Whatever a page tells a reader to run can be run."""
    text = (ROOT / page).read_text()
    named = {*re.findall(r"`make ([a-z]+)", text), *re.findall(r"^make ([a-z]+)", text, re.MULTILINE)}
    assert named <= targets()


def test_the_pages_name_things_at_all() -> None:
    """So that the tests above cannot pass for want of them."""
    assert len(list(links("README.md"))) > 20
    assert len(paths("CONTRIBUTING.md")) > 50


def test_the_map_has_every_package() -> None:
    """A package that is added is added to the map, with its sentence."""
    packages = {f"{file.parent.relative_to(ROOT)}/" for top in FOLDERS for file in (ROOT / top).glob("*/__init__.py")}
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    on_the_map = {span for row in rows for span in re.findall(r"`([^`]+)`", row)}
    assert packages <= on_the_map
