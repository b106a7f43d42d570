"""What a soak drops, each time with bytes that were never there before, and what each must answer or end as."""

import json
import random
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from kits.adapters import digest_of, greedy, make_adapter, make_bad, oracle_model
from kits.folders import CONFIG
from kits.models import byte_tokenizer, text_of
from kits.room import home

RANKS = (2, 4, 8, 8)
TRIED = "sales"
"""The channel whose adapters are canaries before they go live; in the others they go live at once."""
CHANNELS = ("default", TRIED, "support")
SHARED = "The quick brown fox jumps over the lazy dog. "
PROMPTS = tuple((SHARED[: (0, 9, 21, 45)[n % 4]] + str(n), (16, 4, 9, 48)[n % 4]) for n in range(8))
"""Prompts, which share beginnings, and the most tokens of the answer."""
BAD_KINDS = {
    "nan": ("REJECTED", "non_finite"),
    "rank_not_the_tensors": ("REJECTED", "rank_mismatch"),
    "wrong_prefix": ("REJECTED", "unknown_target"),
    "other_base": ("REJECTED", "other_base"),
    "wild": ("ROLLED_BACK", "update_too_large"),
}
"""How a dropped adapter can be bad, and the state and code that it must end in."""


@cache
def shelf() -> Path:
    """Make the adapters that all drops are copies of, once for the whole run."""
    directory = Path(mkdtemp(prefix="hotswapd-soak-"))
    base = home() / "base"
    for index, rank in enumerate(RANKS):
        make_adapter(base, directory / f"good-{index}", seed=index, rank=rank, alpha=(8, 32)[index % 2])
    make_adapter(base, directory / "wild", scale=1e18)  # finite, and far beyond anything that was learnt
    plain = make_adapter(base, directory / "plain", targets=["q_proj", "v_proj"])
    for kind in BAD_KINDS.keys() - {"wild"}:
        make_bad(plain, directory / kind, kind)
    return directory


@cache
def references() -> dict[tuple[int | None, str], str]:
    """Compute what a fresh PEFT load of each good adapter, or the bare base (None), answers to each prompt."""
    told = {}
    for index in (None, *range(len(RANKS))):
        model = oracle_model(home() / "base", None if index is None else shelf() / f"good-{index}")
        for prompt, tokens in PROMPTS:
            told[index, prompt] = text_of(greedy(model, byte_tokenizer().encode(prompt), tokens))
    return told


@dataclass(slots=True)
class Drop:
    """One adapter that was dropped: which good one it is a copy of, or in which way it is bad; its row at the end."""

    uri: str
    digest: str
    index: int | None
    kind: str = ""
    channel: str = CHANNELS[0]
    row: dict[str, object] = field(default_factory=dict)

    @property
    def went_live(self) -> bool:
        return self.row.get("state") in {"LIVE", "RETIRED"}

    def fault(self) -> str:
        """Return what is wrong with its end, or an empty string."""
        end = (str(self.row.get("state", "no end")), str(self.row.get("reason", "")))
        known_older = end == ("SUPERSEDED", "newer_live")
        if self.index is None:
            return "" if end == BAD_KINDS[self.kind] or known_older else f"{self.kind} ended as {end}"
        gave_way = self.channel == TRIED and end == ("SUPERSEDED", "newer_canary")
        return "" if self.went_live or known_older or gave_way else f"a good one ended as {end}"


class Stock:
    """Makes drops in a folder that has one for each channel, in an order that the seed decides. For one thread."""

    def __init__(self, folder: Path, seed: int, bad_share: float) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._bad_share = bad_share
        self._last: dict[str, int] = {}
        self.drops: list[Drop] = []
        self.by_digest: dict[str, Drop] = {}
        """By the first twelve digits, as a response names its adapter; filled before the daemon can see it."""

    def drop(self, channel: str) -> Drop:
        """Rename a new adapter into a channel's folder: never a copy of the same good one as its last good one."""
        if channel in self._last and self._chance.random() < self._bad_share:
            kind = self._chance.choice(sorted(BAD_KINDS))
            return self._place(channel, kind, None)
        index = self._chance.choice([n for n in range(len(RANKS)) if n != self._last.get(channel)])
        self._last[channel] = index
        return self._place(channel, "", index)

    def _place(self, channel: str, kind: str, index: int | None) -> Drop:
        number, folder = len(self.drops), self._folder / channel
        folder.mkdir(exist_ok=True)
        place, part = folder / f"run-{number:06d}", folder / f".run-{number:06d}.part"
        shutil.copytree(shelf() / (kind or f"good-{index}"), part)
        config = json.loads((part / CONFIG).read_text())
        config["lora_dropout"] = (number + 1) * 1e-7  # means nothing when it answers, and makes the bytes new
        (part / CONFIG).write_text(json.dumps(config))
        digest = digest_of(part)
        made = Drop(place.as_uri(), digest, index, kind, channel)
        self.by_digest[digest[:12]] = made
        self.drops.append(made)
        part.rename(place)
        return made

    def clear(self, drop: Drop) -> None:
        """Take away the directory of a drop that has come to an end, as a trainer that keeps few does."""
        shutil.rmtree(drop.uri.removeprefix("file://"))
