"""A short form of `make fuzz`, and proof that the checker sees what it is for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.adapters import edit_config, edit_tensors
from kits.folders import CONFIG, WEIGHTS

from .fuzz_campaign import Campaign, by_bytes, by_structure, opened
from .fuzz_mutants import Pair
from .fuzz_target import Meaning, keep

pytestmark = pytest.mark.timeout(600)
BYTES, STRUCTURE = 400, 200
Fuzzed = tuple[Campaign, list[Pair], list[Meaning]]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """Run both kinds with a fixed seed; the meanings are those of the good adapters."""
    meanings = []
    with opened(tmp_path_factory.mktemp("fuzz") / "room") as (campaign, pairs):
        for pair in pairs:
            taken = campaign.target.meet(pair)
            assert taken is not None
            meanings.append(taken[1])
        by_bytes(campaign, pairs, BYTES, 20)
        by_structure(campaign, pairs, STRUCTURE, 20)
        campaign.end()
        yield campaign, pairs, meanings


def test_no_mutant_crashes_or_is_taken_though_bad(fuzzed: Fuzzed) -> None:
    campaign, _, _ = fuzzed
    assert campaign.crashes == []
    assert campaign.bad == []
    assert campaign.target.tried >= BYTES + STRUCTURE * 9 // 10


def test_the_mutants_get_far(fuzzed: Fuzzed) -> None:
    """Not all of them fail at the first brace: many codes are met, and some of them are good adapters still."""
    campaign, pairs, _ = fuzzed
    assert len(campaign.target.codes) > 20
    assert campaign.target.accepted > len(pairs) + 20


def test_the_checker_calls_bad_what_is_bad(fuzzed: Fuzzed, tmp_path: Path) -> None:
    """A good one passes; one of other values, another scaling or more than was said, and what is not a file, do not."""
    campaign, pairs, meanings = fuzzed
    first = next(iter(meanings[0]))
    for name in ("good", "values", "scaling", "module", "cut"):
        keep(pairs[0], tmp_path / name)
    edit_tensors(lambda tensors: {name: tensor + 1 for name, tensor in tensors.items()})(tmp_path / "values")
    edit_config(lora_alpha=9)(tmp_path / "scaling")
    weights = tmp_path / "cut" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    told = {"module": {name: said for name, said in meanings[0].items() if name != first}}
    for name in ("good", "values", "scaling", "module", "cut"):
        campaign.judge.submit(tmp_path / name, told.get(name, meanings[0]))
    bad = {place.name: why for place, why in campaign.judge.drain()}
    assert bad.keys() == {"values", "scaling", "module", "cut"}
    assert "SafetensorError" in bad["cut"]
    assert not (tmp_path / "good" / CONFIG).exists()


def test_a_crash_is_counted_and_kept(fuzzed: Fuzzed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any error but a refusal by name is one."""
    campaign, pairs, _ = fuzzed
    here = Campaign(campaign.target, campaign.judge, campaign.kept)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(campaign.target.__class__, "_admit", fail)
    here.meet(pairs[0])
    assert len(here.crashes) == 1
    assert "ZeroDivisionError" in here.crashes[0]
    assert (here.kept / "crash-0" / CONFIG).read_bytes() == pairs[0].config
