"""GuideLLM: a few synthetic prompts through both endpoints; every request succeeds."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

URL, MODEL, BASE = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"], os.environ["CLIENTS_BASE"]

with tempfile.TemporaryDirectory() as folder:
    for path in ("/v1/chat/completions", "/v1/completions"):
        out = Path(folder, "out.json")
        command = ["guidellm", "run", "--backend", f"kind=openai_http,target={URL},model={MODEL},request_format={path}"]
        command += ["--profile", "kind=synchronous", "--constraint", "kind=max_requests,count=3"]
        command += ["--tokenizer", f"kind=hf_auto,model={BASE}"]
        command += ["--data", "kind=synthetic_text,prompt_tokens=32,output_tokens=8"]
        subprocess.run([*command, "--output", f"kind=json,path={out}"], check=True)
        requests = json.loads(out.read_text())["benchmarks"][0]["requests"]
        assert (len(requests["successful"]), requests["errored"]) == (3, []), requests["errored"]
