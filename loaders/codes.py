"""The codes that sources, the store and publishing give, by the sections of docs/codes.md.

A member without a meaning is never shown as a code to act on.
"""

from hotswapd.codes import Code


class FileCode(Code):
    """Why what was found can never be taken: REJECTED, and what `check` and `publish` refuse."""

    TOO_LARGE = (
        "too_large",
        "a file is larger than `admission.max_artifact_bytes`",
        "raise it, if the file is what it should be",
    )
    NOT_REGULAR = (
        "not_regular",
        "a file or directory is a pipe, a device, a socket or the like",
        "put plain files there",
    )
    SYMLINK = "symlink", "a link where the files should be", "copy the files themselves"
    HARD_LINK = "hard_link", "the file has a second name, through which it could be changed", "copy it"
    SPARSE = "sparse", "the file has fewer blocks than bytes: it was never written in full", "write it again"
    WORLD_WRITABLE = "world_writable", "everybody may write the file or its directory", "`chmod o-w`"
    CHANGED = (
        "changed",
        "from `check` and `publish`: the files changed while they were read; in a watched place it waits instead",
        "let the writer finish",
    )
    INCOMPLETE = (
        "incomplete",
        "from `check` and `publish`: a file is missing or not whole; in a watched place it waits instead",
        "write it again",
    )


class WaitingCode(Code):
    """Why an adapter is not in the store yet: WAITING."""

    SETTLING = "settling", "it must be seen unchanged for a while", "nothing"
    INCOMPLETE = "incomplete", "a file is missing, or is not as long as its header says", "finish the upload"
    MARKER_MISSING = "marker_missing", "the configured `marker` is not there yet", "write it last"
    HALF_REPLACED = (
        "half_replaced",
        "only one of its two files was replaced",
        "write the other, or the marker, or publish again; otherwise it is taken after a while",
    )
    DIGEST_MISMATCH = (
        "digest_mismatch",
        "a file is not the one that the manifest lists, or did not arrive as the Hub names it",
        "publish again, or delete the manifest",
    )
    MANIFEST_UNREADABLE = "manifest_unreadable", "the manifest cannot be parsed", "publish again, or delete it"
    CHANGED = "changed", "it was written to while it was read", "nothing: it is read again"
    PERMISSION = (
        "permission",
        "the daemon may not read it; owner and mode are named",
        "`chmod g+r`, or `setfacl -m u:hotswapd:r`",
    )
    BAD_NAME = "bad_name", "the name or key cannot be taken", "publish it under a plain name"
    ARCHIVED = "archived", "the object lies in an archive class", "restore it"
    READ_FAILED = "read_failed", "its file system gives an error", "fix it"
    DISK_FULL = "disk_full", "the store's disk is full, but for the reserve", "free some space, or lower `state.keep`"
    STORE_FULL = (
        "store_full",
        "the store has reached `state.max_bytes`, and everything in it is needed",
        "raise it, lower `state.keep`, or remove a channel",
    )
    STORE_FAILED = "store_failed", "the store cannot be written", "fix its file system or permissions"
    STOPPING = "stopping"


class IgnoredCode(Code):
    """Why an adapter is IGNORED: it is complete, and never taken where it lies."""

    TEMPORARY_NAME = (
        "temporary_name",
        "it is complete, but it, or a directory that it lies in, has a name that tools give to what is not finished",
        "rename it; [operations](operations.md#names-that-are-ignored) lists the names",
    )


class GoneCode(Code):
    """Why an adapter is GONE."""

    GONE = "gone", "its source deleted it before it was fetched", ""
    REVISION_GONE = (
        "revision_gone",
        "the commit is gone from the Hub because its history was rewritten; the source looks for what replaced it",
        "",
    )


class RootCode(Code):
    """Why a watched folder is down."""

    ROOT_MISSING = "root_missing", "the watched path does not exist, or is not a directory", "mount or make it"
    ROOT_NOT_DIRECTORY = (
        "root_not_directory",
        "the watched path does not exist, or is not a directory",
        "mount or make it",
    )
    ROOT_UNREADABLE = (
        "root_unreadable",
        "the daemon may not read it, or everybody may write it",
        "fix its permissions",
    )
    ROOT_WORLD_WRITABLE = (
        "root_world_writable",
        "the daemon may not read it, or everybody may write it",
        "fix its permissions",
    )


