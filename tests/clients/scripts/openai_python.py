"""OpenAI's Python client: turns, streams, several answers, prompts in lists, responses, models, and what is refused."""

import os

from openai import BadRequestError, NotFoundError, OpenAI

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
client = OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)
messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]

first = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=8, temperature=0)
messages.append(first.choices[0].message)
messages.append({"role": "user", "content": [{"type": "text", "text": "And again."}, {"type": "text", "text": "Now."}]})
again = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=8, n=2, seed=1, temperature=1)
assert len(again.choices) == 2
assert again.system_fingerprint.startswith("hotswapd-g")

options = {"include_usage": True}
stream = client.chat.completions.create(
    model=MODEL, messages=messages[:2], max_tokens=8, temperature=0, stream=True, stream_options=options
)
chunks = list(stream)
assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == first.choices[0].message.content
assert chunks[-1].usage.completion_tokens == first.usage.completion_tokens
with client.chat.completions.stream(model=MODEL, messages=messages[:2], max_tokens=8) as helper:
    assert helper.get_final_completion().choices[0].message.role == "assistant"

texts = client.completions.create(model=MODEL, prompt=["One", "Two"], max_tokens=4, echo=True)
assert [one.text[:3] for one in texts.choices] == ["One", "Two"]

answer = client.responses.create(model=MODEL, input="Say hello.", instructions="Be brief.", max_output_tokens=16)
assert answer.output_text
given = [{"role": "user", "content": "Say hello."}, *answer.output, {"role": "user", "content": "Again."}]
assert client.responses.create(model=MODEL, input=given, max_output_tokens=8).output_text
events = list(client.responses.create(model=MODEL, input="Say hello.", max_output_tokens=8, stream=True))
assert events[-1].type in {"response.completed", "response.incomplete"}

assert client.models.list().data[0].id == MODEL
assert client.models.retrieve(MODEL).id == MODEL
for refused, call in (
    (BadRequestError, lambda: client.responses.create(model=MODEL, input="x", previous_response_id="resp_1")),
    (NotFoundError, lambda: client.embeddings.create(model=MODEL, input="x")),
    (NotFoundError, lambda: client.models.retrieve("other/model")),
):
    try:
        call()
    except refused as error:
        print(error.message)
    else:
        raise AssertionError(f"{refused.__name__} was expected")
