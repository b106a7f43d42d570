"""How a bucket or a queue is reached: one place for regions, time-outs, retries, checksums and the owner check."""

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.config import Config

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class S3Access:
    """How a bucket is reached; the environment decides what is empty, and an empty owner is not checked."""

    region: str = ""
    endpoint_url: str = ""
    expected_bucket_owner: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: for a connection, for the next byte, and for a whole small answer or the next MiB.

    `attempts` is the number of tries in all, with the client library's short random pauses in between.
    """

    connect: float = 5.0
    read: float = 10.0
    whole: float = 60.0
    attempts: int = 3


def make_client(service: Literal["s3", "sqs"], access: S3Access, patience: Patience) -> Any:
    """Make a client for one thread, in a new session, which reads the environment and its files as they are now.

    Raises botocore's errors, and ValueError for settings that cannot be used.
    """
    session = boto3.session.Session()
    client: Any = session.client(
        service,
        region_name=access.region or None,
        endpoint_url=access.endpoint_url or None,
        config=_config(access, patience),
    )
    if service == "s3" and access.expected_bucket_owner:
        _always_send_owner(client, access.expected_bucket_owner)
    return client


def _config(access: S3Access, patience: Patience) -> Config:
    host = urlsplit(access.endpoint_url).hostname or ""
    amazon = not host or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    # Many servers other than Amazon's know neither the checksums that are sent by default nor buckets as host names.
    checksums: Literal["when_supported", "when_required"] = "when_supported" if amazon else "when_required"
    return Config(
        connect_timeout=patience.connect,
        read_timeout=patience.read,
        max_pool_connections=8,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        s3={"addressing_style": "auto" if amazon else "path"},
        user_agent_extra="hotswapd",
    )


def _always_send_owner(client: Any, owner: str) -> None:
    """Send the owner with every call, including those that the library itself makes to find a region."""

    def add(params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        knows = model.input_shape is not None and "ExpectedBucketOwner" in model.input_shape.members
        return {**params, "ExpectedBucketOwner": owner} if knows else params

    client.meta.events.register("provide-client-params.s3", add)


def report_sockets(client: Any, on_socket: Callable[[socket.socket], None]) -> None:
    """Call `on_socket` with each socket before the client waits on it, so that a wait can be ended from outside.

    The library has no hook for that, so its transport is extended. If a later version is built differently, that is
    logged, and a wait ends by its time-out.
    """
    try:
        transport = client._endpoint.http_session
        pools = transport._pool_classes_by_scheme
        # The manager and each proxy's manager look up this one mapping.
        pools.update(_reporting_pools(on_socket))
    except AttributeError as error:
        log.warning("this version of botocore does not show its sockets (%s): a stop may wait for a time-out", error)


def _reporting_pools(on_socket: Callable[[socket.socket], None]) -> dict[str, type]:
    class Reporting:
        """Reports its socket when it has connected, and again each time it is reused."""

        sock: Any

        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            self._report()

        def request(self, *args: Any, **kwargs: Any) -> None:
            self._report()
            super().request(*args, **kwargs)  # type: ignore[misc]

        def _report(self) -> None:
            plain = getattr(self.sock, "socket", self.sock)  # TLS within TLS wraps it in something that is not a socket
            if isinstance(plain, socket.socket):
                on_socket(plain)

    class Plain(Reporting, AWSHTTPConnection):  # type: ignore[misc]
        pass

    class Secure(Reporting, AWSHTTPSConnection):  # type: ignore[misc]
        pass

    class PlainPool(AWSHTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(AWSHTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
