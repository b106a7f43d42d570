"""Schemathesis on /openapi.json: no answer has status 500, and each has the shape that is documented.

Models are asked for by their name and answers are short, or hardly a request would reach the engine, or leave it.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
EXAMPLES = os.environ.get("CLIENTS_EXAMPLES", "40")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LIMITS = {"ChatBody": "max_tokens", "CompletionBody": "max_tokens", "ResponsesBody": "max_output_tokens"}

with urllib.request.urlopen(f"{URL}/openapi.json") as got:
    document = json.load(got)
schemas = document["components"]["schemas"]
for body, limit in LIMITS.items():
    fields = schemas[body]["properties"]
    fields["model"] = {"enum": [MODEL, f"{MODEL}@g0"]}
    fields[limit] = {"type": "integer", "minimum": 1, "maximum": 4}
    fields.pop("max_completion_tokens", None)
    schemas[body]["required"] = [*schemas[body]["required"], limit]
    if "n" in fields:
        fields["n"] = {"enum": [None, 1, 2]}

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "openapi.json")
    file.write_text(json.dumps(document))
    command = ["schemathesis", "run", str(file), "--url", URL, "--checks", CHECKS, "--max-examples", EXAMPLES]
    command += ["--phases", "examples,coverage,fuzzing", "--generation-deterministic", "--suppress-health-check", "all"]
    command += ["--request-timeout", "60", "--no-color"]
    sys.exit(subprocess.run(command, check=False, cwd=folder).returncode)
