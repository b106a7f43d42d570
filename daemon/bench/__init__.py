"""``hotswapd bench``: what a swap costs, beside what a user would do instead and beside the physical limit.

Each measurement is one module; `command` runs them in one process, one after the other, and each compares its ways
round by round, so that whatever else the machine does hits all of them alike.
"""
