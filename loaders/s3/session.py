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
    """How a bucket is reached; what is empty is left to the environment, and the owner is then not checked."""

    region: str = ""
    endpoint_url: str = ""
    expected_bucket_owner: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: for a connection, for the next byte, and for a whole small answer or the next MiB.

    `attempts` is how often a call is made in all, with the client library's short and random pauses in between.
    """

    connect: float = 5.0
    read: float = 10.0
    whole: float = 60.0
    attempts: int = 3


def make_client(service: Literal["s3", "sqs"], access: S3Access, patience: Patience) -> Any:
    """Make a client for one thread, in a new session: what the environment and its files say now holds for it.

    Raises botocore's errors and ValueError where the settings do not make one.
    """
    session = boto3.session.Session()
    client: Any = session.client(
        service,
        region_name=access.region or None,
        endpoint_url=access.endpoint_url or None,
        config=_config(access, patience),
    )
    if service == "s3" and access.expected_bucket_owner:
        _always_say_the_owner(client, access.expected_bucket_owner)
    return client


def _config(access: S3Access, patience: Patience) -> Config:
    host = urlsplit(access.endpoint_url).hostname or ""
    amazon = not host or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    # Many a server that is not Amazon's knows neither the checksums that are sent by default nor buckets as host names.
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


def _always_say_the_owner(client: Any, owner: str) -> None:
    """Send the owner with every call, also with those that the library makes by itself when it looks for a region."""

    def add(params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        knows = model.input_shape is not None and "ExpectedBucketOwner" in model.input_shape.members
        return {**params, "ExpectedBucketOwner": owner} if knows else params

    client.meta.events.register("provide-client-params.s3", add)


def tell_sockets(client: Any, hold: Callable[[socket.socket], None]) -> None:
    """Let `hold` hear of each socket before the client waits on it, so that a wait can be ended from outside.

    The library offers no such thing, so its transport is extended. Where a later version is built otherwise, that is
    logged, and a wait ends by its time-out.
    """
    try:
        transport = client._endpoint.http_session
        pools = transport._pool_classes_by_scheme
        # The manager and each proxy's manager look up this one mapping.
        pools.update(_telling_pools(hold))
    except AttributeError as error:
        log.warning("this version of botocore does not show its sockets (%s): a stop may wait for a time-out", error)


def _telling_pools(hold: Callable[[socket.socket], None]) -> dict[str, type]:
    class Telling:
        """Tells of its socket when it has connected, and again when it is used once more."""

        sock: Any

        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            self._tell()

        def request(self, *args: Any, **kwargs: Any) -> None:
            self._tell()
            super().request(*args, **kwargs)  # type: ignore[misc]

        def _tell(self) -> None:
            plain = getattr(self.sock, "socket", self.sock)  # TLS within TLS wraps it in something that is no socket
            if isinstance(plain, socket.socket):
                hold(plain)

    class Plain(Telling, AWSHTTPConnection):  # type: ignore[misc]
        pass

    class Secure(Telling, AWSHTTPSConnection):  # type: ignore[misc]
        pass

    class PlainPool(AWSHTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(AWSHTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
