"""One adapter's way, read in this order.

1. `scanner`: a source is scanned, which gives sightings.
2. `sightings`: a sighting that the ledger does not know yet becomes a row.
3. `queue` (and `rules`): the choice of the next row, and what it supersedes.
4. `fetcher`: its bytes are copied into the store and named by their digest.
5. `worker`: the one thread that takes candidates, commands and ticks in turn.
6. `candidate`: admit, stage, verify; `ahead` stages the next one meanwhile.
7. `daemon.live.going_live`: new requests are answered with it.
"""
