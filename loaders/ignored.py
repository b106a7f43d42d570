"""Names under which no adapter is ever taken, and which tool makes each: whole names or whole endings, never parts.

docs/operations.md has the same table, with the sources.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["RULES", "NameRule", "ignored_sentence", "rule_for"]


class NameRule(NamedTuple):
    """One kind of name: how it is written, in half a sentence too, and who makes directories of such a name."""

    shown: str
    why: str
    maker: str
    fits: Callable[[str], bool]


def _ending(end: str, maker: str) -> NameRule:
    return NameRule(f"*{end}", f"ends in {end}", maker, lambda name: name.endswith(end))


RULES: tuple[NameRule, ...] = (
    NameRule(
        ".*",
        "begins with a dot",
        "rsync (`.~tmp~`, `--partial-dir`), Unison, Syncthing, Kubernetes volumes (`..data`), git, Jupyter, "
        "desktop trash, snapshots",
        lambda name: name.startswith("."),
    ),
    _ending(".tmp", "scripts that write beside the place and rename, as the README proposes"),
    _ending(".part", "the same, with the ending of Firefox, Transmission and KDE"),
    _ending(".partial", "the same, with the ending of rclone"),
    _ending(".incomplete", "Hugging Face datasets and huggingface_hub"),
    _ending("~", "GNU `mv --backup` and `cp --backup`"),
    NameRule(
        "lost+found", "is lost+found", "mke2fs, at the top of ext file systems", lambda name: name == "lost+found"
    ),
)


def rule_for(name: str) -> NameRule | None:
    """Return the rule by which a directory of this name is ignored, or None."""
    return next((rule for rule in RULES if rule.fits(name)), None)


def ignored_sentence(parts: Sequence[str]) -> str:
    """Return why an adapter at this path below a source is ignored, and what to do; empty if it is not ignored."""
    for part in parts:
        rule = rule_for(part)
        if rule is not None:
            return f"it is ignored, since the name {part!r} {rule.why}: rename it to have it taken"
    return ""
