"""What can be pasted into a shell once the daemon answers: ask it, see it, drop an adapter in."""

import json
import shlex
from collections.abc import Iterator

from hotswapd.daemon.config.settings import HubTable, LocalTable, S3Table, Settings, SourceTable
from hotswapd.daemon.serve.names import names_of

_ANYWHERE = ("0.0.0.0", "::", "127.0.0.1", "::1")  # noqa: S104 - addresses that localhost reaches
_PROMPT = "The capital of France is"
_TOKENS = 16


def invitation(settings: Settings, address: tuple[str, int], name: str = "") -> str:
    """Return the lines for a daemon that listens on `address`; `name` is empty for one that needs no name."""
    url = _url("https" if settings.serve.tls_cert else "http", *address)
    named = f" --name {shlex.quote(name)}" if name else ""
    blocks = (
        ("Ask it", [_question(settings, url)]),
        ("See it", [f"hotswapd status --watch{named}", f"hotswapd history{named}", f"{url}/"]),
        ("Drop an adapter in", list(_drops(settings.source))),
    )
    return "\n".join(["", *(line for title, lines in blocks for line in (f"{title}:", *_indented(lines), "")), ""])


def _indented(lines: list[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _url(scheme: str, host: str, port: int) -> str:
    if host in _ANYWHERE:
        return f"{scheme}://localhost:{port}"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _question(settings: Settings, url: str) -> str:
    name = names_of(settings.model.base, settings.serve.model_names).first
    body = json.dumps({"model": name, "prompt": _PROMPT, "max_tokens": _TOKENS}, ensure_ascii=False)
    parts = ["curl", "-s", f"{url}/v1/completions", "-H", "Content-Type: application/json", "-d", body]
    return shlex.join(parts) + _secret(settings.serve.api_key_file, settings.serve.api_keys_file)


def _secret(key_file: str, keys_file: str) -> str:
    """Return the header that a key needs; a file of several keys holds only their digests."""
    if key_file:
        return f' -H "Authorization: Bearer $(cat {shlex.quote(key_file)})"'
    return ' -H "Authorization: Bearer YOUR-KEY"' if keys_file else ""


def _drops(sources: tuple[SourceTable, ...]) -> Iterator[str]:
    for source in sources:
        match source:
            case LocalTable():
                yield f"cp -r YOUR-ADAPTER {shlex.quote(str(source.path))}/"
            case S3Table():
                yield f"hotswapd publish YOUR-ADAPTER {shlex.quote(source.uri.rstrip('/'))}/NAME"
            case HubTable():
                yield f"# push a commit to {source.repo} ({source.revision})"
    if not sources:
        yield "# nothing is watched: name a folder, s3://bucket/prefix/ or hf://org/adapter after the base"
