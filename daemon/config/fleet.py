"""``[fleet]``: several replicas that change generation together."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from hotswapd.loaders.uri import in_bucket, is_bucket

from .tables import Amount, Count, Name, Number, Positive, Table, wrong


def _place(shared: str) -> str:
    if (parts := in_bucket(shared)) is not None:
        bucket, prefix = parts
        if not (is_bucket(bucket) and prefix):
            raise wrong("must name a bucket and a prefix of its own in it: s3://BUCKET/PREFIX")
    elif shared and not Path(shared).is_absolute():
        raise wrong("must be an absolute path of a directory that every node has mounted, or s3://BUCKET/PREFIX")
    return shared


class Fleet(Table):
    """``[fleet]``: for `hotswapd fleet deploy` and Ray Serve only; `hotswapd run` does not read it.

    `shared` is where pointers, adapters and the journal lie: a directory that every node has mounted, or a prefix in a
    bucket with conditional writes, which the environment says how to reach. `patience` is how many
    seconds a replica may take for a change before it is replaced. `gpus_per_replica` is what Ray keeps for each; it may
    be a part of one. `address` is Ray's; "auto" is that of this machine.

    With `max_replicas` above `replicas` Serve keeps as many between the two as let each have about
    `requests_per_replica` requests at a time; with 0 there are always `replicas`.
    """

    replicas: Count = 1
    max_replicas: Amount = 0
    requests_per_replica: Positive = 16.0
    ingresses: Count = 2
    shared: Annotated[str, AfterValidator(_place)] = ""
    patience: Positive = 60.0
    gpus_per_replica: Annotated[float, Number, Field(ge=0)] = 1.0
    address: Name = "auto"
