"""Inspect AI: a task of one sample against the OpenAI-compatible provider."""

import os
import tempfile

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
os.environ["OPENAI_API_KEY"] = "none"
config = GenerateConfig(max_tokens=16, temperature=0, seed=1)
with tempfile.TemporaryDirectory() as logs:
    for responses in (False, True):
        model = get_model(f"openai/{MODEL}", base_url=f"{URL}/v1", config=config, responses_api=responses)
        task = Task(dataset=[Sample(input="Say hello.", target="hello")], solver=generate(), scorer=includes())
        (log,) = evaluate(task, model=model, log_dir=logs, display="none")
        assert log.status == "success", (log.status, log.error)
