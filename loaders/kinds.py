"""The kinds of sources, one row each. Nothing is imported here, so that an address can be read without any client."""

from typing import NamedTuple


class Kind(NamedTuple):
    """The scheme of a kind's addresses, and the module and the class that make its sources."""

    scheme: str
    module: str
    class_name: str


KINDS = {
    "local": Kind("file", "hotswapd.loaders.local.source", "LocalSource"),
    "s3": Kind("s3", "hotswapd.loaders.s3.source", "S3Source"),
    "hub": Kind("hf", "hotswapd.loaders.hub.source", "HubSource"),
}
SCHEMES = tuple(kind.scheme for kind in KINDS.values())
