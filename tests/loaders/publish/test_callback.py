"""A training publishes each checkpoint that it saves, and goes on when that fails."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from kits.adapters import make_adapter
from kits.folders import CONFIG, WEIGHTS, weights, write_folder
from kits.models import tiny

from hotswapd.loaders.publish import PublishCallback


def saved(output: Path, step: int, first: bool = True) -> tuple[SimpleNamespace, SimpleNamespace, None]:
    """Return what a trainer hands its callbacks after it saved a checkpoint."""
    return SimpleNamespace(output_dir=str(output)), SimpleNamespace(global_step=step, is_world_process_zero=first), None


def test_it_is_a_trainer_callback() -> None:
    from transformers import TrainerCallback

    made = PublishCallback("/srv/adapters/run")
    assert isinstance(made, TrainerCallback)
    assert isinstance(made, PublishCallback)


def test_a_step_in_the_destination_separates_checkpoints(tmp_path: Path) -> None:
    callback = PublishCallback(f"{tmp_path}/to/run-{{step}}")
    for step in (5, 10):
        write_folder(tmp_path / f"checkpoint-{step}", b"%4d" % step)
        callback.on_save(*saved(tmp_path, step))
    assert (tmp_path / "to" / "run-5" / WEIGHTS).read_bytes() == weights(b"   5")
    assert (tmp_path / "to" / "run-10" / WEIGHTS).read_bytes() == weights(b"  10")


def test_without_a_step_the_last_checkpoint_replaces_the_others(tmp_path: Path) -> None:
    callback = PublishCallback(f"{tmp_path}/to/run")
    for step in (5, 10):
        write_folder(tmp_path / f"checkpoint-{step}", b"%4d" % step)
        callback.on_save(*saved(tmp_path, step))
    assert (tmp_path / "to" / "run" / WEIGHTS).read_bytes() == weights(b"  10")


def test_only_the_first_process_publishes(tmp_path: Path) -> None:
    write_folder(tmp_path / "checkpoint-5")
    PublishCallback(f"{tmp_path}/to/run").on_save(*saved(tmp_path, 5, first=False))
    assert not (tmp_path / "to").exists()


def test_a_failure_is_logged_and_the_training_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    PublishCallback(f"{tmp_path}/to/run").on_save(*saved(tmp_path, 5))
    assert "checkpoint-5 was not published" in caplog.text
    assert "checkpoint-5 is not a directory on this machine" in caplog.text


def test_a_bad_destination_is_refused_before_training() -> None:
    with pytest.raises(ValueError, match="must start with"):
        PublishCallback("run-{step}")


def test_a_real_trainer_publishes_what_peft_saved(tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    base = tiny("llama", tmp_path / "base")
    make_adapter(base, tmp_path / "start")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "start", is_trainable=True)
    rows = [{"input_ids": torch.arange(4), "labels": torch.arange(4)}] * 4
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=2, save_steps=1, report_to=[], use_cpu=True, disable_tqdm=True
    )
    callbacks = [PublishCallback(f"{tmp_path}/to/run-{{step}}")]
    Trainer(model=model, args=arguments, train_dataset=rows, callbacks=callbacks).train()
    for step in (1, 2):
        published, checkpoint = tmp_path / "to" / f"run-{step}", tmp_path / "out" / f"checkpoint-{step}"
        for name in (CONFIG, WEIGHTS):
            assert (published / name).read_bytes() == (checkpoint / name).read_bytes()
