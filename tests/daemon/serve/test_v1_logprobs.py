"""Log-probabilities over HTTP, with OpenAI's own client, against a fresh PEFT load; and all else that draws a token."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import torch
from kits.models import byte_tokenizer
from kits.rows import LONG, adapter, home
from kits.scored import following, near, penalised, table
from kits.serving import MODEL, Served
from kits.ways import WAYS, served_by

from hotswapd.daemon.serve.token_texts import TokenTexts

HELLO: Any = [{"role": "user", "content": "hé"}]
ADAPTER = 1


@pytest.fixture(scope="module", params=WAYS)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_by(request.param, tmp_path_factory.mktemp("room")) as made:
        made.bench.swap(ADAPTER)
        yield made


def encoded(text: str) -> tuple[int, ...]:
    return tuple(byte_tokenizer().encode(text))


def encoded_bytes(spoken: tuple[int, ...]) -> tuple[int, ...]:
    """Return the tokens of bytes: the vocabulary has one for each."""
    texts = TokenTexts(byte_tokenizer())
    of = {texts.raw(token): token for token in range(256)}
    return tuple(of[bytes([byte])] for byte in spoken)


def chat_prompt() -> tuple[int, ...]:
    return encoded(byte_tokenizer().apply_chat_template(HELLO, add_generation_prompt=True, tokenize=False))


def post(one: Served, **fields: Any) -> Any:
    answer = httpx.post(f"{one.url}/v1/completions", json={"model": MODEL, **fields}, timeout=LONG)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_chats_log_probabilities_are_the_models_own(one: Served) -> None:
    """Also at a temperature and with a penalty, which change what is drawn and not what is told."""
    answer = one.client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=8, logprobs=True, top_logprobs=3, temperature=1.5, seed=3,
        presence_penalty=1.0,
    )  # fmt: skip
    scores = answer.choices[0].logprobs
    assert scores is not None
    assert scores.content is not None
    spoken = tuple(byte for one in scores.content for byte in one.bytes or [])
    prompt = chat_prompt()
    whole = prompt + encoded_bytes(spoken)
    assert near([one.logprob for one in scores.content], following(ADAPTER, whole, len(prompt)))
    for place, token in enumerate(scores.content, len(prompt)):
        likeliest = table(ADAPTER, whole)[place - 1].topk(3)
        assert near([one.logprob for one in token.top_logprobs], likeliest.values.tolist())


def test_an_echo_scores_the_prompt(one: Served) -> None:
    """As lm-eval asks: the prompt's own log-probabilities, and one token that is thrown away."""
    prompt = encoded("the cat sat")
    answer = one.client.completions.create(
        model=MODEL, prompt=list(prompt), max_tokens=1, logprobs=1, echo=True, temperature=0
    )
    (choice,) = answer.model_dump()["choices"]
    assert choice["text"].startswith("the cat sat")
    told, tops = choice["logprobs"]["token_logprobs"], choice["logprobs"]["top_logprobs"]
    assert (told[0], tops[0]) == (None, None)
    assert near(told[1 : len(prompt)], following(ADAPTER, prompt))
    greedy = [int(row.argmax()) for row in table(ADAPTER, prompt)[:-1]]
    for place, likeliest in enumerate(greedy, 1):
        assert (told[place] == max(tops[place].values())) == (prompt[place] == likeliest)


def test_a_prompt_alone_is_scored_without_an_answer(one: Served) -> None:
    prompts = ["the cat sat", "on the mat"]
    answer = post(one, prompt=prompts, max_tokens=0, logprobs=0, echo=True)
    assert [choice["text"] for choice in answer["choices"]] == prompts
    for text, choice in zip(prompts, answer["choices"], strict=True):
        assert near(choice["logprobs"]["token_logprobs"][1:], following(ADAPTER, encoded(text)))
    assert answer["usage"]["completion_tokens"] == 0
    assert post(one, prompt="x", max_tokens=0)["choices"][0]["text"] == ""


def test_prompt_logprobs_are_vllms(one: Served) -> None:
    prompt = encoded("the cat")
    told = post(one, prompt="the cat", max_tokens=1, prompt_logprobs=2)["choices"][0]["prompt_logprobs"]
    assert told[0] is None
    own = [one[str(token)]["logprob"] for token, one in zip(prompt[1:], told[1:], strict=True)]
    assert near(own, following(ADAPTER, prompt))
    assert all(2 <= len(one) <= 3 for one in told[1:])


def test_a_streams_log_probabilities_are_the_whole_answers(one: Served) -> None:
    fields: Any = {"model": MODEL, "prompt": "hello", "max_tokens": 6, "temperature": 0, "logprobs": 2, "echo": True}
    whole = one.client.completions.create(**fields).choices[0]
    chunks = list(one.client.completions.create(**fields, stream=True))
    parts = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.text
    assert whole.logprobs is not None
    assert [score for part in parts for score in part.token_logprobs or []] == whole.logprobs.token_logprobs
    assert [place for part in parts for place in part.text_offset or []] == whole.logprobs.text_offset


