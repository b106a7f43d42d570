"""`hotswapd serve` with a base and an adapter on the Hub: found, downloaded and paid for with the user's own token."""

import json
import os
import urllib.request
from pathlib import Path

import pytest
from kits.alone import spawn_alone
from kits.hub_server import HubServer
from kits.room import Room, home
from kits.terminals import on_a_terminal


def contents(directory: Path, **edits: str) -> dict[str, bytes | None]:
    """Return the files of a directory as a commit's changes; `edits` replaces keys of a configuration."""
    files: dict[str, bytes | None] = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    config = files.get("adapter_config.json")
    if config is not None:
        files["adapter_config.json"] = json.dumps(json.loads(config) | edits).encode()
    return files


@pytest.mark.slow
def test_base_and_adapter_come_from_the_hub(room: Room, tmp_path: Path) -> None:
    """Both are private, and HF_TOKEN alone opens them."""
    work, cache = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    cache.mkdir()
    with HubServer() as hub:
        hub.commit("org/base", contents(home() / "base"))
        hub.commit("org/adapter", contents(home() / "run-0", base_model_name_or_path="org/base"))
        for repo in hub.repos.values():
            repo.private = True
        environ = {"HF_ENDPOINT": hub.url, "HF_HOME": str(cache), "HF_TOKEN": hub.token}
        keys = ("model.device=cpu", "serve.context_tokens=128", f"state.dir={room.root}/state")
        sets = [part for key in (*keys, f"control.socket={room.root}/control.sock") for part in ("--set", key)]
        line = ["serve", "org/base", "hf://org/adapter", "--port", "0", *sets]
        with on_a_terminal(line, work, environ=environ, start=spawn_alone) as terminal:
            terminal.line("ready after")
            terminal.line("# push a commit to org/adapter")
            terminal.line("LIVE  generation 1 (adapter) answers new requests")
            assert "model.safetensors: 100%" in terminal.raw, "no bar was drawn for the download"
            url = terminal.line("listening on ").rpartition(" ")[2]
            body = json.dumps({"model": "org/base", "prompt": "a", "max_tokens": 2}).encode()
            asked = urllib.request.Request(f"{url}/v1/completions", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(asked, timeout=60) as got:
                assert json.load(got)["system_fingerprint"].startswith("hotswapd-g1-")
            assert terminal.interrupt() == 0
        paid = [seen.path for seen in hub.seen if seen.authorization == f"Bearer {hub.token}"]
        assert {repo for repo in hub.repos if any(repo in path for path in paid)} == {"org/base", "org/adapter"}
    assert os.listdir(work) == []