class BucketCode(Code):
    """Why a bucket is down, or its queue; it can also be why one object waits."""

    ACCESS_DENIED = (
        "s3_access_denied",
        "the credentials may not do what is named",
        "allow it; check `expected_bucket_owner`",
    )
    NO_SUCH_BUCKET = "s3_no_such_bucket", "there is none by that name", "check name, region and `endpoint_url`"
    NO_SUCH_QUEUE = "s3_no_such_queue", "there is none by that name", "check name, region and `endpoint_url`"
    NO_CREDENTIALS = "s3_no_credentials", "none were found, they are unknown, or they have expired", "give new ones"
    BAD_CREDENTIALS = "s3_bad_credentials", "none were found, they are unknown, or they have expired", "give new ones"
    EXPIRED = "s3_expired", "none were found, they are unknown, or they have expired", "give new ones"
    WRONG_REGION = "s3_wrong_region", "it is in another region", "set `region`"
    CLOCK_SKEW = "s3_clock_skew", "this machine's clock is wrong", "set it"
    SLOW_DOWN = (
        "s3_slow_down",
        "the server asks to slow down, or has an error of its own",
        "nothing; a longer `poll` asks less",
    )
    SERVER_ERROR = (
        "s3_server_error",
        "the server asks to slow down, or has an error of its own",
        "nothing; a longer `poll` asks less",
    )
    UNREACHABLE = "s3_unreachable", "no answer", "check network, proxy, region and `endpoint_url`"
    BAD_ANSWER = (
        "s3_bad_answer",
        "an answer that cannot be parsed, or that does not have its checksum",
        "check `endpoint_url`",
    )
    DAMAGED = (
        "s3_damaged",
        "an answer that cannot be parsed, or that does not have its checksum",
        "check `endpoint_url`",
    )
    MISCONFIGURED = (
        "s3_misconfigured",
        "the settings cannot be used",
        "check the source's table and the AWS configuration",
    )
    REFUSED = "s3_refused", "refused for another reason, which is quoted", "see the sentence"
    NOT_FOUND = "s3_not_found", "of one object: it is gone, was written to, or is archived", "nothing, or restore it"
    CHANGED = "s3_changed", "of one object: it is gone, was written to, or is archived", "nothing, or restore it"
    ARCHIVED = "s3_archived", "of one object: it is gone, was written to, or is archived", "nothing, or restore it"


class HubCode(Code):
    """Why a repository on a Hub is down."""

    UNAUTHORIZED = (
        "hub_unauthorized",
        "the token is not accepted, may not read this, or its account has not accepted the terms",
        "give another token; accept the terms",
    )
    FORBIDDEN = (
        "hub_forbidden",
        "the token is not accepted, may not read this, or its account has not accepted the terms",
        "give another token; accept the terms",
    )
    GATED = (
        "hub_gated",
        "the token is not accepted, may not read this, or its account has not accepted the terms",
        "give another token; accept the terms",
    )
    NOT_FOUND = (
        "hub_not_found",
        "no such repository, branch or file, or it has a new name",
        "check `repo`, `revision` and `token_file`",
    )
    RENAMED = (
        "hub_renamed",
        "no such repository, branch or file, or it has a new name",
        "check `repo`, `revision` and `token_file`",
    )
    REVISION_NOT_FOUND = (
        "hub_revision_not_found",
        "no such repository, branch or file, or it has a new name",
        "check `repo`, `revision` and `token_file`",
    )
    ENTRY_NOT_FOUND = (
        "hub_entry_not_found",
        "no such repository, branch or file, or it has a new name",
        "check `repo`, `revision` and `token_file`",
    )
    RATE_LIMITED = "rate_limited", "too many requests; the Hub's own wait is kept", "a `token_file` raises the limit"
    SERVER_ERROR = (
        "hub_server_error",
        "the Hub has an error of its own, is not a Hub, or does not answer",
        "check network and `endpoint`",
    )
    BAD_ANSWER = (
        "hub_bad_answer",
        "the Hub has an error of its own, is not a Hub, or does not answer",
        "check network and `endpoint`",
    )
    UNREACHABLE = (
        "hub_unreachable",
        "the Hub has an error of its own, is not a Hub, or does not answer",
        "check network and `endpoint`",
    )
    OFFLINE = "hub_offline", "`HF_HUB_OFFLINE` is set", "unset it"
    TOKEN_UNREADABLE = (
        "token_unreadable",
        "`token_file` cannot be read, or holds more than one token",
        "fix the file",
    )
    TOKEN_MALFORMED = (
        "token_malformed",
        "`token_file` cannot be read, or holds more than one token",
        "fix the file",
    )


class PublishCode(Code):
    """What only ``hotswapd publish`` says."""

    PUBLISH_FAILED = "publish_failed", "the directory cannot be written", "publish again when it can"
    OVERWRITTEN = "s3_overwritten", "a second writer is at work", "publish again when it has finished"
