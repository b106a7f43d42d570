"""Publish from a training run: a callback for ``transformers.Trainer``."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hotswapd.loaders.errors import LoadError

from .sending import Check, destination, publish

if TYPE_CHECKING:
    from hotswapd.loaders.s3.session import S3Access

log = logging.getLogger(__name__)


class PublishCallback:
    """Publishes each checkpoint that a ``transformers.Trainer`` saves: ``callbacks=[PublishCallback(dest)]``.

    `dest` is that of `publish`, and ``{step}`` in it becomes the step's number; without it, each checkpoint
    replaces the previous one. Training waits for the upload. A failed upload is logged and does not end the
    training; what `check` raises passes through. Making a callback imports transformers, importing this module does
    not.
    """

    def __new__(cls, *_: Any, **__: Any) -> "PublishCallback":
        """Make an instance that is a ``transformers.TrainerCallback`` as well."""
        from transformers.trainer_callback import TrainerCallback

        made = cls if issubclass(cls, TrainerCallback) else type(cls.__name__, (cls, TrainerCallback), {})
        return object.__new__(made)

    def __init__(self, dest: str, check: Check | None = None, access: "S3Access | None" = None) -> None:
        """Touch nothing yet. Raises ValueError for a `dest` that `publish` would not take."""
        destination(dest.replace("{step}", "0"))
        self._dest = dest
        self._check = check
        self._access = access

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Publish the checkpoint that was just saved, on the first process only."""
        if not state.is_world_process_zero:
            return
        directory = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        dest = self._dest.replace("{step}", str(state.global_step))
        try:
            done = publish(directory, dest, check=self._check, access=self._access)
        except LoadError as error:
            log.error("%s was not published to %s: %s", directory, dest, error.sentence)  # noqa: TRY400 - it says all
        else:
            log.info("%s was published to %s", directory, done.uri)
