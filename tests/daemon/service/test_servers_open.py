"""Who may reach the HTTP server: it warns if that is not this machine alone."""

from pathlib import Path

import pytest
from kits.daemon_fakes import FakeFace
from kits.fronts import front
from structlog.testing import capture_logs


@pytest.mark.parametrize(
    ("host", "keyed", "word"),
    [("0.0.0.0", False, "ANYBODY"), ("0.0.0.0", True, "unencrypted"), ("127.0.0.1", False, None)],
)
def test_a_server_open_to_the_network_warns(tmp_path: Path, host: str, keyed: bool, word: str | None) -> None:
    """Beyond the loopback there is a warning, with a key and without one; on it there is none."""
    (tmp_path / "key").write_text("secret")
    with (
        capture_logs() as logs,
        front(FakeFace(), tmp_path, host=host, api_key_file=str(tmp_path / "key") if keyed else ""),
    ):
        pass
    warnings = [entry["detail"] for entry in logs if entry["log_level"] == "warning"]
    assert [word in sentence for sentence in warnings] == ([] if word is None else [True])
