"""What the watcher of a fleet says of its replicas, as part of ``GET /status``."""

from typing import TypedDict


class ReplicaGeneration(TypedDict):
    """One generation on a replica; see `answers.BerthStatus`. What is live in some channel has the use ``canary``,
    since a replica routes by numbers and not by names.
    """

    berth: int | None
    generation: int
    digest: str
    use: str
    active: int
    waiting: int


class ReplicaTrial(TypedDict):
    """What a replica has found of the last candidate that it tried: `answer` is ``fit``, ``refused`` or ``lost``."""

    digest: str
    uri: str
    answer: str
    code: str | None
    sentence: str | None


class ReplicaStatus(TypedDict):
    """One replica of a fleet, by its last report, which came `silent` seconds ago.

    `serving` says that it is in rotation: it has held all that was live. `answering` are the numbers of the generations
    that it has verified and answers for, `loaded` what is on its device. `trouble` is why it cannot answer with what is
    live; such a replica is replaced.
    """

    name: str
    serving: bool
    silent: float
    answering: list[int]
    loaded: list[ReplicaGeneration]
    active: int
    waiting: int
    trial: ReplicaTrial | None
    trouble: str | None


class ReplicaReplaced(TypedDict):
    """A replica that was taken out of rotation for good, with the reason, one of `FleetCode`, and when."""

    name: str
    code: str
    sentence: str
    at: str | None


class ReplacedStatus(TypedDict):
    """How many replicas this watcher has had replaced, by reason, and the last ones, newest first."""

    counts: dict[str, int]
    last: list[ReplicaReplaced]
