"""What a person sees of the history."""

from typing import cast

from kits.daemon_fakes import ACTIONS
from kits.pages import history, text

from hotswapd.daemon.answers import NamedAction, VerdictRecord
from hotswapd.daemon.terminal.history import actions_page, history_page

VERDICTS: list[VerdictRecord] = [
    {"gate": "norms", "outcome": "passed", "code": None, "sentence": None, "numbers": {"update_norm": 1.25}},
    {"gate": "probe", "outcome": "warned", "code": "no_change", "sentence": "as the base", "numbers": {"change": 0.0}},
    {"gate": "dataset", "outcome": "failed", "code": "dataset_worse", "sentence": "x", "numbers": {"perplexity": None}},
]


def test_history_shows_why_and_how_long() -> None:
    bad, good = text(history_page([history(0), history(1)])).split("LIVE")
    assert "REJECTED" in bad
    assert "non_finite: a tensor holds NaN" in bad
    assert "generation 3" in good
    assert "fetch 1.5 s" in good
    assert "pause 1.8 ms" in good


def test_gates_that_complained_are_shown_with_numbers() -> None:
    """A warning with its sentence, which stands nowhere else; a failure's sentence is the row's own, written once."""
    row = history(0, reason="dataset_worse", detail="it is worse", verify=VERDICTS)
    page = text(history_page([row]))
    assert "probe warned, no_change: as the base; change 0" in page
    assert "dataset failed; perplexity not finite" in page
    assert "norms" not in page
    assert page.count("dataset_worse") == 1


def test_every_verdict_is_shown_if_asked_for() -> None:
    """`--verify` has those that passed too."""
    page = text(history_page([history(1, verify=VERDICTS[:1])], verify=True))
    assert "norms passed; update_norm 1.25" in page


def test_on_80_columns_a_reason_is_whole() -> None:
    detail = "layers.0.q_proj: wanted finite values, got NaN; " * 6 + "look at the training run"
    page = text(history_page([history(0, detail=detail)]), 80)
    assert " ".join(page.split()).endswith(f"non_finite: {detail} fetch 100.0 ms, admit 200.0 ms")
    assert max(map(len, page.splitlines())) <= 80


def test_actions_name_who_asked() -> None:
    asked = [cast("NamedAction", one | {"who": "root (process 4711)"}) for one in ACTIONS]
    page = text(actions_page(asked), 80)
    assert "rollback  no_such_generation  root (process 4711)" in page
    assert text(actions_page([])) == "nobody has asked for anything yet\n"


def test_an_empty_history_says_so() -> None:
    assert text(history_page([])) == "no swap yet\n"
