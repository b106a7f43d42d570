"""What `status` looks like to a person, on a terminal of 80 columns or more.

The daemon may be of another version than the command: a field that it does not answer with leaves its place empty.
"""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotswapd.daemon.answers import BerthStatus, Live, QueueEntry, ResidentStatus, RolloutStatus, SourceStatus, Status

from .channels import channel_lines
from .replicas import replaced_lines, replica_lines
from .rollout import side_by_side
from .words import BAD, BUSY, GOOD, age, clock, indented, moment, name_of, plain, reason_text, state_text, until

_UNNUMBERED = -1
"""The number of a candidate, which has none yet."""
_CHANNELS = 8
"""Channels that the page shows, those that need a look first."""


def status_page(status: Status, now: datetime | None = None) -> RenderableType:
    """Lay out the answer of ``GET /status``: what is live first, then what needs a look."""
    at = now or datetime.now(UTC)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("state", _condition(status))
    grid.add_row("live", _live(status.get("live"), at))
    grid.add_row("model", _resident(status.get("resident")))
    for title, lines in (
        ("replicas", [replica_lines(replica) for replica in status.get("replicas") or ()]),
        ("replaced", replaced_lines(status.get("replaced"))),
        ("berths", [_berth(berth) for berth in status.get("berths") or ()]),
        ("channels", channel_lines(status.get("channels") or (), _CHANNELS)),
        ("rollout", [plain(line) for line in _rollout(status.get("rollout"))]),
        ("sources", [_source(source, at) for source in status.get("sources") or ()]),
        (_queue_title(status), [_waiting(entry, at) for entry in status.get("queue") or ()]),
    ):
        if lines:
            grid.add_row("", "")
            grid.add_row(title, Group(*lines))
    return grid


def lost_page(page: RenderableType, sentence: str) -> RenderableType:
    """Show a page that is out of date, and why."""
    return Group(plain(sentence, f"bold {BAD}"), Text("what follows is the last answer", "dim"), Text(""), page)


def _condition(status: Status) -> Text:
    if status.get("ready"):
        words = Text("ready", GOOD)
    else:
        words = plain(f"not ready: {status.get('phase') or 'the daemon is starting'}", BAD)
    for flag in ("pinned", "paused"):
        if status.get(flag):
            words.append(f", {flag}", BUSY)
    if trouble := status.get("trouble"):
        words.append("\n").append(plain(trouble, BAD))
    if refused := status.get("reload_refused"):
        said = f"the configuration was refused at the last reload, and the next start would fail with it: {refused}"
        words.append("\n").append(plain(said, BAD))
    if changed := status.get("base_changed"):
        words.append("\n").append(plain(f"the base has changed under its name: {changed}", BAD))
    if dropped := status.get("log_dropped"):
        words.append("\n").append(plain(f"{dropped} log lines were lost: nobody read the daemon's output", BAD))
    return words


def _live(live: Live | None, now: datetime) -> RenderableType:
    when = Text(_since(live, now) if live else "", "dim")
    number = live.get("generation") if live else 0
    if not live or not number:
        return Group(Text("generation 0, the base model alone", "bold"), when)
    title = plain(f"generation {number}, {name_of(live.get('uri'))}", "bold")
    return Group(title, when, plain(live.get("uri")), plain(live.get("digest"), "dim")[:12])


def _since(live: Live, now: datetime) -> str:
    since = moment(live.get("since"))
    return f"for {age(since, now)}, since {clock(live.get('since'))}" if since else ""


def _resident(resident: ResidentStatus | None) -> RenderableType:
    if not resident:
        return Text("not loaded yet")
    compiled = ", compiled" if resident.get("compiled") else ", eager" if "compiled" in resident else ""
    recompiles = resident.get("recompiles") or 0
    more = f", recompiled {recompiles} times: see the log" if recompiles else ""
    size = f" ({resident['berth_bytes'] / 1e6:.1f} MB each)" if resident.get("berth_bytes") else ""
    slots = f"{resident.get('slots')} slots of rank {resident.get('max_rank')}"
    return Group(
        plain(f"{resident.get('base')} on {resident.get('device')}, {resident.get('dtype')}{compiled}{more}"),
        plain(f"{resident.get('berths')} berths, {slots}{size}", "dim"),
    )


def _rollout(now: RolloutStatus | None) -> list[str]:
    return side_by_side(now).splitlines() if now else []


def _berth(berth: BerthStatus) -> Text:
    active, waiting = berth.get("active") or 0, berth.get("waiting") or 0
    busy = f"{active} active, {waiting} waiting" if active or waiting else "idle"
    number = berth.get("generation")
    name = "the candidate" if number == _UNNUMBERED else f"generation {number}"
    return plain(f"{name} ({berth.get('use')}): {busy}")


def _source(source: SourceStatus, now: datetime) -> RenderableType:
    scanned = moment(source.get("last_scan"))
    kind = source.get("kind")
    seen = f"{kind}, scanned {age(scanned, now)} ago" if scanned else f"{kind}, not scanned yet"
    name = plain(source.get("name"))
    mark = Text("ok    ", GOOD) if source.get("ok") else Text("DOWN  ", BAD)
    title = Text.assemble(mark, name, plain(f"  {seen}", "dim"))
    return title if source.get("ok") else Group(title, indented(plain(source.get("error"), BAD)))


def _queue_title(status: Status) -> str:
    depth = status.get("queue_depth") or 0
    return f"queue {depth}" if depth > len(status.get("queue") or ()) else "queue"


def _waiting(entry: QueueEntry, now: datetime) -> RenderableType:
    again = moment(entry.get("next_try"))
    title = Text.assemble(state_text(entry.get("state")), plain(f"  {entry.get('uri')}"))
    why = Text.assemble(reason_text(entry), plain(f"; next try {until(again, now)}" if again else "", "dim"))
    return Group(title, indented(why)) if why else title