def test_a_responses_log_probabilities_are_with_its_text(one: Served) -> None:
    answer = one.client.responses.create(
        model=MODEL, input="hé", max_output_tokens=4, temperature=0, include=["message.output_text.logprobs"]
    )
    chat = one.client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4, temperature=0, logprobs=True)
    scores = chat.choices[0].logprobs
    assert scores is not None
    (message,) = answer.model_dump()["output"]
    assert [one["logprob"] for one in message["content"][0]["logprobs"]] == [
        one.logprob for one in scores.content or []
    ]


def test_several_answers_of_a_seed_are_those_of_the_following_seeds(one: Served) -> None:
    fields: Any = {"model": MODEL, "prompt": "hello", "max_tokens": 12, "temperature": 1.2}
    several = one.client.completions.create(**fields, n=3, seed=5).choices
    alone = [one.client.completions.create(**fields, seed=seed).choices[0].text for seed in (5, 6, 7)]
    assert [choice.text for choice in several] == alone
    assert len(set(alone)) > 1


def test_lists_of_prompts_are_answered_as_one_by_one(one: Served) -> None:
    fields: Any = {"model": MODEL, "max_tokens": 8, "temperature": 0}
    prompts = ["the", "cat sat on", "a mat"]
    alone = [one.client.completions.create(**fields, prompt=prompt).choices[0].text for prompt in prompts]
    texts = one.client.completions.create(**fields, prompt=prompts).choices
    tokens = one.client.completions.create(**fields, prompt=[list(encoded(one)) for one in prompts]).choices
    assert [choice.text for choice in texts] == [choice.text for choice in tokens] == alone


def test_a_bias_decides_and_a_stop_token_ends(one: Served) -> None:
    (letter,) = encoded("q")
    biased = post(one, prompt="x", max_tokens=5, temperature=0, logit_bias={str(letter): 100}, ignore_eos=True)
    assert biased["choices"][0]["text"] == "qqqqq"
    stopped = post(one, prompt="x", max_tokens=5, logit_bias={str(letter): 100}, stop_token_ids=[letter], temperature=0)
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert stopped["usage"]["completion_tokens"] == 1
    later = post(
        one,
        prompt="x",
        max_tokens=5,
        logit_bias={str(letter): 100},
        stop_token_ids=[letter],
        temperature=0,
        min_tokens=3,
    )
    assert later["usage"]["completion_tokens"] == 4


def test_min_p_of_one_is_greedy(one: Served) -> None:
    fields: Any = {"prompt": "hello", "max_tokens": 10, "ignore_eos": True}
    greedy = post(one, **fields, temperature=0)["choices"][0]["text"]
    assert post(one, **fields, temperature=1.5, min_p=1.0, seed=1)["choices"][0]["text"] == greedy


@pytest.mark.parametrize(
    "penalties",
    [
        {"presence_penalty": 2.0},
        {"frequency_penalty": -1.5},
        {"repetition_penalty": 1.7},
        {"presence_penalty": -1.0, "frequency_penalty": 0.7, "repetition_penalty": 0.8},
    ],
)
def test_penalties_are_openais_and_transformers(one: Served, penalties: dict[str, float]) -> None:
    """Token by token what a greedy choice over the penalised logits of a PEFT load gives."""
    prompt = encoded("the cat sat on the")
    answer = post(one, prompt=list(prompt), max_tokens=24, temperature=0, ignore_eos=True, logprobs=0, **penalties)
    expected = penalised(ADAPTER, prompt, 24, **penalties)
    assert answer["choices"][0]["text"] == byte_tokenizer().decode(expected, skip_special_tokens=True)
    assert near(answer["choices"][0]["logprobs"]["token_logprobs"], following(ADAPTER, prompt + expected, len(prompt)))
    assert expected != penalised(ADAPTER, prompt, 24)


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"stop_token_ids": [99_999], "min_tokens": 1}, "stop_token_ids"), ({"logit_bias": {"99999": 1}}, "logit_bias")],
)
def test_a_token_outside_the_vocabulary_is_refused(one: Served, fields: dict[str, Any], param: str) -> None:
    body = {"model": MODEL, "prompt": "x", **fields}
    answer = httpx.post(f"{one.url}/v1/completions", json=body, timeout=LONG)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_the_bases_and_the_adapters_numbers_are_far_apart() -> None:
    """So that an answer of another generation cannot pass for the right one."""
    assert (home() / "base").is_dir()
    assert adapter(ADAPTER).is_dir()
    apart = table(None, encoded("the cat sat")) - table(ADAPTER, encoded("the cat sat"))
    assert float(apart.abs().max()) > 0.1
    assert torch.isfinite(apart).all()
