"""Every file that the configuration names is read."""

from pathlib import Path

from kits.doctors import only, settings

from hotswapd.daemon.doctor.files import check_files


def test_files_that_can_be_read_are_fine(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sesame")
    only(check_files(settings(serve={"api_key_file": str(tmp_path / "key")})), "fine")
    assert list(check_files(None)) == []


def test_each_that_cannot_is_named_by_its_key(tmp_path: Path) -> None:
    hub = {"kind": "hub", "repo": "org/a", "token_file": str(tmp_path / "token")}
    serve = {"api_key_file": str(tmp_path / "key"), "tls_cert": str(tmp_path / "cert")}
    judge = {"command": {"argv": ["no-such-program"]}}
    found = list(check_files(settings(source=[hub], serve=serve, verify=judge)))
    keys = [one.sentence.split(": ")[0] for one in found]
    assert keys == ["verify.command.argv", "serve.tls_cert", "serve.api_key_file", "source hf://org/a.token_file"]
    assert {one.outcome for one in found} == {"fails"}
