"""What `fleet.shared` may be: a directory that every node has mounted, or a bucket's prefix."""

from pathlib import Path

from hotswapd.loaders.s3.session import S3Access
from hotswapd.loaders.uri import in_bucket

from .bucket import BucketPlace
from .folder import FolderPlace
from .place import Place


def open_place(address: str) -> Place:
    """Open it; how a bucket is reached the environment says, as for any of AWS' tools. Raises Unavailable."""
    parts = in_bucket(address)
    return FolderPlace(Path(address)) if parts is None else BucketPlace(*parts, S3Access())
