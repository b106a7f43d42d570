"""What two fingerprints of a base say about each other. No torch.

A fingerprint is ``1:FAMILY:TENSORS:WEIGHTS``: the version of this scheme, the family's name, and hashes over the names
and shapes of all tensors and over samples of their values.
"""

VERSION = "1"
_PARTS = ("its family", "the names or shapes of its tensors", "its weights")


def make_fingerprint(family: str, tensors: str, weights: str) -> str:
    """Put one together; the hashes are hex."""
    return ":".join((VERSION, family.replace(":", "_"), tensors[:16], weights[:32]))


def difference(one: str, other: str) -> str:
    """Return in what two bases differ, as the end of a sentence; empty if they do not, or if one of both is unknown."""
    left, right = one.split(":"), other.split(":")
    if len(left) != len(right) or len(left) != len(_PARTS) + 1 or left[0] != right[0]:
        return ""
    return next((part for part, here, there in zip(_PARTS, left[1:], right[1:], strict=True) if here != there), "")
