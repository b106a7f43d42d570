"""What `fleet.shared` may be: a directory that every node has mounted, or a bucket's prefix."""

from pathlib import Path

from hotswapd.loaders.s3.session import S3Access

from .bucket import BucketPlace
from .folder import FolderPlace
from .place import Place

_SCHEME = "s3://"


def is_in_bucket(address: str) -> bool:
    """Tell whether this is an address in a bucket."""
    return address.startswith(_SCHEME)


def open_place(address: str) -> Place:
    """Open it; how a bucket is reached the environment says, as for any of AWS' tools. Raises Unavailable."""
    if not is_in_bucket(address):
        return FolderPlace(Path(address))
    bucket, _, prefix = address.removeprefix(_SCHEME).partition("/")
    return BucketPlace(bucket, prefix, S3Access())
