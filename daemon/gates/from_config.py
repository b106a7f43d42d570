"""Turns [verify] of the configuration into what the gates need: token ids, patterns, a dataset within its budget."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotswapd.daemon.config.settings import ConfigError, Settings
from hotswapd.daemon.config.verify import Dataset as DatasetTable
from hotswapd.daemon.config.verify import Probe, Verify
from hotswapd.swap.engine import Engine
from hotswapd.swap.gates.spec import Dataset, Example, Golden, Limits, Replay, Replayed, Spec
from hotswapd.swap.rows.asks import BadAsk

_LIMITS = tuple(Limits.__dataclass_fields__)
_FILE = "verify.dataset.file"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a dataset: the prompt is given, the answer is scored."""

    prompt: str
    answer: str


def require_readable(verify: Verify) -> None:
    """Check that every file and program named in [verify] can be read or run. Raises ConfigError."""
    if verify.dataset is not None:
        read_dataset(verify.dataset)
    if verify.command is not None and shutil.which(verify.command.argv[0]) is None:
        raise ConfigError("verify.command.argv", f"{verify.command.argv[0]!r} is not a program that can be started")


def require_all_readable(settings: Settings) -> None:
    """Check the files and programs of [verify] and of every channel's own table. Raises ConfigError."""
    require_readable(settings.verify)
    for table in settings.channel:
        if table.verify is not None:
            require_readable(settings.verify_of(table.name))


def read_dataset(table: DatasetTable) -> list[Line]:
    """Read a dataset's lines. Raises ConfigError, which names the line."""
    try:
        text = table.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(_FILE, f"{table.file} cannot be read: {error}") from None
    lines = [_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise ConfigError(_FILE, f"{table.file} has no line")
    return lines


def read_replay(file: Path, engine: Engine) -> tuple[Replayed, ...]:
    """Read answers for the replay gate from a file in the format of a dataset. Raises ConfigError."""
    try:
        lines = read_dataset(DatasetTable(file=file.resolve()))
        return tuple(Replayed(one) for one in _examples(lines, engine) if len(one.tokens) > one.given)
    except (ConfigError, BadAsk) as error:
        said = "; ".join(problem.sentence for problem in error.problems) if isinstance(error, ConfigError) else error
        raise ConfigError("--replay", str(said)) from None


def _line(number: int, line: str) -> Line:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError(_FILE, f"line {number} is not JSON") from None
    match found:
        case {"text": str(text), **rest} if text and not rest:
            return Line("", text)
        case {"prompt": str(prompt), "answer": str(answer), **rest} if prompt and answer and not rest:
            return Line(prompt, answer)
    raise ConfigError(_FILE, f'line {number} must be {{"text": ...}} or {{"prompt": ..., "answer": ...}}, with texts')


def make_spec(verify: Verify, engine: Engine) -> Spec:
    """Make the spec of the gates. Raises ConfigError. For the worker's thread, before requests use the tokenizer."""
    limits = Limits(**verify.model_dump(include=set(_LIMITS)))
    golden = tuple(_golden(f"verify.probe[{index}]", probe, engine) for index, probe in enumerate(verify.probe))
    dataset = _dataset(verify.dataset, engine) if verify.dataset else None
    replay = None if verify.replay.outcome == "off" else Replay(**verify.replay.model_dump())
    return Spec(limits, golden, dataset, replay)


def _golden(key: str, probe: Probe, engine: Engine) -> Golden:
    try:
        prompt = engine.encode(probe.prompt) if probe.prompt else engine.encode_chat(_plain(probe))
    except BadAsk as error:
        raise ConfigError(key, str(error)) from None
    answer = _continuation(engine, probe.answer)
    longest = max(len(answer), probe.max_tokens if probe.expect or probe.contains else 0)
    if not prompt or len(prompt) + longest > engine.context:
        sentence = f"prompt and answer have {len(prompt)} and {longest} tokens; together at most {engine.context} fit"
        raise ConfigError(key, sentence)
    expect = re.compile(probe.expect) if probe.expect else None
    kept = probe.model_dump(include={"max_tokens", "contains", "max_perplexity", "min_logprob"})
    return Golden(key, prompt, expect=expect, answer=answer, **kept)


def _plain(probe: Probe) -> list[dict[str, str]]:
    return [{"role": one.role, "content": one.content} for one in probe.messages]


def _continuation(engine: Engine, text: str) -> tuple[int, ...]:
    """Encode text that continues another text: without the tokens that begin one."""
    tokenizer: Any = engine.resident.tokenizer
    return tuple(tokenizer.encode(text, add_special_tokens=False)) if text else ()


def _dataset(table: DatasetTable, engine: Engine) -> Dataset:
    try:
        examples = tuple(_within(table.max_tokens, _examples(read_dataset(table), engine)))
    except BadAsk as error:
        raise ConfigError("verify.dataset", str(error)) from None
    if not examples:
        raise ConfigError(_FILE, "no line has a token to score within verify.dataset.max_tokens")
    return Dataset(examples, table.max_ratio)


def _examples(lines: Sequence[Line], engine: Engine) -> Iterator[Example]:
    for line in lines:
        prompt = engine.encode(line.prompt) if line.prompt else ()
        answer = _continuation(engine, line.answer) if prompt else engine.encode(line.answer)
        yield Example((*prompt, *answer)[: engine.context], max(1, len(prompt)))


def _within(budget: int, examples: Iterator[Example]) -> Iterator[Example]:
    """Yield examples until `budget` tokens are used; the last one is cut."""
    for example in examples:
        tokens = example.tokens[:budget]
        budget -= len(tokens)
        if len(tokens) > example.given:
            yield Example(tokens, example.given)
        if budget <= 0:
            return
