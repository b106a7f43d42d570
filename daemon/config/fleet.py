"""``[fleet]``: several replicas that change generation together."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from .tables import Count, Name, Number, Positive, Table, wrong

_BUCKET = "s3://"


def _directory(shared: str) -> str:
    if shared.startswith(_BUCKET):
        raise wrong("must be a directory that every node has mounted: a fleet's processes use no bucket yet")
    if shared and not Path(shared).is_absolute():
        raise wrong("must be an absolute path of a directory that every node has mounted")
    return shared


class Fleet(Table):
    """``[fleet]``: for `hotswapd fleet deploy` and Ray Serve only; `hotswapd run` does not read it.

    `shared` is where pointers and adapters lie, in a directory that every node has mounted. `patience` is how many
    seconds a replica may take for a change before it is replaced. `gpus_per_replica` is what Ray keeps for each; it may
    be a part of one. `address` is Ray's; "auto" is that of this machine.
    """

    replicas: Count = 1
    ingresses: Count = 2
    shared: Annotated[str, AfterValidator(_directory)] = ""
    patience: Positive = 60.0
    gpus_per_replica: Annotated[float, Number, Field(ge=0)] = 1.0
    address: Name = "auto"
