"""TLS from files: who connects gets the certificate that is there, and a new one after a reload."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kits.certificates import certify, serial
from kits.daemon_fakes import FakeFace
from kits.fronts import Front, front
from kits.rows import LONG

from hotswapd.daemon.config.settings import ConfigError
from hotswapd.daemon.serve.tls import read_tls


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Front]:
    with front(FakeFace(), tmp_path, read_timeout=0.5, idle_timeout=5.0, **certify(tmp_path, 1)) as one:
        yield one


def test_requests_are_answered_over_tls(made: Front, tmp_path: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    with httpx.Client(verify=trusted) as client:
        url = f"https://localhost:{made.servers.address[1]}"
        for _ in range(3):
            answer = client.post(f"{url}/v1/completions", json={"model": "m", "prompt": "hi"})
            assert answer.json()["choices"][0]["text"] == "hello"
        assert client.get(f"{url}/status.json", headers={"Origin": url}).status_code == 200


def test_a_request_that_comes_with_the_handshake_is_answered(made: Front, tmp_path: Path) -> None:
    """The client's last words of the handshake and its request arrive in one piece."""
    trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = trusted.wrap_bio(coming, going, server_hostname="localhost")
    with socket.create_connection(made.servers.address, LONG) as sock:
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(going.read())
                coming.write(sock.recv(1 << 16))
        secure.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        sock.sendall(going.read())
        answer = b""
        while b"live" not in answer:
            try:
                answer += secure.read(4096)
            except ssl.SSLWantReadError:
                more = sock.recv(1 << 16)
                assert more, "the connection was closed"
                coming.write(more)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_new_certificate_is_shown_after_a_reload(made: Front, tmp_path: Path) -> None:
    assert serial(made.servers.address) == 1
    certify(tmp_path, 2)
    made.servers.renew_tls()
    assert serial(made.servers.address) == 2


def test_a_spoilt_certificate_keeps_the_old_one(made: Front, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"serve\.tls_cert"):
        made.servers.renew_tls()
    assert serial(made.servers.address) == 1


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01"])
def test_a_handshake_that_does_not_come_is_closed(made: Front, sent: bytes) -> None:
    """And does not stay in the table."""
    with socket.create_connection(made.servers.address, LONG) as sock:
        sock.settimeout(LONG)
        sock.sendall(sent)
        try:
            while sock.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert serial(made.servers.address) == 1


def test_files_that_are_no_pair_name_their_keys(tmp_path: Path) -> None:
    one = certify(tmp_path, 1)
    with pytest.raises(ConfigError, match=r"serve\.tls_cert.*cannot be read"):
        read_tls(str(tmp_path / "none.pem"), one["tls_key"])
    (tmp_path / "other").mkdir()
    other = certify(tmp_path / "other", 2)
    with pytest.raises(ConfigError, match=r"serve\.tls_cert.*not a pair"):
        read_tls(one["tls_cert"], other["tls_key"])
    hidden = certify(tmp_path, 3, b"secret")
    with pytest.raises(ConfigError, match=r"serve\.tls_key.*encrypted"):
        read_tls(hidden["tls_cert"], hidden["tls_key"])
