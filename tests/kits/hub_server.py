"""A server that speaks the Hub's endpoints for models, over real sockets, with repositories kept in memory.

`HubServer` is used as a context manager; `url` is its address. Large files are redirected to a second port,
as the Hub does to its content network. `fault` puts a misbehaviour in the way of matching requests.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kits.faulty import Faulty, FaultyExchange, Listener

Files = Mapping[str, bytes | None]
API = re.compile(r"/api/models/([^/]+/[^/]+)/(revision|paths-info)/([^/]+)\Z")
FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)\Z")


def is_large(path: str) -> bool:
    """Tell whether the Hub would keep this file in LFS."""
    return path.endswith((".safetensors", ".bin"))


def blob_id(data: bytes) -> str:
    """Name bytes as git does."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Commit:
    """One commit: its tree, and for each path the (id, date) of the commit that brought it."""

    id: str
    date: str
    tree: dict[str, bytes]
    brought: dict[str, tuple[str, str]]


@dataclass
class Repo:
    """One repository's commits, and the names that point to them."""

    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def at(self, revision: str) -> Commit | None:
        return self.commits.get(self.refs.get(revision, revision))


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    server: str
    method: str
    path: str
    authorization: str | None


class HubServer(Faulty["Exchange"]):
    """The server. Attributes: `url`, `seen` (all requests), `token` (the one that is accepted)."""

    def __init__(self) -> None:
        super().__init__()
        self.repos: dict[str, Repo] = {}
        self.renamed: dict[str, str] = {}
        self.token = "hf_" + "good" * 8
        self.seen: list[Seen] = []
        self.tells_dates = True
        self._clock = datetime(2026, 11, 23, 20, tzinfo=UTC).timestamp()

    def __enter__(self) -> "HubServer":
        self.url, self.cdn_url = (self.listen(_Listener(self, role)) for role in ("api", "cdn"))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def commit(self, repo: str, files: Files, ref: str = "main") -> str:
        """Push a commit that changes `files` (None deletes) and return its id; each is a minute after the last."""
        there = self.repos.setdefault(repo, Repo())
        parent = there.at(ref)
        self._clock += 60
        date = datetime.fromtimestamp(self._clock, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        tree = dict(parent.tree) if parent else {}
        brought = dict(parent.brought) if parent else {}
        tree.update({path: data for path, data in files.items() if data is not None})
        for path in [path for path, data in files.items() if data is None]:
            del tree[path]
        named = json.dumps([parent.id if parent else "", date, sorted((p, blob_id(d)) for p, d in tree.items())])
        commit = Commit(hashlib.sha1(named.encode()).hexdigest(), date, tree, brought)
        brought.update(dict.fromkeys(files, (commit.id, date)))
        there.commits[commit.id] = commit
        there.refs[ref] = commit.id
        return commit.id

    def force_push(self, repo: str, files: Files, ref: str = "main") -> str:
        """Replace a branch's whole history by one commit; the old ones answer 404."""
        self.repos[repo] = Repo()
        return self.commit(repo, files, ref)

    @contextlib.contextmanager
    def counting(self) -> Iterator[list[Seen]]:
        """Gather the requests of a block."""
        begun = len(self.seen)
        gathered: list[Seen] = []
        yield gathered
        gathered.extend(self.seen[begun:])


class _Listener(Listener):
    def __init__(self, hub: HubServer, role: str) -> None:
        self.hub, self.role = hub, role
        super().__init__(Exchange)


class Exchange(FaultyExchange):
    """One request and its answer."""

    server: _Listener

    @property
    def faulty(self) -> HubServer:
        return self.server.hub

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_GET

    def send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Answer; a HEAD gets the headers only."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Answer with an error as the Hub words it."""
        named = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self.send(status, b'{"error": "no"}', {**named, **(headers or {})})

    def _serve(self) -> None:
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hub.seen.append(Seen(self.server.role, self.command, path, self.headers.get("Authorization")))
        act = hub.fault_for(f"{self.server.role} {self.command} {path}")
        if act is not None:
            act(self)
        else:
            self.answer()

    def answer(self) -> None:
        """Answer as a Hub does."""
        path = unquote(urlsplit(self.path).path)
        if self.server.role == "cdn":
            self._large_file(path)
        elif found := API.match(urlsplit(self.path).path):
            self._api(found[1], found[2], unquote(found[3]))
        elif found := FILE.match(urlsplit(self.path).path):
            self._file(found[1], unquote(found[2]), unquote(found[3]))
        else:
            self.refuse(404)

    def _repo(self, name: str, wants_file: bool) -> Repo | None:
        """Return the repository, or answer as the Hub does when it is not shown."""
        hub, repo = self.server.hub, self.server.hub.repos.get(name)
        sent = self.headers.get("Authorization")
        known = sent == f"Bearer {hub.token}"
        if name in hub.renamed:
            self.send(307, headers={"Location": self.path.replace(name, hub.renamed[name])})
        elif sent and not known:
            self.send(401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repo is None or (repo.private and not known):
            self.refuse(404 if known else 401, "RepoNotFound")
        elif repo.gated and wants_file:
            self.refuse(403 if known else 401, "GatedRepo")
        else:
            return repo
        return None

    def _api(self, name: str, what: str, revision: str) -> None:
        if (repo := self._repo(name, wants_file=False)) is None:
            return
        if (commit := repo.at(revision)) is None:
            self.refuse(404, "RevisionNotFound")
        elif what == "revision":
            self.send(200, json.dumps({"id": name, "sha": commit.id, "lastModified": commit.date}).encode())
        else:
            asked = parse_qs(self.body.decode())
            dates = asked.get("expand") == ["true"] and self.server.hub.tells_dates
            listed = [_listing(commit, path, dates) for path in asked["paths"] if path in commit.tree]
            self.send(200, json.dumps(listed).encode())

    def _file(self, name: str, revision: str, path: str) -> None:
        if (repo := self._repo(name, wants_file=True)) is None:
            return
        if (commit := repo.at(revision)) is None:
            self.refuse(404, "RevisionNotFound")
        elif (data := commit.tree.get(path)) is None:
            self.refuse(404, "EntryNotFound", {"X-Repo-Commit": commit.id})
        elif is_large(path):
            place = f"{self.server.hub.cdn_url}/{name}/{commit.id}/{path}"
            linked = {"X-Linked-ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Linked-Size": str(len(data))}
            self.send(302, headers={"X-Repo-Commit": commit.id, "Location": place, **linked})
        else:
            self.send(200, data, {"X-Repo-Commit": commit.id, "ETag": f'"{blob_id(data)}"'})

    def _large_file(self, path: str) -> None:
        owner, name, commit, inside = path.lstrip("/").split("/", 3)
        self.send(200, self.server.hub.repos[f"{owner}/{name}"].commits[commit].tree[inside])


def _listing(commit: Commit, path: str, dates: bool) -> dict[str, Any]:
    data = commit.tree[path]
    listed: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": blob_id(data)}
    if is_large(path):
        listed["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    if dates:
        brought, date = commit.brought[path]
        listed["lastCommit"] = {"id": brought, "title": "update", "date": date}
    return listed
