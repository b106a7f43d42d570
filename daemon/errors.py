"""How the daemon says no: one sentence for a person, a code for a program, a status for HTTP."""

from collections.abc import Mapping
from typing import cast

from hotswapd.codes import Code

_BAD_BODY = "400", "the body makes no sense; `param` names the field"
_BAD_FLAG = "400", "of the control socket: neither true nor false"


class ErrorCode(Code):
    """What HTTP and the control socket answer; docs/codes.md has these texts, in this order."""

    status: str

    def __new__(cls, code: str, status: str, meaning: str) -> "ErrorCode":
        """Make a member; `status` is empty if there may be several."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.status, member.meaning, member.remedy = status, meaning, ""
        return member

    NOT_JSON = ("not_json", *_BAD_BODY)
    BAD_VALUE = ("bad_value", *_BAD_BODY)
    MISSING_FIELD = ("missing_field", *_BAD_BODY)
    UNSUPPORTED_VALUE = ("unsupported_value", *_BAD_BODY)
    UNKNOWN_FIELD = "unknown_field", "400", "no such field exists here; remove it"
    BODY_TOO_COMPLEX = "body_too_complex", "400", "deeper, or of more items, than any prompt that fits"
    BAD_LIMIT = "bad_limit", "400", "of the control socket: the number of rows asked for is not from 1 on"
    BAD_URI = "bad_uri", "400", "of the control socket: not an adapter's address"
    OUTSIDE_SOURCES = "outside_sources", "400", "of the control socket: the address lies in no configured source"
    OTHER_CHANNEL = "other_channel", "400", "of the control socket: the adapter at this address is for another channel"
    BAD_GENERATION = "bad_generation", "400", "of the control socket: not the number of a generation"
    BAD_WEIGHT = "bad_weight", "400", "of the control socket: not a percentage"
    BAD_CHANNEL = (
        "bad_channel",
        "400",
        "of the control socket: not a name of a channel, or the default one, which stays",
    )
    BAD_PURGE = ("bad_purge", *_BAD_FLAG)
    BAD_AGAIN = ("bad_again", *_BAD_FLAG)
    BAD_FOLLOW = ("bad_follow", *_BAD_FLAG)
    INVALID_API_KEY = (
        "invalid_api_key",
        "401",
        "no key, or none of `serve.api_key_file` and `serve.api_keys_file`",
    )
    FOREIGN_ORIGIN = "foreign_origin", "403", "a page of another site may not call; see `serve.cors_origins`"
    MODEL_NOT_FOUND = "model_not_found", "404", "no such model"
    GENERATION_NOT_SERVED = "generation_not_served", "404", "no berth holds this generation"
    NO_CANARY = "no_canary", "404", "no canary runs now"
    NOT_FOUND = "not_found", "404", "no such page"
    NO_SUCH_CHANNEL = "no_such_channel", "404", "no channel has this name; `hotswapd channel list`"
    FEEDBACK_OFF = "feedback_off", "404", "`rollout.feedback` is not set"
    UNKNOWN_ANSWER = "unknown_answer", "404", "no such answer is remembered, or it has its score already"
    METHOD_NOT_ALLOWED = "method_not_allowed", "405", "the page exists and takes another method"
    NO_SUCH_GENERATION = "no_such_generation", "409", "no generation has this number, or there is none to go back to"
    GENERATION_NOT_KEPT = "generation_not_kept", "409", "it is not in the store any more"
    NOT_THERE = "not_there", "409", "no adapter was seen at that address"
    NO_BERTH = "no_berth", "409", "every berth is in use; try again in a moment"
    ALREADY_LIVE = "already_live", "409", "it is live already"
    ROLLOUT_RUNS = "rollout_runs", "409", "a rollout is under way: promote or stop it first"
    NO_ROLLOUT = "no_rollout", "409", "no rollout is under way"
    BODY_TOO_LARGE = "body_too_large", "413", "larger than any prompt; 400 on the control socket"
    NOT_APPLICATION_JSON = "not_application_json", "415", "a body must say `Content-Type: application/json`"
    UNKNOWN_HOST = "unknown_host", "421", "the `Host` does not name this server; see `serve.hosts`"
    RATE_LIMITED = "rate_limited", "429", "the API key has had its requests or tokens of this minute"
    QUEUE_FULL = "queue_full", "429", "`serve.max_queue` requests wait, or too many large bodies; try again in a moment"
    STEP_FAILED = "step_failed", "503", "the model failed this request; it may succeed now"
    INTERNAL_ERROR = "internal_error", "500", "a defect of hotswapd; the log has the traceback"
    NOT_READY = "not_ready", "503", "the daemon is still starting, or it is stopping"
    BUSY = "busy", "503", "the worker is busy with a candidate; try again in a moment"
    LEDGER_DOWN = "ledger_down", "503", "the ledger cannot be written; `hotswapd status` says why"
    RESIDENT_LOST = "resident_lost", "503", "the device failed; the daemon restarts"
    HTTP_ERROR = "http_error", "", "any other status"


class StartCode(Code):
    """Why the daemon cannot listen: it exits with status 75."""

    ADDRESS_IN_USE = (
        "address_in_use",
        "`serve.host` and `serve.port` cannot be listened on",
        "stop what listens there, or set another port",
    )
    ALREADY_RUNNING = (
        "already_running",
        "another hotswapd answers on the control socket",
        "stop it, or set `control.socket`",
    )
    SOCKET_UNUSABLE = (
        "socket_unusable",
        "the control socket cannot be made, or something else is in its place",
        "move that, fix the directory's permissions, or set `control.socket`",
    )
    SERVER_FAILED = "server_failed", "the servers did not start", "see the sentence and the log"


class FleetCode(Code):
    """What goes wrong between the processes of a fleet, and when it is brought up."""

    SHARED_DOWN = (
        "shared_down",
        "`fleet.shared` cannot be read or written; what is live is answered meanwhile, and nothing changes",
        "mount it again, or fix its permissions; it is tried again by itself",
    )
    NOT_SHARED = (
        "not_shared",
        "an adapter's bytes are not in `fleet.shared`, or others are under its digest",
        "nothing, or what the sentence says: the watcher sends them again",
    )
    NOT_EXCLUSIVE = (
        "not_exclusive",
        "`fleet.shared` lets a name be written twice, so that two watchers could both believe that they decide",
        "use a file system with hard links",
    )
    TERM_LOST = "term_lost", "another watcher has begun: the older one ends itself", "nothing"
    NOT_HELD = (
        "not_held",
        "503 over HTTP: no replica answers with the request's generation now",
        "send it again; `serve status` shows whether replicas start",
    )
    REPLICA_LATE = (
        "replica_late",
        "a replica has not done its part of a change within `fleet.patience`; it is replaced",
        "look at its node, or raise `fleet.patience`",
    )
    REPLICA_UNFIT = (
        "replica_unfit",
        "a replica finds unfit what is live and was found fit before; it is replaced",
        "look at its device",
    )
    REPLICA_ODD = (
        "replica_odd",
        "few replicas refused twice what all others found fit; they are replaced, and the adapter stays refused",
        "look at their devices; `submit --again` tries the adapter without them",
    )
    OTHER_VERSION = (
        "other_version",
        "a process of the fleet runs a version of hotswapd that this one cannot talk to",
        "upgrade all nodes, and deploy again",
    )
    NO_RAY = "no_ray", "no Ray answers at `fleet.address`", "`ray start --head`, or set `fleet.address`"
    NOT_UP = "not_up", "`hotswapd fleet deploy` cannot bring the fleet up", "see the sentence, and Ray's logs"


class FaceError(Exception):
    """Base of the leaves below: one sentence for a person, `code` for a program, `status` for HTTP."""

    status = 500

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code: str = code
        self.sentence = sentence
        self.headers: Mapping[str, str] = {}


class BadRequest(FaceError):
    """The request makes no sense here. `param` names the field at fault, empty if no single field is."""

    status = 400

    def __init__(self, code: Code, sentence: str, param: str = "") -> None:
        super().__init__(code, sentence)
        self.param = param


class Conflict(FaceError):
    """It cannot be done in this state: no such generation, the adapter is refused."""

    status = 409


class NoSuchChannel(FaceError):
    """There is no channel of this name."""

    status = 404


def no_such_channel(name: str) -> NoSuchChannel:
    """Make the error for a name that no channel has."""
    sentence = f"there is no channel {name[:64]!r}: `hotswapd channel list` has their names"
    return NoSuchChannel(ErrorCode.NO_SUCH_CHANNEL, sentence)


class AdapterRefused(Conflict):
    """It cannot be done with this adapter. The code is that of the refusal, as the engine or the ledger has it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(cast("Code", code), sentence)


class Busy(FaceError):
    """Too many requests wait already; the same request may succeed a moment later."""

    status = 429


class NotReady(FaceError):
    """The model does not answer yet, or not any more."""

    status = 503
