"""TODO daemon/ledger/reasons.py."""

PAUSED, PINNED, NO_LANE = "paused", "pinned", "no_lane"


CANARY_WORSE = "canary_worse"


"""Why a canary was dropped: its bytes are not taken again unless the operator says so."""


PAUSED_SENTENCE = "the queue is paused; `hotswapd resume` goes on"
