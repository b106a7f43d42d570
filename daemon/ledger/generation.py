"""One generation: what is live, or once was."""

from dataclasses import dataclass
from typing import Any

from hotswapd.daemon.answers import Live

from .channel import DEFAULT
from .moment import moment

BASE_DIGEST = "0" * 64
"""What generation 0, the bare base, has in place of a digest."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What is or was live. Number 0 is the bare base model; `since` is seconds since the epoch."""

    number: int
    uri: str
    revision: str
    digest: str
    since: float
    swap_id: str = ""
    stamp: float = 0.0
    channel: str = DEFAULT

    def live(self) -> Live:
        """Describe it for ``live`` of ``GET /status``."""
        return {
            "generation": self.number,
            "uri": self.uri or None,
            "revision": self.revision,
            "digest": self.digest,
            "since": moment(self.since),
        }

    def record(self) -> dict[str, Any]:
        """Return the record that the store's pointer keeps."""
        return {
            "generation": self.number,
            "uri": self.uri,
            "revision": self.revision,
            "digest": self.digest,
            "since": self.since,
            "swap_id": self.swap_id,
            "stamp": self.stamp,
            "channel": self.channel,
        }

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Generation":
        """Read a pointer's record. Raises ValueError if it describes no generation."""
        try:
            return cls(
                int(record["generation"]),
                str(record["uri"]),
                str(record["revision"]),
                str(record["digest"]),
                float(record["since"]),
                str(record.get("swap_id", "")),
                float(record.get("stamp", 0.0)),
                str(record.get("channel", DEFAULT)),
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"the pointer names no generation: {error!r}") from None


def base_generation(base: str, since: float, channel: str = DEFAULT) -> Generation:
    """Describe generation 0, the bare base model, as what a channel has live; `base` is its revision."""
    return Generation(0, "", base, BASE_DIGEST, since, channel=channel)
