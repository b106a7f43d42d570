"""The files that the configuration names: keys, tokens, certificates, and what the gates read."""

from collections.abc import Iterator

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.service.reload import unreadable

from .finding import Finding, fails, fine

_NAME = "files"


def check_files(settings: Settings | None) -> Iterator[Finding]:
    """Read each file as the daemon would, as this user: a service's user may have other rights."""
    if settings is None:
        return
    problems = list(unreadable(settings))
    for problem in problems:
        yield fails(_NAME, str(problem), "correct the path, or make it readable for this user")
    if not problems:
        yield fine(_NAME, "every file that the configuration names can be read")
