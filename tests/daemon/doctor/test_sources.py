"""Each source is scanned once."""

from pathlib import Path
from typing import Any

import pytest
from kits.doctors import only, settings

from hotswapd.daemon.doctor import sources
from hotswapd.daemon.doctor.sources import check_sources
from hotswapd.loaders.source import Scan


def local(path: Path | str) -> dict[str, Any]:
    return {"kind": "local", "path": str(path)}


def test_a_folder_is_read_and_counted(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "run-1" / "adapter_config.json").write_text("{}")
    found = only(check_sources(settings(source=[local(tmp_path)])), "fine")
    assert (found.check, found.sentence) == (f"source {tmp_path}", "it can be read: 1 adapter")


def test_a_folder_that_could_be_made_is_a_note(tmp_path: Path) -> None:
    only(check_sources(settings(source=[local(tmp_path / "adapters")])), "note")


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/proc/version"])
def test_a_folder_that_cannot_be_read_fails_with_its_code(path: str) -> None:
    assert only(check_sources(settings(source=[local(path)])), "fails").sentence.startswith("root_")


def test_a_bucket_without_credentials_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    table = {"kind": "s3", "uri": "s3://bucket/p/", "endpoint_url": "http://127.0.0.1:9"}
    assert "s3_no_credentials" in only(check_sources(settings(source=[table])), "fails").sentence


def test_a_queue_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its messages are for the daemon, which would miss them."""
    asked: list[str] = []

    class Fake:
        def __init__(self, table: Any) -> None:
            asked.append(table.queue_url)

        def scan(self) -> Scan:
            return Scan((), 1.0, "its queue is asleep")

        def close(self) -> None:
            asked.append("closed")

    monkeypatch.setattr(sources, "open_source", Fake)
    table = {"kind": "s3", "uri": "s3://bucket/p/", "queue_url": "https://sqs.example/q"}
    (found,) = check_sources(settings(source=[table]))
    assert (found.sentence, asked) == ("it can be read: no adapters; its queue is asleep", ["", "closed"])


def test_a_source_that_cannot_be_opened_fails() -> None:
    table = {"kind": "hub", "repo": "org/a", "subfolder": "../x"}
    assert "subfolder" in only(check_sources(settings(source=[table])), "fails").sentence


def test_no_source_is_a_note() -> None:
    only(check_sources(settings()), "note")
    assert list(check_sources(None)) == []
