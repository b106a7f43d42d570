"""Names of channels. A channel is a served name whose generations follow one another. Imports nothing heavy."""

import re

DEFAULT = "default"
"""The channel that always exists: requests that ask for the base by its name are answered by it."""
RULE = "a channel's name has 1 to 64 letters, digits, dots, dashes and underscores"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_channel_name(text: str) -> bool:
    """Tell whether a channel may be called this, whatever the base is called."""
    return _NAME.fullmatch(text) is not None
