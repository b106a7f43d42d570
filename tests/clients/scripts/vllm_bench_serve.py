"""vLLM's `bench serve`: random prompts through both backends; every request succeeds."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

URL, MODEL, BASE = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"], os.environ["CLIENTS_BASE"]

with tempfile.TemporaryDirectory() as folder:
    for backend, endpoint in (("openai", "/v1/completions"), ("openai-chat", "/v1/chat/completions")):
        command = ["vllm", "bench", "serve", "--backend", backend, "--endpoint", endpoint, "--base-url", URL]
        command += ["--model", MODEL, "--tokenizer", BASE, "--dataset-name", "random", "--random-input-len", "16"]
        command += ["--random-output-len", "8", "--num-prompts", "4", "--max-concurrency", "2"]
        command += ["--save-result", "--result-dir", folder, "--result-filename", f"{backend}.json"]
        subprocess.run(command, check=True)
        result = json.loads(Path(folder, f"{backend}.json").read_text())
        assert (result["completed"], result["failed"]) == (4, 0), result
        assert result["total_output_tokens"] == 4 * 8, result
