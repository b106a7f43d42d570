"""An adapter with another chat template beside it, in the real program: warned of by default, refused if asked for."""

from pathlib import Path

from kits.room import Room

TEMPLATE = "{{ messages }} as in training"


def drop(room: Room, name: str, adapter: str = "run-0") -> str:
    """Drop an adapter whose trainer has saved its tokenizer beside it."""
    uri = room.drop(adapter, f".{name}")
    place = Path(uri.removeprefix("file://"))
    (place / "chat_template.jinja").write_text(TEMPLATE)
    place.rename(place.with_name(name))
    return place.with_name(name).as_uri()


def test_another_chat_template_is_warned_of(room: Room) -> None:
    """The row says so, with the numbers; the adapter is live."""
    room.ready()
    row = room.outcome(drop(room, "with-a-template"))
    assert row["state"] == "LIVE"
    (warned,) = [one for one in row["verify"] if one["gate"] == "tokenizer"]
    assert (warned["outcome"], warned["code"]) == ("warned", "chat_template_differs")
    plain = room.outcome(room.drop("run-1"))
    assert not [one for one in plain["verify"] if one["gate"] == "tokenizer"]


def test_another_chat_template_is_refused_if_asked_for(room: Room) -> None:
    room.configure(admission='tokenizer = "refuse"')
    room.ready()
    row = room.outcome(drop(room, "with-a-template"))
    assert (row["state"], row["reason"]) == ("ROLLED_BACK", "chat_template_differs")
    assert room.live() == 0
    assert room.outcome(room.drop("run-1"))["state"] == "LIVE"
