"""The demo's daemon: its environment, and what is said if it cannot start."""

from pathlib import Path
from typing import Any

import pytest

from hotswapd.daemon.demo.process import DemoDaemon, DemoFailed


@pytest.mark.slow
def test_a_daemon_that_cannot_start_is_named_with_its_log(tmp_path: Path) -> None:
    """The demo does not wait for a process that has ended."""
    daemon = DemoDaemon(tmp_path / "room", tmp_path / "cache", tmp_path / "no-model", (), "false")
    daemon.prepare()
    with pytest.raises(DemoFailed, match=r"status 78; its log is .*daemon\.log"):
        daemon.start(lambda sentence: None)


def test_a_setting_of_another_daemon_is_not_the_demos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HOTSWAPD_ variables of the shell would override the demo's configuration."""
    seen: dict[str, Any] = {}

    class Stopped(Exception):
        pass

    def popen(command: list[str], **options: Any) -> None:
        seen.update(options["env"])
        raise Stopped

    monkeypatch.setenv("HOTSWAPD_MODEL__BASE", "another")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setattr("hotswapd.daemon.demo.process.subprocess.Popen", popen)
    daemon = DemoDaemon(tmp_path / "room", tmp_path / "cache", tmp_path, ())
    daemon.prepare()
    with pytest.raises(Stopped):
        daemon.start(lambda sentence: None)
    assert "HOTSWAPD_MODEL__BASE" not in seen
    assert seen["OMP_WAIT_POLICY"] == "active", "the user's own choice stays"
    assert seen["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "cache" / "inductor")
