"""Why a row is where it is: the codes that the daemon itself gives. Files, adapters and gates have their own.

docs/codes.md has these texts, in this order.
"""

from hotswapd.codes import Code

from .states import State

_JUDGED = (
    State.ROLLED_BACK,
    "your program said no, or took too long",
    "ask the program; raise `verify.command.timeout`",
)
_LIMIT_CROSSED = (
    State.ROLLED_BACK,
    "once live, its requests crossed a limit of `[verify.watch]`",
    "look at the training run; the same bytes need `submit --again`",
)
_BY_HAND = State.RETIRED, "an operator pinned another generation, or promoted what was beside it"


class Reason(Code):
    """A reason, with the state that a row has for it."""

    state: State

    def __new__(cls, code: str, state: State, meaning: str = "", remedy: str = "") -> "Reason":
        """Make a member; one without a meaning is not on the page, since its row goes on at once."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.state, member.meaning, member.remedy = state, meaning, remedy
        return member

    JUDGE_REFUSED = ("judge_refused", *_JUDGED)
    JUDGE_TIMEOUT = ("judge_timeout", *_JUDGED)
    WATCH_NON_FINITE = ("watch_non_finite", *_LIMIT_CROSSED)
    WATCH_DEGENERATE = ("watch_degenerate", *_LIMIT_CROSSED)
    WATCH_ERRORS = ("watch_errors", *_LIMIT_CROSSED)
    WATCH_LATENCY = ("watch_latency", *_LIMIT_CROSSED)
    CANARY_WORSE = (
        "canary_worse",
        State.ROLLED_BACK,
        "beside the live generation it did worse, see [rollout](rollout.md); the sentence has the comparison",
        "look at the training run; the same bytes need `submit --again`",
    )
    OPERATOR = "operator", State.ROLLED_BACK, "rolled back by hand"
    PROCESS_DIED = (
        "process_died",
        State.QUARANTINED,
        "the process died twice while these bytes were tried: QUARANTINED",
        "keep the log for a bug report",
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        State.ROLLED_BACK,
        "there was not enough memory to try it (also a code of holding)",
        "lower `serve.cache_tokens` or `serve.berths`",
    )
    INTERNAL_ERROR = (
        "internal_error",
        State.ROLLED_BACK,
        "a defect of hotswapd, or of a source; the log has the traceback",
        "report it",
    )

    PINNED = "pinned", State.HELD, "verified, and the live generation is pinned", "`hotswapd unpin`"
    PAUSED = "paused", State.HELD, "the queue is paused", "`hotswapd resume`"
    NO_BERTH = (
        "no_berth",
        State.HELD,
        "every berth is in use, by what is live, a canary or requests of older generations (over HTTP: for a rollback)",
        "wait; set `serve.max_drain`, or raise `serve.berths`",
    )
    JUDGE_MISSING = (
        "judge_missing",
        State.HELD,
        "the program of `[verify.command]` cannot be started",
        "fix it, or remove the table",
    )
    STORE_UNREADABLE = (
        "store_unreadable",
        State.HELD,
        "its copy cannot be read from the store's disk",
        "fix the disk; it is fetched again after three tries",
    )
    INTERRUPTED = (
        "interrupted",
        State.HELD,
        "its berth was needed for a rollback or a pin, or what is live changed while it was a canary",
        "nothing: it is tried again after that",
    )
    SET_INCOMPLETE = (
        "set_incomplete",
        State.HELD,
        "another member of its set, which the sentence names, has not arrived; they go live together",
        "publish the whole set again: what is there already is not sent twice",
    )
    SET_BLOCKED = (
        "set_blocked",
        State.HELD,
        "another member of its set cannot go live now: it is pinned, paused or has a rollout, or berths are missing",
        "unpin or resume that channel, or end its rollout; raise `serve.berths` to twice the members",
    )
    SET_REFUSED = (
        "set_refused",
        State.REJECTED,
        "another member of its set was refused, or has had its time: none of them goes live",
        "look at that one, and publish the set again; or publish this adapter by itself",
    )
    RESTARTED = "restarted", State.HELD, "the daemon ended while it was tried", "nothing"

    ARTIFACT_LOST = (
        "artifact_lost",
        State.WAITING,
        "its copy in the store was lost or damaged",
        "nothing: it is fetched again",
    )

    NO_CHANNEL = (
        "no_channel",
        State.IGNORED,
        'it lies directly below a source with `channel = "{1}"`, where the first directory names the channel',
        "move it into a directory that is called as its channel is",
    )
    CHANNEL_NAME = (
        "channel_name",
        State.IGNORED,
        "its channel would have a name that none can have, or one of the base's (in the configuration: status 78)",
        "rename it: letters, digits, dots, dashes and underscores, 64 at most",
    )
    NEWER_LIVE = "newer_live", State.SUPERSEDED, "a newer one went live first"
    NEWER_CANARY = "newer_canary", State.SUPERSEDED, "it was the canary when a newer one was verified"
    ALREADY_CANARY = "already_canary", State.SUPERSEDED, "these bytes are the canary that runs"
    OLDER_THAN_LIVE = (
        "older_than_live",
        State.SUPERSEDED,
        "it was found after a start, and is older than what is live",
    )
    UNCHANGED = (
        "unchanged",
        State.SUPERSEDED,
        "the bytes at this address are those that were there before",
    )
    RENAMED = (
        "renamed",
        State.SUPERSEDED,
        "these very files were known at another address: they were moved, which makes nothing live",
    )
    ALREADY_LIVE = "already_live", State.SUPERSEDED, "these bytes are live (over HTTP: it is live already)"
    GONE = "gone", State.GONE, "its source deleted it before it was fetched"
    CHANNEL_REMOVED = (
        "channel_removed",
        State.GONE,
        "an operator removed its channel (also a code of SUPERSEDED and RETIRED)",
    )
    SOURCE_REMOVED = "source_removed", State.GONE, "its source is not in the configuration any more"
    NO_LONGER_FITS = (
        "no_longer_fits",
        State.FETCHED,
        "it was live, and does not fit the configuration any more; the base answers while it is looked at again",
    )
    BASE_CHANGED = (
        "base_changed",
        State.FETCHED,
        "it was live on a base with other weights; the base answers while the gates look at it again",
        'nothing; with `model.on_base_change = "refuse"`, `submit --again`',
    )
    PINNED_OTHER = ("pinned_other", *_BY_HAND)
    AB_PROMOTED = ("ab_promoted", *_BY_HAND)

    AGAIN = "again", State.FETCHED
    RESUMED = "resumed", State.FETCHED
    REOPENED = "reopened", State.SIGHTED


BY_ITS_OWN_REQUESTS = frozenset(
    {
        Reason.WATCH_NON_FINITE,
        Reason.WATCH_DEGENERATE,
        Reason.WATCH_ERRORS,
        Reason.WATCH_LATENCY,
        Reason.CANARY_WORSE,
    }
)
"""What users were answered spoke against these bytes: they are not taken again unless the operator says so."""

PAUSED_SENTENCE = "the queue is paused; `hotswapd resume` goes on"
PAUSED, PINNED, NO_BERTH, CANARY_WORSE = Reason.PAUSED, Reason.PINNED, Reason.NO_BERTH, Reason.CANARY_WORSE
