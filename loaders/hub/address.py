"""The parts of an address on a Hub: ``hf://org/repo``, ``hf://org/repo/sub``, ``hf://org/repo@revision/sub``."""

from collections.abc import Iterable

from hotswapd.loaders.uri import AdapterURI

MAIN = "main"


def split_repository(uri: AdapterURI) -> tuple[str, str]:
    """Split an address into its repository and what follows: nothing, ``/sub`` or ``@revision/sub``."""
    organisation, _, rest = uri.location.partition("/")
    end = min((at for at in (rest.find("@"), rest.find("/")) if at >= 0), default=len(rest))
    return f"{organisation}/{rest[:end]}", rest[end:]


def split_revision(rest: str, configured: Iterable[str]) -> tuple[str, str]:
    """Split what follows a repository into a revision and a subfolder.

    A revision ends at the first slash, unless a longer one of the `configured` revisions is what is written there.
    """
    if not rest.startswith("@"):
        return MAIN, rest[1:]
    named = rest[1:]
    for revision in sorted(configured, key=len, reverse=True):
        if f"{named}/".startswith(f"{revision}/"):
            return revision, named[len(revision) + 1 :]
    revision, _, subfolder = named.partition("/")
    return revision, subfolder
