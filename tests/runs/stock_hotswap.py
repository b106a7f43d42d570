"""What plain `peft.hotswap_adapter` does with an adapter: a process that loads base and adapter, and forks for each.

`stock_hotswap.py BASE LIVE` says `ready`, then reads a directory a line and answers with a line of JSON, the words of
what became of the model. Each is tried in a process of its own, which has `LIMIT` seconds and `MEMORY` bytes.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.utils.hotswap import hotswap_adapter, prepare_model_for_compiled_hotswap
from transformers import AutoModelForCausalLM

LIMIT = 20.0
MEMORY = 2 << 30
MAX_RANK = 8
HERE = Path(__file__)
PROMPT = torch.tensor([[5, 6, 7, 40, 9]])


class Stock:
    """The process, from the side of who asks. `before` is a command that becomes it, if one is given."""

    def __init__(self, base: Path, live: Path, before: list[str]) -> None:
        self._command = [*before, sys.executable, str(HERE), str(base), str(live)]

    def __enter__(self) -> "Stock":
        environ = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True, env=environ)
        assert self._answer() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, adapter: Path) -> str:
        """Have it try one, and return what became of the model."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{adapter}\n")
        self._process.stdin.flush()
        return str(json.loads(self._answer()))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def main() -> int:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    base = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    model = PeftModel.from_pretrained(base, sys.argv[2]).eval()
    prepare_model_for_compiled_hotswap(model, target_rank=MAX_RANK)
    _logits(model)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_apart(model, line.rstrip("\n"))) + "\n")
        sys.stdout.flush()
    return 0


def _apart(model: Any, adapter: str) -> str:
    """Try it in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _tell(writer, model, adapter)
    os.close(writer)
    try:
        return _wait(child, reader)
    finally:
        os.close(reader)


def _tell(writer: int, model: Any, adapter: str) -> None:
    """Be the process that tries it; never returns."""
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        os.write(writer, attempt(model, adapter).encode())
    finally:
        os._exit(0)


def _wait(child: int, reader: int) -> str:
    end = time.monotonic() + LIMIT
    while not select.select([reader], [], [], 0.02)[0]:
        over = "takes over 2 GiB of memory" if _resident(child) > MEMORY else ""
        over = over or (f"hangs for {LIMIT:g} s, then killed" if time.monotonic() > end else "")
        if over:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return over
    said = os.read(reader, 65536).decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said or f"the process dies ({status})"


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS")), 0)


def attempt(model: Any, adapter: str) -> str:
    """Swap it in, and say in a few words what has become of the model's tensors and answers."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    said = _logits(model)
    try:
        hotswap_adapter(model, adapter, adapter_name="default", torch_device="cpu")
    except BaseException as error:
        changed = _changed(before, model.state_dict())
        torn = f"{changed} of {_lora(before)} tensors changed" if changed else "nothing changed"
        return f"{type(error).__name__}, {torn}"
    try:
        now = _logits(model)
    except Exception as error:
        return f"taken; every request then fails ({type(error).__name__})"
    if not bool(now.isfinite().all()):
        return "taken; answers NaN"
    return "taken; answers as before" if torch.equal(now, said) else "taken; other answers"


def _logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=PROMPT, use_cache=False).logits
        return found


def _changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> int:
    return sum(
        name not in after or after[name].shape != tensor.shape or not torch.equal(after[name], tensor)
        for name, tensor in before.items()
    )


def _lora(tensors: dict[str, torch.Tensor]) -> int:
    return sum("lora_" in name for name in tensors)


if __name__ == "__main__":
    sys.exit(main())
