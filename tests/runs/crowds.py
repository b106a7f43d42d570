"""What the watch of a real daemon says to honest users and to hostile ones: a line for each, 1 if one rolls back.

``python -m runs.crowds REQUESTS`` lets each load have a good adapter of its own go live, and asks so many times. What
nobody was trained to read, some adapters answer with one token over and over: that one load decides nothing.
"""

import sys
import tempfile
from pathlib import Path

from kits.loads import UNREAD, honest, hostile
from kits.room import make_room
from kits.watched import Watched

QUEUE = 256
ATTACKERS = 8
"""Requests at once of one attacker, beside four users: two thirds of all."""


def main(requests: int) -> int:
    rolled_back = 0
    loads = [("unread", "letters that nobody has read", UNREAD)]
    loads += [("honest", *each) for each in honest(QUEUE).items()]
    loads += [("hostile", *each) for each in hostile(ATTACKERS).items()]
    with tempfile.TemporaryDirectory() as name, make_room(Path(name) / "room") as room:
        watched = Watched(room, QUEUE)
        for kind, what, load in loads:
            number, found = watched.loaded(load, requests)
            stays = room.live() == number
            rolled_back += not stays and kind != "unread"
            print(f"{kind:8} {what:30} {'stays' if stays else 'ROLLED BACK'} {found or room.tail()}", flush=True)
    print(f"{len(loads)} loads of {requests} requests or more: {rolled_back} rolled back")
    return 1 if rolled_back else 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
