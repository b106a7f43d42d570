"""An adapter that brings another tokenizer than the base's: what counts as another, and what the policy makes of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from hotswapd.swap.codes import GateCode
from hotswapd.swap.gates.spec import Outcome, Verdict
from hotswapd.swap.gates.tokenizer import tokenizer_verdict

TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


class Tokenizer:
    """A base's tokenizer of two tokens."""

    def __init__(self, chat_template: Any = TEMPLATE) -> None:
        self.chat_template = chat_template

    def convert_tokens_to_ids(self, token: str) -> int:
        return {"<s>": 1, "</s>": 2}.get(token, 0)


def verdict(directory: Path, base: Tokenizer | None = None, policy: str = "warn", **files: Any) -> Verdict | None:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (directory / name.replace("__", ".")).write_text(text)
    return tokenizer_verdict(directory, base or Tokenizer(), policy)


def test_without_the_files_nothing_is_known(tmp_path: Path) -> None:
    assert verdict(tmp_path) is None


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template__jinja": TEMPLATE + "\n"},
        {"tokenizer_config__json": {"chat_template": TEMPLATE}},
        {"tokenizer_config__json": {"chat_template": [{"name": "default", "template": TEMPLATE}]}},
        {"tokenizer_config__json": {"added_tokens_decoder": {"1": {"content": "<s>"}}}},
        {"tokenizer_config__json": {"added_tokens_decoder": None, "chat_template": None}},
        {"added_tokens__json": {"</s>": 2}},
    ],
)
def test_the_bases_own_passes(tmp_path: Path, files: dict[str, Any]) -> None:
    assert verdict(tmp_path, **files) is None


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"chat_template__jinja": "other"}, GateCode.CHAT_TEMPLATE_DIFFERS, "the base's is another"),
        (
            {"tokenizer_config__json": {"chat_template": "x"}},
            GateCode.CHAT_TEMPLATE_DIFFERS,
            "it brings a chat template",
        ),
        ({"added_tokens__json": {"<tool>": 3}}, GateCode.ADDED_TOKENS_DIFFER, "1 tokens that the base does not have"),
        ({"added_tokens__json": {"<s>": 2}}, GateCode.ADDED_TOKENS_DIFFER, "'<s>' as 2"),
        (
            {"tokenizer_config__json": {"added_tokens_decoder": {"7": {"content": "<tool>"}}}},
            GateCode.ADDED_TOKENS_DIFFER,
            "'<tool>' as 7",
        ),
        ({"tokenizer_config__json": "{"}, GateCode.TOKENIZER_UNREADABLE, "cannot be read"),
        ({"tokenizer_config__json": []}, GateCode.TOKENIZER_UNREADABLE, "cannot be read"),
        ({"tokenizer_config__json": {"added_tokens_decoder": [1]}}, GateCode.TOKENIZER_UNREADABLE, "cannot be read"),
    ],
)
def test_another_one_is_named(tmp_path: Path, files: dict[str, Any], code: GateCode, said: str) -> None:
    found = verdict(tmp_path, **files)
    assert found is not None
    assert (found.outcome, found.code) == (Outcome.WARNED, code)
    assert said in found.sentence
    assert "admission.tokenizer" in found.sentence


def test_the_policy_may_refuse(tmp_path: Path) -> None:
    """Both differences are in one sentence."""
    both: dict[str, Any] = {"chat_template__jinja": "other", "added_tokens__json": {"<tool>": 3}}
    found = verdict(tmp_path, policy="refuse", **both)
    assert found is not None
    assert found.outcome == Outcome.FAILED
    assert found.numbers == {"differences": 2.0}


def test_a_base_without_a_template_says_so(tmp_path: Path) -> None:
    found = verdict(tmp_path, Tokenizer(None), chat_template__jinja=TEMPLATE)
    assert found is not None
    assert "the base has none" in found.sentence


def test_any_named_template_of_the_base_will_do(tmp_path: Path) -> None:
    assert verdict(tmp_path, Tokenizer({"default": "a", "tools": TEMPLATE}), chat_template__jinja=TEMPLATE) is None


def test_a_base_without_a_tokenizer_has_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("other")
    assert tokenizer_verdict(tmp_path, None, "refuse") is None
