"""``hotswapd bench``: what a swap costs, compared with what a user would do instead and with the physical limit.

Each measurement is one module of `measure`; `command` runs them in one process, one after the other. Each compares
its ways round by round, so that whatever else the machine does hits all of them alike.
"""
