"""The three kinds of ``[[source]]``."""

import os
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.loaders.uri import in_bucket, is_bucket

from .channels import ChannelName, ChannelOfSource
from .tables import AbsolutePath, Name, OptionalFile, Positive, Seconds, Table, wrong


def _file_name(value: str) -> str:
    if value in {".", ".."} or "/" in value or "\0" in value:
        raise wrong("must be a file name without a slash")
    return value


def _address(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^/\s]+.*", value):
        raise wrong("must begin with http:// or https://")
    return value


def _prefix(value: str) -> str:
    parts = in_bucket(value)
    if parts is None or not is_bucket(parts[0]):
        raise wrong("must be s3://bucket/prefix/")
    return value


def _account(value: str) -> str:
    if value and not re.fullmatch(r"\d{12}", value):
        raise wrong("must be an AWS account number of 12 digits")
    return value


def _repository(value: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", value):
        raise wrong("must be organisation/name")
    return value


FileName = Annotated[str, AfterValidator(_file_name)]
Address = Annotated[str, AfterValidator(_address)]


class _Named(Table):
    name: str = ""

    @model_validator(mode="after")
    def _name_from_address(self) -> "_Named":
        if not self.name:
            object.__setattr__(self, "name", self._default_name())  # the only write, before anyone sees it
        return self

    def _default_name(self) -> str:
        raise NotImplementedError


class LocalTable(_Named):
    """A folder on this machine, watched with every adapter up to four levels below it; times in seconds."""

    kind: Literal["local"]
    path: AbsolutePath
    channel: ChannelOfSource = DEFAULT
    settle: Seconds = 2.0
    rescan: Positive = 15.0
    marker: FileName = ""

    def _default_name(self) -> str:
        return os.path.normpath(self.path)


class S3Table(_Named):
    """A prefix in a bucket; `poll` in seconds."""

    kind: Literal["s3"]
    uri: Annotated[str, AfterValidator(_prefix)]
    channel: ChannelOfSource = DEFAULT
    poll: Positive = 10.0
    marker: FileName = ""
    region: str = ""
    endpoint_url: Address = ""
    expected_bucket_owner: Annotated[str, AfterValidator(_account)] = ""
    queue_url: Address = ""

    def _default_name(self) -> str:
        return self.uri


class HubTable(_Named):
    """A repository on a Hub; `poll` in seconds. It is one adapter, and so belongs to one channel.

    `token_env` names an environment variable that holds the token, `token_file` goes first.
    """

    kind: Literal["hub"]
    repo: Annotated[str, AfterValidator(_repository)]
    channel: ChannelName = DEFAULT
    subfolder: str = ""
    revision: Name = "main"
    poll: Positive = 30.0
    token_file: OptionalFile = ""
    token_env: str = ""
    endpoint: Address = ""

    def _default_name(self) -> str:
        place = f"hf://{self.repo}/{self.subfolder}".rstrip("/")
        return place if self.revision == "main" else f"{place}@{self.revision}"


SourceTable = Annotated[LocalTable | S3Table | HubTable, Field(discriminator="kind")]
"""A table for each kind of `hotswapd.loaders.kinds`."""
