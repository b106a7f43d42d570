"""DSPy: a prediction with its chat adapter."""

import os

import dspy

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
model = dspy.LM(f"openai/{MODEL}", api_base=f"{URL}/v1", api_key="none", max_tokens=64, temperature=0.0, cache=False)
assert model("Say hello.")
assert model(messages=[{"role": "user", "content": "Say hello."}], n=2, temperature=1.0)
