"""Runs each client against the daemon and prints what came of it: ``python -m clients.run [NAME ...]``.

Results and logs go to ``build/clients``. A client whose environment cannot be made is named, and counts as failed.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .daemon import MODEL, Running, running
from .environments import HERE, PythonEnvironment, node_modules

ROOT = Path(__file__).resolve().parents[2] / "build" / "clients"
SCRIPTS = HERE / "scripts"
_LIMIT = 1200.0
_TWO, _THREE = PythonEnvironment("openai2"), PythonEnvironment("openai3")
_MEASURING = PythonEnvironment("measuring", bare="vllm", over_ours=True)


@dataclass(frozen=True, slots=True)
class Client:
    """A client's name, and the command that runs it, made once its environment is there."""

    name: str
    command: Callable[[Running], list[str]]


def _python(environment: PythonEnvironment, script: str, name: str = "") -> Client:
    return Client(name or script.removesuffix(".py"), lambda _: [str(environment.program(ROOT)), str(SCRIPTS / script)])


def _node(script: str) -> Client:
    def command(_: Running) -> list[str]:
        folder = node_modules(ROOT)
        copy = folder / script  # Node looks for packages beside the script
        copy.write_text((SCRIPTS / script).read_text())
        return ["node", str(copy)]

    return Client(script.removesuffix(".mjs"), command)


def _promptfoo(_: Running) -> list[str]:
    program = node_modules(ROOT) / "node_modules" / ".bin" / "promptfoo"
    return [str(program), "eval", "-c", str(SCRIPTS / "promptfoo.yaml"), "--no-cache", "--no-progress-bar"]


def _proxy(_: Running) -> list[str]:
    return [str(_TWO.program(ROOT)), str(SCRIPTS / "litellm_proxy.py")]


CLIENTS = (
    _python(_TWO, "openai_python.py", "openai_python_2"),
    _python(_THREE, "openai_python.py"),
    _python(_TWO, "litellm_sdk.py"),
    Client("litellm_proxy", _proxy),
    _python(_TWO, "instructor_plain.py"),
    _python(_TWO, "llama_index_openai_like.py"),
    _python(_TWO, "dspy_predict.py"),
    _python(_THREE, "langchain_openai_chat.py"),
    _python(_THREE, "pydantic_ai_agent.py"),
    _python(_THREE, "openai_agents_run.py"),
    _python(_THREE, "inspect_ai_eval.py"),
    _python(_THREE, "outlines_plain.py"),
    _python(_THREE, "guidance_plain.py"),
    _node("openai_node.mjs"),
    _node("vercel_ai.mjs"),
    Client("promptfoo", _promptfoo),
    _python(_MEASURING, "lm_eval_tasks.py"),
    _python(_MEASURING, "guidellm_run.py"),
    _python(_MEASURING, "vllm_bench_serve.py"),
    _python(_MEASURING, "schemathesis_fuzz.py"),
)


def main(names: list[str]) -> int:
    """Run the clients of these names, or all; return 1 if one failed."""
    chosen = [client for client in CLIENTS if not names or client.name in names]
    ROOT.mkdir(parents=True, exist_ok=True)
    with running(ROOT / "daemon") as daemon:
        said = [(client.name, _run(client, daemon)) for client in chosen]
    (ROOT / "results.txt").write_text("".join(f"{name}: {word}\n" for name, word in said))
    failed = [name for name, word in said if word != "ok"]
    print(f"{len(said) - len(failed)} of {len(said)} clients are served as model {MODEL}", *failed)
    return 1 if failed or not said else 0


def _run(client: Client, daemon: Running) -> str:
    """Run one; print and return how it ended."""
    log = ROOT / f"{client.name}.log"
    try:
        command = client.command(daemon)
        with log.open("wb") as out:
            around = daemon.surroundings(Path(command[0]).parent)
            done = subprocess.run(command, stdout=out, stderr=out, check=False, timeout=_LIMIT, env=around, cwd=ROOT)
        word = "ok" if done.returncode == 0 else f"exit {done.returncode}, see {log}"
    except (OSError, subprocess.SubprocessError) as error:
        word = str(error)
    print(f"{client.name}: {word}", flush=True)
    return word


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
