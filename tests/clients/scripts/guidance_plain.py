"""Guidance: free text through the OpenAI-compatible model; its grammars need the model in the same process."""

import os

import guidance
from guidance import assistant, gen, user

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
model = guidance.models.OpenAI(MODEL, base_url=f"{URL}/v1", api_key="none", echo=False)
with user():
    model += "Say hello."
with assistant():
    model += gen("said", max_tokens=8)
assert model["said"]
