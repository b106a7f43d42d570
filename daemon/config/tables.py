"""The tables of the configuration, except the sources."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

ALL_LINEAR = "all-linear"
# sun_path of a Unix socket holds 108 bytes with the final zero.
_SOCKET_BYTES = 107


def wrong(sentence: str) -> PydanticCustomError:
    """Make the error that a validator raises: pydantic adds no words of its own to this one."""
    return PydanticCustomError("wrong", "{sentence}", {"sentence": sentence})


def _no_bool(value: Any) -> Any:
    """Refuse true and false, which are numbers in Python and not in TOML."""
    if isinstance(value, bool):
        raise wrong("must be a number")
    return value


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise wrong("must be an absolute path")
    return path


def _absolute_or_empty(path: str) -> str:
    return path and str(_absolute(Path(path)))


Number = BeforeValidator(_no_bool)
Count = Annotated[int, Number, Field(ge=1)]
Amount = Annotated[int, Number, Field(ge=0)]
Seconds = Annotated[float, Number, Field(ge=0)]
Positive = Annotated[float, Number, Field(gt=0)]
Limit = Annotated[float, Number, Field(ge=0)]
"""What a measured number must not exceed, in the unit of that number; 0 turns the limit off."""
Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
OptionalFile = Annotated[str, AfterValidator(_absolute_or_empty)]


class Table(BaseModel):
    """A frozen table in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise wrong("must be auto, cpu, cuda or cuda:N")
    return value


def _switch(value: Any) -> Any:
    """Read a truth value from text: an environment variable holds nothing else."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _from_text(value: Any) -> Any:
    """Read a list from text: an environment variable holds nothing else."""
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("[") else value
    except ValueError:
        return value


def _modules(value: Any) -> Any:
    value = _from_text(value)
    if value == ALL_LINEAR:
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise wrong(f'must be "{ALL_LINEAR}" or a list of module names')


class Model(Table):
    """``[model]``: the base model, and the slots that are made in it."""

    base: Name
    revision: Name = "main"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    device: Annotated[str, AfterValidator(_device)] = "auto"
    max_rank: Count = 64
    target_modules: Annotated[str | tuple[str, ...], BeforeValidator(_modules)] = ALL_LINEAR
    attn_implementation: Name = "sdpa"
    compile: Annotated[Literal["auto", True, False], BeforeValidator(_switch)] = "auto"
    trust_remote_code: Annotated[Literal[True, False], BeforeValidator(_switch)] = False
    quantization: Literal["none", "bnb-4bit", "bnb-8bit", "torchao-int8"] = "none"
    on_base_change: Literal["verify", "refuse", "accept"] = "verify"


class Admission(Table):
    """``[admission]``: which adapters may be taken at all."""

    base_models: tuple[Name, ...] = ()
    base_names: Literal["family", "exact"] = "family"
    max_artifact_bytes: Count = 4 << 30
    tokenizer: Literal["warn", "refuse"] = "warn"

    def names_of(self, base: str) -> tuple[str, ...]:
        """Return all names that an adapter may have for this base."""
        return base, *self.base_models


def _two_berths(count: int) -> int:
    if count < 2:
        raise wrong("must be at least 2: one for what is live and one for what is to be")
    return count


def _host(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", name):
        raise wrong(f"must be names or addresses without scheme, port or path; {name!r} is not one")
    return name.lower()


def _origin(origin: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s?#@]+", origin.lower()):
        raise wrong(f'must be like "https://app.example" or "http://localhost:3000"; {origin!r} is not')
    return origin.lower()


def _served_name(name: str) -> str:
    if "@" in name:
        raise wrong(f"must be names without @, which comes before a generation; {name!r} is not one")
    return name


class Serve(Table):
    """``[serve]``: where, for whom and how requests are answered. `port` 0 takes a free one.

    `model_names` is what the base is called, the first one foremost; empty: as `model.base` says.

    `max_drain` and both time-outs are in seconds; `max_connections` and `max_per_address` of 0 follow from the limit of
    descriptors. `lanes` is what `berths` was called before; it is still read.
    """

    host: Name = "127.0.0.1"
    port: Annotated[int, Number, Field(ge=0, le=65535)] = 8080
    api_key_file: OptionalFile = ""
    api_keys_file: OptionalFile = ""
    model_names: Annotated[tuple[Annotated[Name, AfterValidator(_served_name)], ...], BeforeValidator(_from_text)] = ()
    hosts: Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], BeforeValidator(_from_text)] = ()
    cors_origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_from_text)] = ()
    tls_cert: OptionalFile = ""
    tls_key: OptionalFile = ""
    idle_timeout: Positive = 60.0
    read_timeout: Positive = 30.0
    max_connections: Amount = 0
    max_per_address: Amount = 0
    berths: Annotated[int, Number, AfterValidator(_two_berths)] = 4
    lanes: Amount = 0
    context_tokens: Annotated[int, Number, Field(ge=2)] = 4096
    cache_tokens: Amount = 0
    batch_tokens: Count = 2048
    max_queue: Count = 256
    max_drain: Seconds = 0.0

    @model_validator(mode="before")
    @classmethod
    def _lanes_are_berths(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("lanes") and "berths" not in given:
            lanes = given["lanes"]
            return given | {"berths": max(2, lanes) if isinstance(lanes, int) else lanes}
        return given

    @model_validator(mode="after")
    def _key_has_a_cert(self) -> Self:
        if self.tls_key and not self.tls_cert:
            raise wrong("tls_key is the key of serve.tls_cert: set that too")
        return self


class State(Table):
    """``[state]``: where the ledger and the store lie, and how many generations are kept.

    `host_bytes` is what adapters without a berth may have in memory; 0 is a quarter of what is free at the start.
    `max_bytes` is what the store may hold; 0 is no limit.
    """

    dir: AbsolutePath = Path("/var/lib/hotswapd")
    keep: Count = 5
    host_bytes: Amount = 0
    max_bytes: Amount = 0


def _fits_a_socket(path: Path) -> Path:
    if len(str(path).encode()) > _SOCKET_BYTES:
        raise wrong(f"must be at most {_SOCKET_BYTES} bytes long, as Unix sockets are")
    return path


class Control(Table):
    """``[control]``: the Unix socket for the operator; `key_file` has the operator's key for a fleet's HTTP."""

    socket: Annotated[AbsolutePath, AfterValidator(_fits_a_socket)] = Path("/run/hotswapd/control.sock")
    key_file: OptionalFile = ""


class Log(Table):
    """``[log]``: how much is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
