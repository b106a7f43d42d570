"""``hotswapd publish``: checked as the daemon will, then sent; its exit code says which of it failed."""

import json
import sys
from pathlib import Path

import pytest
from kits.adapters import make_adapter
from kits.models import tiny

from hotswapd.daemon.cli import main
from hotswapd.loaders.codes import BucketCode
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.s3.session import S3Access

CONFIG, WEIGHTS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "hotswapd_manifest.json"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and two adapters that were trained on it, one of them too wide."""
    root = tmp_path_factory.mktemp("publish")
    base = tiny("llama", root / "base")
    make_adapter(base, root / "good")
    make_adapter(base, root / "wide", rank=16)
    (root / "daemon.toml").write_text(f'[model]\nbase = "{base}"\nmax_rank = 8\n')
    return root


def publish(place: Path, name: str, dest: Path | str, *more: str) -> int:
    return main(["publish", str(place / name), str(dest), *more])


def test_a_good_adapter_is_checked_against_the_base_and_sent(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(place, "good", tmp_path / "run", "--config", str(place / "daemon.toml")) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {CONFIG, WEIGHTS, MANIFEST}
    shown = capsys.readouterr()
    assert shown.out.startswith(f"published file://{tmp_path}/run: {WEIGHTS}, {MANIFEST}, {CONFIG} sent")
    assert shown.err == ""
    assert publish(place, "good", tmp_path / "run", "--base", str(place / "base")) == 0
    assert "nothing sent" in capsys.readouterr().out


def test_what_would_be_refused_is_shown_and_not_sent(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(place, "wide", tmp_path / "run", "--config", str(place / "daemon.toml")) == 3
    shown = capsys.readouterr()
    assert "would be refused, so nothing was sent" in shown.err
    assert "rank" in shown.out
    assert not (tmp_path / "run").exists()


def test_without_a_base_only_the_structure_is_checked(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(place, "wide", tmp_path / "run") == 0
    assert "only its structure was checked" in capsys.readouterr().err
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / CONFIG).write_text(json.dumps({"peft_type": "PREFIX_TUNING"}))
    (tmp_path / "odd" / WEIGHTS).write_bytes((place / "good" / WEIGHTS).read_bytes())
    assert publish(tmp_path, "odd", tmp_path / "never") == 3
    assert not (tmp_path / "never").exists()


def test_a_directory_that_holds_no_adapter_is_rejected(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(place, "base", tmp_path / "run") == 3
    assert f"must hold {CONFIG} and {WEIGHTS}" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_unavailable(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert publish(place, "good", tmp_path / "file") == 4
    assert "cannot be written" in capsys.readouterr().err


def test_an_impossible_destination_is_wrong_usage(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish(place, "good", "hf://org/repo") == 2
    assert "push to a Hub with its own client" in capsys.readouterr().err


@pytest.mark.parametrize("bucket", ["Not_A_Bucket", "ab", "a" * 64, "-models", "models.", "models%0A"])
def test_an_impossible_bucket_is_wrong_usage(place: Path, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a configuration and without one."""
    for more in ((), ("--config", str(place / "daemon.toml"))):
        assert publish(place, "good", f"s3://{bucket}/team/run", *more) == 2
        said = capsys.readouterr().err
        assert "does not name a bucket" in said
        assert said.count("\n") == 1


def test_a_configuration_with_an_error_is_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.toml").write_text("[model]\nbase = 3\n")
    assert publish(place, "good", tmp_path / "run", "--config", str(tmp_path / "bad.toml")) == 78
    assert "model.base" in capsys.readouterr().err


def test_a_relative_destination_is_one_on_this_machine(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert publish(place, "good", "here/run") == 0
    assert (tmp_path / "here" / "run" / CONFIG).is_file()


def test_a_bucket_is_reached_as_its_source_is(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the settings of the configured source that it lies in, unless the command line has others."""
    seen: list[S3Access] = []

    def send(*_: object, access: S3Access, **__: object) -> None:
        seen.append(access)
        raise Unavailable(BucketCode.UNREACHABLE, "it has gone far enough")

    (tmp_path / "s3.toml").write_text(
        f'[model]\nbase = "{place / "base"}"\n[[source]]\nkind = "s3"\nuri = "s3://models/team/"\n'
        'region = "eu-west-1"\nendpoint_url = "http://127.0.0.1:9"\nexpected_bucket_owner = "123456789012"\n'
    )
    monkeypatch.setattr("hotswapd.daemon.commands.publish.send", send)
    config = ("--config", str(tmp_path / "s3.toml"))
    publish(place, "good", "s3://models/team/run", *config, "--region", "us-east-1")
    publish(place, "good", "s3://models/other/run", *config)
    assert [(found.region, found.endpoint_url, found.expected_bucket_owner) for found in seen] == [
        ("us-east-1", "http://127.0.0.1:9", "123456789012"),
        ("", "", ""),
    ]


def test_the_progress_bar_is_drawn_on_a_terminal_only(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(place, "good", tmp_path / "plain") == 0
    assert "publishing" not in capsys.readouterr().err
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert publish(place, "good", tmp_path / "drawn") == 0
    assert "publishing" in capsys.readouterr().err


def together(place: Path, dest: Path | str, *members: str, more: tuple[str, ...] = ()) -> int:
    return main(["publish", "--together", *members, str(dest), *more])


def test_a_set_is_sent_with_a_manifest_that_names_all(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = place / "good"
    assert together(place, tmp_path, f"sales={good}", f"support={good}", more=("--base", str(place / "base"))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("/set-")[0] for line in lines] == [
        f"published file://{tmp_path}/{name}" for name in ("sales", "support")
    ]
    (manifest,) = (tmp_path / "sales").glob(f"*/{MANIFEST}")
    assert set(json.loads(manifest.read_bytes())["together"]) == {"sales", "support"}


def test_a_set_with_a_member_that_would_be_refused_is_not_sent(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = f"sales={place / 'good'}", f"support={place / 'wide'}"
    assert together(place, tmp_path, *members, more=("--config", str(place / "daemon.toml"))) == 3
    assert "would be refused, so nothing was sent" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--together", "a"], "with --together write CHANNEL=DIR"),
        (["--together", "a=b", "a=c"], "with --together write CHANNEL=DIR, each channel once"),
        (["--together", "a=b"], "at least two members"),
        (["--together", "a=b", "../x=c"], "cannot be a channel here"),
        (["a", "b"], "several go with --together"),
    ],
)
def test_a_line_that_names_no_set_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["publish", *words, str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
