"""AdapterURI: the address of an adapter. What lies there can change; a revision identifies what was seen."""

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from .kinds import SCHEMES

_STARTS = " or ".join((", ".join(f"{scheme}://" for scheme in SCHEMES[:-1]), f"{SCHEMES[-1]}://"))
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def is_bucket(name: str) -> bool:
    """Return whether S3 allows this name for a bucket."""
    return _BUCKET.fullmatch(name) is not None


def in_bucket(address: str) -> tuple[str, str] | None:
    """Split ``s3://bucket/prefix/`` into bucket and prefix, without slashes at its ends; None for another address."""
    scheme, _, rest = address.partition("://")
    bucket, _, prefix = rest.partition("/")
    return (bucket, prefix.strip("/")) if scheme == "s3" else None


@dataclass(frozen=True, slots=True, order=True)
class AdapterURI:
    """An adapter's address: ``file:///srv/a/run-7``, ``s3://bucket/prefix/run-7/``, ``hf://org/repo/sub``.

    `location` is what follows ``scheme://``, decoded, without a trailing slash.
    """

    scheme: str
    location: str

    @classmethod
    def parse(cls, text: str) -> "AdapterURI":
        """Read a URI; a plain absolute path is taken as ``file://``. Raises ValueError with a sentence."""
        if text.startswith("/"):
            return cls.of_path(text)
        parts = urlsplit(text, allow_fragments=False)
        if parts.scheme not in SCHEMES:
            raise ValueError(f"{text!r} is not an address of an adapter: it must start with {_STARTS}")
        location = unquote(f"{parts.netloc}{parts.path}")
        if parts.scheme == "file":
            if parts.netloc:
                raise ValueError(f"{text!r} names a host; a local address has three slashes: file:///path")
            return cls.of_path(location)
        return cls(parts.scheme, location.strip("/"))

    @classmethod
    def typed(cls, text: str) -> "AdapterURI":
        """Read a URI or a path as a person types it; a path may be relative. Raises ValueError with a sentence."""
        if "://" in text and not text.startswith("/"):
            return cls.parse(text)
        scheme, colon, _ = text.partition(":")
        if colon and scheme.lower() in SCHEMES:
            raise ValueError(f"{text!r} lacks slashes: an address starts with {scheme.lower()}://")
        if not text or text.startswith("~"):
            why = "is empty: a variable may not be set" if not text else "starts with a ~ that the shell did not expand"
            raise ValueError(f"{text!r} {why}")
        return cls.of_path(os.path.abspath(text))  # noqa: PTH100 - links stay

    @classmethod
    def of_path(cls, path: str | os.PathLike[str]) -> "AdapterURI":
        """Make the URI of an absolute local path."""
        plain = os.path.normpath(os.fspath(path))
        if not plain.startswith("/"):
            raise ValueError(f"{plain!r} is not absolute")
        return cls("file", plain)

    def __str__(self) -> str:
        """Return the URI; parse() of it gives the same value back."""
        return f"{self.scheme}://{quote(self.location, safe='/@+=:,')}"
