"""Scan one place in another process, whose memory is then the source's: ``python -m ... PLACE SCANS``.

PLACE is a directory or s3://bucket/prefix/; for the latter, AWS_ENDPOINT_URL and credentials are in the environment.
Prints one JSON object, in seconds and bytes.
"""

import json
import os
import sys
import time
from types import SimpleNamespace

from hotswapd.loaders import open_source
from hotswapd.loaders.source import Source

_GAP = 0.2
_LONGEST_SETTLING = 120.0


def probe(place: str, scans: int) -> dict[str, object]:
    """Scan until everything has settled, then `scans` times more."""
    source = _source(place)
    before = _resident_bytes()
    first, seen, settled = _scan(source)
    deadline = time.monotonic() + _LONGEST_SETTLING
    while settled < seen and time.monotonic() < deadline:
        source.wait(_GAP)
        _, seen, settled = _scan(source)
    again = [_scan(source)[0] for _ in range(scans)]
    after = _resident_bytes()
    source.close()
    return {"first": first, "again": again, "adapters": seen, "settled": settled, "bytes": after - before}


def _source(place: str) -> Source:
    if place.startswith("s3://"):
        keys = {"uri": place, "poll": 1.0, "region": os.environ.get("AWS_REGION", "us-east-1"), "queue_url": ""}
        more = {"endpoint_url": os.environ.get("AWS_ENDPOINT_URL", ""), "expected_bucket_owner": ""}
        return open_source(SimpleNamespace(kind="s3", name="bench", marker="", **keys, **more))
    return open_source(SimpleNamespace(kind="local", name="bench", path=place, settle=0.0, rescan=60.0, marker=""))


def _scan(source: Source) -> tuple[float, int, int]:
    began = time.perf_counter()
    sightings = source.scan().sightings
    return time.perf_counter() - began, len(sightings), sum(one.waiting is None for one in sightings)


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe(sys.argv[1], int(sys.argv[2]))) + "\n")
