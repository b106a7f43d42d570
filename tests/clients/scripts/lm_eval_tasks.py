"""lm-eval: five tasks through the API, and the same with the model in transformers; each number is the same.

A sum of log-probabilities may differ by as much as float32 rounds over its tokens.
"""

import os
import tempfile
from pathlib import Path

import lm_eval
from lm_eval.tasks import TaskManager

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
BASE, ADAPTER = os.environ["CLIENTS_BASE"], os.environ["CLIENTS_ADAPTER"]
TASKS = ("capitals", "sense", "last_word", "prose", "copy")
NEAR = 5e-4
HERE = Path(__file__).parent / "tasks"


def evaluated(folder: Path, model: str, arguments: dict[str, object]) -> dict[str, list[object]]:
    """Run all tasks; return what the model said of each sample."""
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    names = [f"hotswapd_{task}" for task in TASKS]
    result = lm_eval.simple_evaluate(
        model=model, model_args=arguments, tasks=names, task_manager=manager, batch_size=2, log_samples=True
    )
    return {name: [sample["filtered_resps"] for sample in result["samples"][name]] for name in names}


def same(ours: object, theirs: object) -> bool:
    """Compare numbers up to their rounding, and all else exactly."""
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        return abs(ours - theirs) < NEAR
    return ours == theirs


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for task in TASKS:
        (folder / f"{task}.yaml").write_text((HERE / f"{task}.yaml").read_text().replace("{folder}", str(HERE)))
    served = {"model": MODEL, "base_url": f"{URL}/v1/completions", "tokenizer": BASE, "num_concurrent": 2}
    ours = evaluated(folder, "local-completions", served)
    theirs = evaluated(folder, "hf", {"pretrained": BASE, "peft": ADAPTER, "dtype": "float32", "device": "cpu"})
for task in TASKS:
    name = f"hotswapd_{task}"
    print(task, ours[name], theirs[name], sep="\n  ")
    assert same(ours[name], theirs[name]), task
