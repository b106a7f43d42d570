"""Who may reach the HTTP server: it warns when that is not this machine alone, and compares keys in constant time."""

import hmac
from pathlib import Path

import httpx
import pytest
from kits.daemon_fakes import FakeFace
from structlog.testing import capture_logs

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.service.servers import Servers


def start(directory: Path, **serve) -> Servers:
    settings = Settings(model={"base": "m"}, serve={"port": 0, **serve}, control={"socket": str(directory / "c.sock")})
    servers = Servers(FakeFace(), settings, Metrics())
    servers.start()
    return servers


@pytest.mark.parametrize(
    ("host", "keyed", "word"),
    [("0.0.0.0", False, "ANYBODY"), ("0.0.0.0", True, "unencrypted"), ("127.0.0.1", False, None)],
)
def test_it_says_loudly_that_it_is_open_to_the_network(tmp_path: Path, host: str, keyed: bool, word: str | None):
    """Beyond the loopback there is a warning, with a key and without one; on it there is none."""
    (tmp_path / "key").write_text("secret")
    with capture_logs() as logs:
        start(tmp_path, host=host, api_key_file=str(tmp_path / "key") if keyed else "").stop(1.0)
    warnings = [entry["detail"] for entry in logs if entry["log_level"] == "warning"]
    assert [word in sentence for sentence in warnings] == ([] if word is None else [True])


def test_keys_are_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every key that is given, of whatever length, goes through the comparison that tells nothing by its time."""
    (tmp_path / "key").write_text("secret\n")
    compared, compare = [], hmac.compare_digest

    def noting(given: bytes, wanted: bytes) -> bool:
        compared.append((given, wanted))
        return compare(given, wanted)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    servers = start(tmp_path, api_key_file=str(tmp_path / "key"))
    try:
        url = f"http://127.0.0.1:{servers.address[1]}/v1/models"
        answers = [
            httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code
            for key in ("secret", "secreT", "s", "secretsecret")
        ]
    finally:
        servers.stop(1.0)
    assert answers == [200, 401, 401, 401]
    assert compared == [(key, b"secret") for key in (b"secret", b"secreT", b"s", b"secretsecret")]
