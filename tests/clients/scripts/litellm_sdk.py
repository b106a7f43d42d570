"""LiteLLM's SDK: completion, stream, text completion, and its message given back."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # prices are of no interest, and there may be no network

import litellm

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
common = {"api_base": f"{URL}/v1", "api_key": "none", "num_retries": 0}
turns = [{"role": "user", "content": "Say hello."}]

for provider in ("openai", "hosted_vllm"):
    said = litellm.completion(model=f"{provider}/{MODEL}", messages=turns, max_tokens=8, temperature=0, **common)
    back = [*turns, said.choices[0].message, {"role": "user", "content": "Again."}]
    assert litellm.completion(model=f"{provider}/{MODEL}", messages=back, max_tokens=8, **common).choices[0].message
    plain = [*turns, said.choices[0].message.model_dump(), {"role": "user", "content": "Again."}]
    assert litellm.completion(model=f"{provider}/{MODEL}", messages=plain, max_tokens=8, **common).choices[0].message
    chunks = litellm.completion(
        model=f"{provider}/{MODEL}", messages=turns, max_tokens=8, temperature=0, stream=True, **common
    )
    text = "".join(one.choices[0].delta.content or "" for one in chunks)
    assert text == said.choices[0].message.content, (text, said)
assert litellm.text_completion(model=f"text-completion-openai/{MODEL}", prompt="Hello", max_tokens=8, **common)
assert litellm.responses(model=f"openai/{MODEL}", input="Say hello.", max_output_tokens=16, **common).output
