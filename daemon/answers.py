"""What the daemon answers about itself: one definition for its sockets, its pages and its commands.

Times are in UTC to the millisecond, such as ``2026-11-23T20:00:00.000Z``; durations are in seconds; what does not exist
is null.
"""

from typing import NotRequired, TypedDict

from .replicas import ReplacedStatus, ReplicaStatus


class Live(TypedDict):
    """What is live. Generation 0 is the bare base model, whose `uri` is null; `digest` is SHA-256 in hex."""

    generation: int
    uri: str | None
    revision: str
    digest: str
    since: str | None


class QueueEntry(TypedDict):
    """A row that may still go live. `next_try` is null if it is not a time that it waits for."""

    swap_id: str
    channel: str
    uri: str
    revision: str
    state: str
    reason: str | None
    detail: str | None
    next_try: str | None


class SourceStatus(TypedDict):
    """One source. `error` is a sentence, null while `ok`; `last_scan` is null before the first scan."""

    kind: str
    name: str
    ok: bool
    last_scan: str | None
    error: str | None


class BerthStatus(TypedDict):
    """One generation on the device: `active` requests have begun their answer, `waiting` ones have not.

    `berth` is null for the bare base, which needs none, and `generation` is -1 for a candidate. `channel` is the served
    name that it is live under, null if it is live under none. `use` is ``live``, ``previous``, ``candidate``,
    ``draining`` or ``canary``.
    """

    berth: int | None
    channel: str | None
    generation: int
    digest: str
    use: str
    active: int
    waiting: int


class ResidentStatus(TypedDict, total=False):
    """The base model that is kept resident, and the room for adapters in it; empty until it is loaded."""

    base: str
    device: str
    dtype: str
    slots: int
    max_rank: int
    berths: int
    berth_bytes: int
    cache_tokens: int
    one_at_a_time: str | None
    compiled: bool
    recompiles: int


class VerifyStatus(TypedDict):
    """How far the candidate is that is being verified; `done` and `total` are tokens of the gate it is at."""

    swap_id: str
    channel: str
    uri: str
    gate: str
    done: int
    total: int


class WatchStatus(TypedDict):
    """What the watch has seen of the live generation; shares are from 0 to 1, of `requests`.

    `seconds_a_token` are those of a step, which gives each of its requests a token, at a load that other generations
    have had too, and `seconds_a_token_before` theirs.
    """

    generation: int
    seconds_left: float
    requests: float
    non_finite: float
    degenerate: float
    errors: float
    seconds_a_token: NotRequired[float]
    seconds_a_token_before: NotRequired[float]


class ArmStatus(TypedDict):
    """What was counted of one arm in this step: counts, medians, and means; without answers there are counts only."""

    generation: int
    requests: float
    errors: float
    degenerate: float
    non_finite: float
    feedback: float
    first_token_seconds: NotRequired[float]
    seconds_a_token: NotRequired[float]
    tokens: NotRequired[float]
    mean_logprob: NotRequired[float]
    mean_score: NotRequired[float]


class RolloutStatus(TypedDict):
    """A rollout that is under way, both arms side by side. `share` and `steps` are percentages of new requests."""

    kind: str
    share: float
    steps: list[float]
    salt: str
    seconds: float
    waits_for: str | None
    live: ArmStatus
    canary: ArmStatus


class ChannelStatus(TypedDict):
    """One channel, and how it is doing: `waiting` adapters, and `refused`, the reason if the newest one was refused."""

    name: str
    live: Live
    pinned: bool
    paused: bool
    rollout: RolloutStatus | None
    waiting: int
    refused: str | None


class Status(TypedDict):
    """The answer of ``GET /status``. `phase` is why it is not ready, `trouble` what is wrong with the ledger.

    `log_dropped` counts log lines that nobody read; `reload_refused` is why the configuration's file, as it lies there,
    was refused: the next start would fail with it. `live`, `pinned`, `paused`, `watch` and `rollout` are those of the
    channel that was asked for, the default one if none was; `channels` has all of them, those that need a look first.
    `base_changed` is how the base differs from the one on which the last generation before this start was verified.
    `replicas` are those of a fleet, `replaced` those that it has had; one daemon has none.
    """

    ready: bool
    pinned: bool
    paused: bool
    live: Live
    queue: list[QueueEntry]
    queue_depth: int
    sources: list[SourceStatus]
    berths: list[BerthStatus]
    channels: list[ChannelStatus]
    resident: ResidentStatus
    replicas: NotRequired[list[ReplicaStatus]]
    replaced: NotRequired[ReplacedStatus | None]
    verify: VerifyStatus | None
    watch: WatchStatus | None
    rollout: RolloutStatus | None
    phase: str | None
    log_dropped: int
    reload_refused: str | None
    base_changed: str | None
    trouble: str | None


class StageSeconds(TypedDict):
    """Seconds by stage; null if the swap did not come so far."""

    fetch: float | None
    admit: float | None
    stage: float | None
    verify: float | None
    pause: float | None


class VerdictRecord(TypedDict):
    """What one gate found; `outcome` is passed, warned or failed. A number that is not finite is null.

    `member` names the engine, if there are several.
    """

    gate: str
    outcome: str
    code: str | None
    sentence: str | None
    numbers: dict[str, float | None]
    member: NotRequired[str]


class HistoryRow(TypedDict):
    """One swap in the answer of ``GET /history``."""

    swap_id: str
    channel: str
    uri: str
    revision: str
    digest: str | None
    state: str
    reason: str | None
    detail: str | None
    generation: int | None
    sighted: str | None
    finished: str | None
    seconds: StageSeconds
    verify: list[VerdictRecord]


class Action(TypedDict):
    """What an operator asked for, what came of it, and who asked; ids are null if the daemon acted by itself."""

    at: str | None
    action: str
    argument: str
    result: str
    pid: int | None
    uid: int | None
    gid: int | None


class NamedAction(Action):
    """An action with its asker in words, as `hotswapd history --actions` shows it."""

    who: str


class AnonymousAction(TypedDict):
    """An action as the status page shows it: who asked stays on the machine."""

    at: str | None
    action: str
    argument: str
    result: str


class Life(TypedDict):
    """When a generation went live, and where the `total` seconds since its sighting went."""

    at: str | None
    channel: str
    sighted: str | None
    state: str
    generation: int | None
    uri: str | None
    digest: str
    source: str
    total: float
    seconds: StageSeconds
    verify: list[VerdictRecord]


class Refusal(TypedDict):
    """What was refused, and why."""

    at: str | None
    channel: str
    state: str
    reason: str | None
    detail: str | None
    generation: int | None
    uri: str | None
    digest: str | None
    source: str
    verify: list[VerdictRecord]


class PictureRecord(TypedDict):
    """What one generation changes: `norms` has a row for each of `layers`, with a value for each of `kinds`."""

    generation: int
    digest: str
    layers: list[str]
    kinds: list[str]
    norms: list[list[float | None]]


class Overview(TypedDict):
    """The answer of ``GET /status.json``, all that the status page shows."""

    now: str
    version: str
    status: Status
    lives: list[Life]
    refusals: list[Refusal]
    actions: list[AnonymousAction]
    pictures: list[PictureRecord]
