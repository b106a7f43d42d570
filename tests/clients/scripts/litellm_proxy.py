"""LiteLLM's proxy: OpenAI's client speaks to it, and it speaks to the daemon."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import openai

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
CONFIG = """
model_list:
  - model_name: mine
    litellm_params: {{ model: openai/{model}, api_base: "{url}/v1", api_key: none }}
"""

with socket.create_server(("127.0.0.1", 0)) as made:
    port = made.getsockname()[1]
with tempfile.TemporaryDirectory() as folder:
    config = Path(folder, "config.yaml")
    config.write_text(CONFIG.format(model=MODEL, url=URL))
    program = Path(sys.executable).with_name("litellm")
    command = [program, "--config", config, "--port", str(port), "--host", "127.0.0.1"]
    local = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    with subprocess.Popen(command, env=os.environ | local) as proxy:
        try:
            client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
            for _ in range(120):
                assert proxy.poll() is None, "the proxy did not start"
                try:
                    client.models.list()
                    break
                except openai.APIError:
                    time.sleep(1)
            turns = [{"role": "user", "content": "Say hello."}]
            said = client.chat.completions.create(model="mine", messages=turns, max_tokens=8, temperature=0)
            chunks = list(
                client.chat.completions.create(model="mine", messages=turns, max_tokens=8, temperature=0, stream=True)
            )
            text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
            assert text == said.choices[0].message.content
            turns += [said.choices[0].message, {"role": "user", "content": "Again."}]
            assert client.chat.completions.create(model="mine", messages=turns, max_tokens=8).choices
        finally:
            proxy.terminate()
