"""The exact limit of each number: the last value that is taken, and the first that is not."""

import math
from pathlib import Path

import pytest

from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings

_JUDGE = '[verify.command]\nargv = ["/bin/true"]\n'
_PROBE = '[[verify.probe]]\nprompt = "a"\ncontains = "b"\n'
_SCORED = '[[verify.probe]]\nprompt = "a"\nanswer = "b"\n'
_LOCAL = '[[source]]\nkind = "local"\npath = "/a"\n'
LIMITS: list[tuple[str, str, float, float]] = [
    ("[model]\nbase = 'b'\n", "max_rank", 1, 0),
    ("[admission]\n", "max_artifact_bytes", 1, 0),
    ("[serve]\n", "port", 0, -1),
    ("[serve]\n", "port", 65535, 65536),
    ("[serve]\n", "berths", 2, 1),
    ("[serve]\n", "context_tokens", 2, 1),
    ("[serve]\n", "cache_tokens", 0, -1),
    ("[serve]\n", "batch_tokens", 1, 0),
    ("[serve]\n", "max_queue", 1, 0),
    ("[serve]\n", "max_drain", 0.0, -math.ulp(0.0)),
    ("[serve]\n", "idle_timeout", math.ulp(0.0), 0.0),
    ("[serve]\n", "read_timeout", math.ulp(0.0), 0.0),
    ("[serve]\n", "max_connections", 0, -1),
    ("[serve]\n", "max_per_address", 0, -1),
    ("[state]\n", "keep", 1, 0),
    ("[fleet]\n", "replicas", 1, 0),
    ("[fleet]\n", "ingresses", 1, 0),
    ("[fleet]\n", "patience", math.ulp(0.0), 0.0),
    ("[fleet]\n", "gpus_per_replica", 0.0, -math.ulp(0.0)),
    (_LOCAL, "settle", 0.0, -math.ulp(0.0)),
    (_LOCAL, "rescan", math.ulp(0.0), 0.0),
    ("[rollout]\n", "weight", 100.0, 100.00000000000001),
    ("[rollout]\n", "weight", math.ulp(0.0), 0.0),
    ("[rollout]\n", "significance", 0.5, 0.5000000000000001),
    ("[rollout]\n", "significance", math.ulp(0.0), 0.0),
    ("[rollout]\n", "min_requests", 1, 0),
    ("[rollout]\n", "max_latency_ratio", 0.0, -math.ulp(0.0)),
    ("[rollout]\n", "max_length_ratio", 0.0, -math.ulp(0.0)),
    ("[rollout]\n", "max_logprob_drop", 0.0, -math.ulp(0.0)),
    ("[verify]\n", "timeout", math.ulp(0.0), 0.0),
    ("[verify]\n", "turn_tokens", 1, 0),
    ("[verify]\n", "max_share", 1.0, 1.0000000000000002),
    ("[verify]\n", "max_share", math.ulp(0.0), 0.0),
    ("[verify]\n", "max_logit", 0.0, -math.ulp(0.0)),
    ("[verify]\n", "max_logit_growth", 0.0, -math.ulp(0.0)),
    ("[verify]\n", "max_same_token", 1.0, 1.0000000000000002),
    ("[verify]\n", "max_same_token", 0.0, -math.ulp(0.0)),
    ("[verify]\n", "max_loss", 0.0, -math.ulp(0.0)),
    ("[verify]\n", "max_update_ratio", 0.0, -math.ulp(0.0)),
    ("[verify]\n", "max_update_growth", 0.0, -math.ulp(0.0)),
    ("[verify.watch]\n", "max_errors", 1.0, 1.0000000000000002),
    ("[verify.watch]\n", "max_latency_ratio", 0.0, -math.ulp(0.0)),
    ("[verify.dataset]\nfile = '/a'\n", "max_ratio", math.ulp(0.0), 0.0),
    (_JUDGE, "timeout", math.ulp(0.0), 0.0),
    (_PROBE, "max_tokens", 1, 0),
    (_SCORED, "min_logprob", 0.0, math.ulp(0.0)),
]


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "hotswapd.toml"
    file.write_text(text if text.startswith("[model]") else f'[model]\nbase = "b"\n{text}')
    return load_settings(file, {})


@pytest.mark.parametrize(("table", "key", "last", "beyond"), LIMITS)
def test_a_limit_is_exact(tmp_path: Path, table: str, key: str, last: float, beyond: float) -> None:
    """A number that is refused is named by its key."""
    load(tmp_path, f"{table}{key} = {last!r}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{table}{key} = {beyond!r}\n")
    assert caught.value.key.rpartition(".")[2] == key


def test_a_socket_path_has_107_bytes_at_most(tmp_path: Path) -> None:
    """Bytes, not letters: the kernel's address has room for no more."""
    for path in (f"/{'s' * 106}", f"/{'é' * 53}"):
        assert len(path.encode()) == 107
        assert load(tmp_path, f'[control]\nsocket = "{path}"\n').control.socket == Path(path)
        with pytest.raises(ConfigError, match=r"control.socket: must be at most 107 bytes"):
            load(tmp_path, f'[control]\nsocket = "{path}s"\n')


def test_a_truth_value_is_not_a_number(tmp_path: Path) -> None:
    """In Python it is; the sentence has no words of a library."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "[state]\nkeep = true\n")
    assert str(caught.value) == "state.keep: must be a number, not True"


def read(tmp_path: Path, serve: str, **environ: str) -> Settings:
    file = tmp_path / "door.toml"
    file.write_text(f'[model]\nbase = "b"\n[serve]\n{serve}\n')
    return load_settings(file, environ)


def test_hosts_and_origins_are_taken_in_lower_case(tmp_path: Path) -> None:
    """Browsers write them so. An environment variable holds them as JSON."""
    lines = 'hosts = ["AI.example", "10.0.0.1", "fe80::1"]\ncors_origins = ["https://App.example:3000"]'
    serve = read(tmp_path, lines).serve
    assert serve.hosts == ("ai.example", "10.0.0.1", "fe80::1")
    assert serve.cors_origins == ("https://app.example:3000",)
    assert read(tmp_path, "", HOTSWAPD_SERVE__HOSTS='["a.example"]').serve.hosts == ("a.example",)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('hosts = ["https://a.example"]', "serve.hosts"),
        ('hosts = ["a.example:80"]', "serve.hosts"),
        ('hosts = ["*"]', "serve.hosts"),
        ('cors_origins = ["a.example"]', "serve.cors_origins"),
        ('cors_origins = ["https://a.example/"]', "serve.cors_origins"),
        ('cors_origins = ["*"]', "serve.cors_origins"),
        ('tls_key = "/k.pem"', "serve"),
        ('tls_cert = "k.pem"', "serve.tls_cert"),
        ('api_keys_file = "keys"', "serve.api_keys_file"),
    ],
)
def test_what_the_door_cannot_use_names_its_key(tmp_path: Path, line: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, line)
    assert [problem.key.partition("[")[0] for problem in caught.value.problems] == [key]
