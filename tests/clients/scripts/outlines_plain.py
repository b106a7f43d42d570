"""Outlines: plain text; what it binds to a schema is refused by name."""

import os

import openai
import outlines

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
model = outlines.from_openai(openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0), MODEL)
assert model("Say hello.", max_tokens=8)
vllm = outlines.from_vllm(openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0), MODEL)
assert vllm("Say hello.", max_tokens=8)
