"""The same model, adapters and load on vLLM and on hotswapd, one after the other: what reloading under load does.

    sh scripts/vllm/install.sh DIRECTORY
    .venv/bin/python scripts/vllm/compare.py DIRECTORY docs/bench/vllm.json

The references are each server's own: its answers at rest with one adapter, and then with the other. Each server is
loaded without a reload too, since one that rounds otherwise in a batch gives other answers for that alone.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import load

import hotswapd.daemon.demo.command
from hotswapd.daemon.demo.model import cache_directory, unpacked_model
from hotswapd.daemon.demo.process import DemoDaemon

TIMES = int(os.environ.get("RELOADS", "20"))
QUIET_TURNS = 10
EVERY = float(os.environ.get("SECONDS_BETWEEN", "4"))
ADAPTERS = Path(hotswapd.daemon.demo.command.__file__).resolve().parent / "adapters"
NAMES = ("german", "pirate")
TRAINED_ON = "HuggingFaceTB/SmolLM2-135M-Instruct"
PORT = 8231


@contextlib.contextmanager
def vllm(environment: Path, base: Path, log: Path) -> Iterator[str]:
    """Start vLLM with one LoRA name, and end it."""
    env = os.environ | {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VIRTUAL_ENV": str(environment),
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
    }
    options = f"--host 127.0.0.1 --port {PORT} --dtype float32 --max-model-len 1024 --max-num-seqs {load.CLIENTS}"
    lora = f"--enable-lora --max-loras 2 --max-lora-rank 16 --lora-modules tuned={ADAPTERS / NAMES[0]}"
    command = [str(environment / "bin" / "vllm"), "serve", str(base), *options.split(), *lora.split()]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True)
    url = f"http://127.0.0.1:{PORT}"
    try:
        wait_for(lambda: httpx.get(f"{url}/health").status_code == 200, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def wait_for(there: Any, process: "subprocess.Popen[bytes]", log: Path, limit: float = 600.0) -> None:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"it ended with {process.returncode}: {log.read_text()[-3000:]}")
        with contextlib.suppress(httpx.HTTPError):
            if there():
                return
        time.sleep(0.2)
    raise SystemExit(f"not ready within {limit:g} s: {log.read_text()[-3000:]}")


def beside_vllm(environment: Path, base: Path, log: Path) -> dict[str, Any]:
    with vllm(environment, base, log) as url:

        def reload(index: int) -> None:
            body = {"lora_name": "tuned", "lora_path": str(ADAPTERS / NAMES[index]), "load_inplace": True}
            httpx.post(f"{url}/v1/load_lora_adapter", json=body, timeout=120.0).raise_for_status()

        # Under names of their own, so that nothing that is cached for one adapter can answer for another.
        known = []
        for name in NAMES:
            body = {"lora_name": f"alone-{name}", "lora_path": str(ADAPTERS / name)}
            httpx.post(f"{url}/v1/load_lora_adapter", json=body, timeout=120.0).raise_for_status()
            known.append(load.references(url, f"alone-{name}"))
        check_differ(known)
        return with_and_without(url, "tuned", lambda turn: reload((turn + 1) % 2), known)


def ours(base: Path, room: Path) -> dict[str, Any]:
    daemon = DemoDaemon(room / "room", room / "cache", base, (TRAINED_ON,))
    daemon.prepare()
    config = daemon.room / "hotswapd.toml"
    config.write_text(config.read_text().replace("context_tokens = 512", "context_tokens = 1024"))
    daemon.start(lambda _: None)
    try:
        url = f"http://127.0.0.1:{daemon.port}"

        def bring(turn: int) -> None:
            place = room / f"turn-{turn:03}"
            shutil.copytree(ADAPTERS / NAMES[(turn + 1) % 2], place)
            row = daemon.outcome(daemon.drop(place))
            if row["state"] not in ("LIVE", "RETIRED"):
                raise SystemExit(f"it did not go live: {row}")

        known = []
        for turn in (-1, 0):
            bring(turn)
            known.append(load.references(url, str(base)))
        check_differ(known)
        bring(1)
        return with_and_without(url, str(base), lambda turn: bring(turn + 2), known)
    finally:
        daemon.stop()


def with_and_without(url: str, model: str, reload: Callable[[int], None], known: list[list[str]]) -> dict[str, Any]:
    """Load it twice, first without any reload: what differs from the references then is the server's own rounding."""
    still, moving = load.Load(url, model), load.Load(url, model)
    still.run(lambda _: None, QUIET_TURNS, EVERY)
    moments = moving.run(reload, TIMES, EVERY)
    return {"without": load.judge(still, [], known), "reloading": load.judge(moving, moments, known)}


def check_differ(known: list[list[str]]) -> None:
    if any(a == b for a, b in zip(*known, strict=True)):
        raise SystemExit("the adapters give the same answer to a question: it tells nothing")


def main() -> None:
    environment, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    room = Path(tempfile.mkdtemp(prefix="beside-"))
    base = unpacked_model(cache_directory(os.environ))
    run = {"reloads": TIMES, "seconds_between": EVERY, "clients": load.CLIENTS, "tokens": load.TOKENS}
    found: dict[str, Any] = {"run": run | {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}}
    for name, measure in (
        ("hotswapd", lambda: ours(base, room)),
        ("vllm", lambda: beside_vllm(environment, base, room / "vllm.log")),
    ):
        found[name] = measure()  # written at once: a run that is broken off keeps what it has
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    shutil.rmtree(room)


if __name__ == "__main__":
    main()
