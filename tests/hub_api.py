"""The endpoints of the tests' Hub server, as the client asks for them."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Mapping
from math import ceil, prod
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import yaml  # type: ignore[import-untyped]
from hub_store import LARGE, Commit, Discussion, File, RefusedError, Repo, Store, is_ignored, is_lfs
from hub_wire import LFS_ROUTES, Answers

_CARD = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*(?:\n|\Z)", re.DOTALL)


_REPO, _REV = "([^/]+/[^/]+?)", "([^/]+)"
_API = f"/api/(?:models|datasets)/{_REPO}"


class Endpoints(Answers):
    """The Hub's side."""

    routes: tuple[tuple[str, str, str], ...] = (
        ("GET", "/api/whoami-v2", "whoami"),
        ("POST", "/api/repos/create", "create"),
        ("DELETE", "/api/repos/delete", "delete"),
        ("POST", "/api/validate-yaml", "validate_yaml"),
        ("GET", "/api/models", "models"),
        ("GET", f"{_API}(?:/revision/{_REV})?", "model"),
        ("PUT", f"{_API}/settings", "settings"),
        ("GET", f"{_API}/tree/{_REV}(?:/(.+))?", "tree"),
        ("POST", f"{_API}/paths-info/{_REV}", "paths_info"),
        ("GET", f"{_API}/refs", "refs"),
        ("GET", f"{_API}/commits/{_REV}", "commits"),
        ("POST DELETE", f"{_API}/(tag|branch)/{_REV}", "change_ref"),
        ("POST", f"{_API}/preupload/{_REV}", "preupload"),
        ("POST", f"{_API}/commit/{_REV}", "push"),
        ("GET POST", f"{_API}/discussions", "discussions"),
        ("GET", rf"{_API}/discussions/(\d+)", "discussion"),
        ("POST", rf"{_API}/discussions/(\d+)/(merge|status)", "change_discussion"),
        ("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", "lfs_batch"),
        ("POST", rf"/{_REPO}\.git/info/lfs/verify", "lfs_verify"),
        ("GET HEAD", f"(?:/datasets)?/{_REPO}/resolve/{_REV}/(.+)", "resolve"),
    )

    @property
    def store(self) -> Store:
        """Datasets have names of their own, beside those of models."""
        is_dataset = self.url.path.startswith(("/api/datasets/", "/datasets/"))
        return self.hub.datasets if is_dataset else self.hub.store

    def route(self) -> None:
        if self.url.path.startswith("/lfs/"):  # presigned, as the storage's addresses are
            self.public, self.routes = True, (*LFS_ROUTES, ("POST", "/lfs/([0-9a-f]{64})/complete", "lfs_complete"))
        else:
            self.public, self.routes = False, Endpoints.routes
        super().route()

    def repo(self, name: str, *, gate: bool = False) -> Repo:
        """The repository, if the client may see it."""
        known = "Authorization" in self.headers
        try:
            repo = self.store.repo(name)
        except RefusedError as refused:
            raise refused if known else RefusedError(401, "Invalid username or password.", "RepoNotFound") from None
        if repo.private and not known:
            raise RefusedError(401, "Invalid username or password.", "RepoNotFound")
        if gate and repo.gated:
            raise RefusedError(403 if known else 401, f"Access to model {name} is restricted.", "GatedRepo")
        return repo

    def at(self, name: str, revision: str | None, *, gate: bool = False) -> tuple[Repo, Commit]:
        repo = self.repo(name, gate=gate)
        return repo, self.store.commit(repo, revision or "main")

    def page(self, entries: list[Any], most: int | None = None) -> None:
        """A page of a listing, with the address of the next one."""
        first = int(self.query.get("cursor", ["0"])[0])
        last = first + min(most or self.hub.page, self.hub.page)
        query = urlencode({**self.query, "cursor": last}, doseq=True)
        more = {"Link": f'<{self.hub.url}{self.url.path}?{query}>; rel="next"'} if last < len(entries) else {}
        self.reply(200, entries[first:last], more)

    # -------------------------------------------------------------------------------------------- repositories

    def whoami(self) -> None:
        role = {"accessToken": {"displayName": "test", "role": "write"}}
        self.reply(200, {"type": "user", "name": self.hub.user, "fullname": self.hub.user, "orgs": [], "auth": role})

    def create(self) -> None:
        said = self.body()
        if said.get("type") not in (None, "model"):
            raise RefusedError(400, "models only")
        name = f"{said.get('organization') or self.hub.user}/{said['name']}"
        url = f"{self.hub.url}/{name}"
        private = said.get("private") or said.get("visibility") == "private"
        try:
            self.store.create(name, private=bool(private))
        except RefusedError as refused:
            refused.said["url"] = url
            raise
        self.reply(200, {"url": url, "name": name})

    def delete(self) -> None:
        said = self.body()
        name = f"{said.get('organization') or self.hub.user}/{said['name']}"
        self.repo(name)
        self.store.delete(name)
        self.reply(200, {})

    def settings(self, name: str) -> None:
        said = self.body()
        self.repo(name)
        private = {"private": said["visibility"] == "private"} if "visibility" in said else {}
        self.hub.set(name, **private, **{key: said[key] for key in ("private", "gated") if key in said})
        self.reply(200, said)

    def validate_yaml(self) -> None:
        found = _CARD.match(self.body().get("content", ""))
        errors, warnings = [], [] if found else [{"message": "empty or missing yaml metadata in repo card"}]
        try:
            card = yaml.safe_load(found[1]) if found else {}
            if not isinstance(card, dict):
                errors.append({"message": "the metadata must be a mapping"})
            else:
                bad = [key for key in ("tags", "model-index") if not isinstance(card.get(key, []), list)]
                errors += [{"message": f'"{key}" must be an array'} for key in bad]
        except yaml.YAMLError as error:
            errors.append({"message": f"bad yaml: {error}"})
        self.reply(400 if errors else 200, {"errors": errors, "warnings": warnings})

    def models(self) -> None:
        asked = {key: values[0] for key, values in self.query.items()}
        tags = {tag for value in self.query.get("filter", []) for tag in value.split(",")}
        tags |= {asked["pipeline_tag"]} if "pipeline_tag" in asked else set()
        found = []
        for repo in self.store.repos():
            info = self.info(repo, self.store.commit(repo, "main"))
            if (
                tags <= set(info["tags"])
                and asked.get("search", "").lower() in repo.name.lower()
                and asked.get("author", info["author"]) == info["author"]
                and ("Authorization" in self.headers or not repo.private)
            ):
                found.append(info)
        if asked.get("sort", "trendingScore") != "trendingScore":
            found.sort(key=lambda info: info.get(asked["sort"]) or 0, reverse=asked.get("direction", "-1") == "-1")
        brief = ["id", "modelId", "likes", "private", "downloads", "tags", "pipeline_tag", "library_name", "createdAt"]
        brief += ["author", "sha", "lastModified", "gated", "siblings"] if asked.get("full") == "true" else []
        brief += ["cardData"] if "true" in (asked.get("cardData"), asked.get("full")) else []
        wanted = ["id", *self.query["expand"]] if "expand" in self.query else brief
        limit = int(asked["limit"]) if "limit" in asked else None
        self.page([{key: info[key] for key in wanted if key in info} for info in found], limit)

    def model(self, name: str, revision: str | None) -> None:
        self.reply(200, self.info(*self.at(name, revision), blobs="blobs" in self.query))

    def info(self, repo: Repo, commit: Commit, *, blobs: bool = False) -> dict[str, Any]:
        """What the Hub says of a model, with what it reads in the card and in the head of the safetensors file."""
        card = self.card(commit)
        siblings: list[dict[str, Any]] = [{"rfilename": path} for path in commit.files]
        if blobs:
            for one, file in zip(siblings, commit.files.values(), strict=True):
                lfs = {"lfs": {"sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size}}
                one.update({"size": file.size, "blobId": file.sha1, **(lfs if file.lfs else {})})
        said = {key: card[key] for key in ("library_name", "pipeline_tag", "model-index") if card.get(key)}
        parameters = self.parameters(commit.files.get("model.safetensors"))
        return {
            "_id": commit.sha[:24],
            "id": repo.name,
            "modelId": repo.name,
            "author": repo.name.split("/")[0],
            "sha": commit.sha,
            "lastModified": commit.date,
            "createdAt": repo.created,
            "private": repo.private,
            "gated": repo.gated,
            "disabled": False,
            "likes": repo.likes,
            "downloads": repo.downloads,
            "tags": _tags(card, commit),
            **said,
            **({"cardData": card} if card else {}),
            **({"safetensors": {"parameters": parameters, "total": sum(parameters.values())}} if parameters else {}),
            "siblings": siblings,
            "usedStorage": sum(file.size for file in commit.files.values()),
        }

    def card(self, commit: Commit) -> dict[str, Any]:
        readme = commit.files.get("README.md")
        found = _CARD.match(self.store.blob(readme.sha256).read_text("utf-8", "replace")) if readme else None
        with contextlib.suppress(yaml.YAMLError):
            card = yaml.safe_load(found[1]) if found else None
            return json.loads(json.dumps(card, default=str)) if isinstance(card, dict) else {}
        return {}

    def parameters(self, file: File | None) -> dict[str, int]:
        """How many numbers there are of each type: {"F16": 1000}."""
        counted: dict[str, int] = {}
        if file:
            with self.store.blob(file.sha256).open("rb") as opened, contextlib.suppress(ValueError):
                head = json.loads(opened.read(min(LARGE, int.from_bytes(opened.read(8), "little"))))
                for name, tensor in head.items():
                    if name != "__metadata__":
                        counted[tensor["dtype"]] = counted.get(tensor["dtype"], 0) + prod(tensor["shape"])
        return counted

    # -------------------------------------------------------------------------------------------- files

    def resolve(self, name: str, revision: str, path: str) -> None:
        _, commit = self.at(name, revision, gate=True)
        file = commit.files.get(path)
        headers = {"X-Repo-Commit": commit.sha}
        if file is None:
            raise RefusedError(404, "Entry not found", "EntryNotFound", headers=headers)
        if file.lfs and self.hub.storage_url != self.hub.url:
            self.reply(302, None, {"Location": f"{self.hub.storage_url}/lfs/{file.sha256}", **self.linked()})
        else:
            headers["ETag"] = f'"{file.sha256 if file.lfs else file.sha1}"'
            self.send_file(headers, self.store.blob(file.sha256))

    def linked(self) -> dict[str, str]:
        found = re.fullmatch(f"(?:/datasets)?/{_REPO}/resolve/{_REV}/(.+)", self.url.path)
        with contextlib.suppress(RefusedError):
            _, commit = self.at(*map(unquote, found.groups()[:2])) if found else (None, None)
            file = commit.files.get(unquote(found[3])) if commit and found else None
            if commit and file:
                etag = f'"{file.sha256 if file.lfs else file.sha1}"'
                return {"X-Repo-Commit": commit.sha, "X-Linked-Etag": etag, "X-Linked-Size": str(file.size)}
        return {}

    def tree(self, name: str, revision: str, below: str | None) -> None:
        _, commit = self.at(name, revision)
        entries, start = _entries(commit), f"{below.rstrip('/')}/" if below else ""
        found = [entry for path, entry in entries.items() if path.startswith(start)]
        if below and not found:
            raise RefusedError(404, f"{below} does not exist", "EntryNotFound")
        if self.query.get("recursive", ["false"])[0].lower() != "true":
            found = [entry for entry in found if "/" not in entry["path"][len(start) :]]
        self.page(found)

    def paths_info(self, name: str, revision: str) -> None:
        entries = _entries(self.at(name, revision)[1])
        asked = parse_qs(b"".join(self.unread).decode()).get("paths", [])
        self.reply(200, [entries[path.strip("/")] for path in asked if path.strip("/") in entries])

    # -------------------------------------------------------------------------------------------- branches, tags

    def refs(self, name: str) -> None:
        said: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
        for ref, sha in sorted(self.repo(name).refs.items()):
            kind, short = ref.removeprefix("refs/").split("/", 1)
            where = {"heads": "branches", "tags": "tags", "pr": "pullRequests"}[kind]
            said[where].append({"name": short, "ref": ref, "targetCommit": sha})
        if "include_prs" not in self.query:
            del said["pullRequests"]
        self.reply(200, said)

    def commits(self, name: str, revision: str) -> None:
        repo, commit = self.at(name, revision)
        authors = [{"user": self.hub.user}]
        keys = [(one.sha, one.date, one.title, one.description) for one in self.store.history(repo, commit.sha)]
        self.page(
            [
                {"id": sha, "date": day, "title": title, "message": said, "authors": authors}
                for sha, day, title, said in keys
            ]
        )

    def change_ref(self, name: str, kind: str, revision: str) -> None:
        said = self.body() if self.command == "POST" else {}
        with self.store.lock:
            repo = self.repo(name)
            short = said["tag"] if kind == "tag" and said else revision
            ref = f"refs/{'tags' if kind == 'tag' else 'heads'}/{short}"
            if self.command == "POST":
                if ref in repo.refs:
                    raise RefusedError(409, f"{kind} {short} already exists")
                source = revision if kind == "tag" else said.get("startingPoint", "main")
                repo.refs[ref] = self.store.commit(repo, source).sha
            elif repo.refs.pop(ref, None) is None:
                raise RefusedError(404, f"{kind} {short} does not exist", "RevisionNotFound")
            self.store.save(repo)
        self.reply(200, {})

    # -------------------------------------------------------------------------------------------- uploads

    def preupload(self, name: str, revision: str) -> None:
        said = self.body()
        _, commit = self.at(name, revision)
        ignore = commit.files.get(".gitignore")
        rules = said.get("gitIgnore") or (self.store.blob(ignore.sha256).read_text() if ignore else "")
        answers = []
        for asked in said["files"]:
            path, there = asked["path"], commit.files.get(asked["path"])
            lfs = is_lfs(path, asked["size"], base64.b64decode(asked.get("sample", "")))
            oid = {"oid": there.sha256 if there.lfs else there.sha1} if there else {}
            mode = "lfs" if lfs else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": is_ignored(path, rules), **oid})
        self.reply(200, {"files": answers, "commitOid": commit.sha})

    def lfs_batch(self, name: str) -> None:
        self.repo(name)
        said = self.body()
        objects: list[dict[str, Any]] = []
        parts = self.hub.multipart if "multipart" in said.get("transfers", []) else None
        for one in said["objects"]:
            oid, size = one["oid"], one["size"]
            href, header = f"{self.hub.storage_url}/lfs/{oid}?size={size}", {}
            if parts and size > parts:
                numbers = range(1, ceil(size / parts) + 1)
                header = {f"{number:05d}": f"{self.hub.storage_url}/lfs/{oid}/{number}" for number in numbers}
                header["chunk_size"], href = str(parts), f"{self.hub.url}/lfs/{oid}/complete"
            verify = {"href": f"{self.hub.url}/{name}.git/info/lfs/verify", "header": {}}
            there = self.store.blob(oid).is_file()
            actions = {"actions": {"upload": {"href": href, "header": header}, "verify": verify}}
            objects.append({"oid": oid, "size": size, **({} if there else actions)})
        self.reply(200, {"transfer": "multipart" if parts else "basic", "objects": objects})

    def lfs_verify(self, name: str) -> None:
        self.repo(name)
        said = self.body()
        path = self.store.blob(said["oid"])
        if not path.is_file() or path.stat().st_size != said["size"]:
            raise RefusedError(404, "no such object, or of another size")
        self.reply(200, {})

    def lfs_complete(self, oid: str) -> None:
        self.store.join([part["etag"] for part in self.body()["parts"]], sha256=oid)
        self.reply(200, {})

    def push(self, name: str, revision: str) -> None:
        self.repo(name)
        lines = [json.loads(line) for line in b"".join(self.unread).splitlines() if line.strip()]
        commit, number = self.store.change(name, revision, lines, pull="create_pr" in self.query)
        url = f"{self.hub.url}/{name}"
        pull = {"pullRequestUrl": f"{url}/discussions/{number}"} if number else {}
        self.reply(200, {"success": True, "commitOid": commit.sha, "commitUrl": f"{url}/commit/{commit.sha}", **pull})

    # -------------------------------------------------------------------------------------------- pull requests

    def discussions(self, name: str) -> None:
        repo = self.repo(name)
        if self.command == "GET":
            all_of = [self.told(repo, one) for one in reversed(repo.discussions)]
            self.reply(200, {"discussions": all_of, "count": len(all_of), "start": 0})
            return
        said = self.body()
        pull = bool(said.get("pullRequest"))
        with self.store.lock:
            repo = self.repo(name)
            status = "draft" if pull else "open"
            one = self.store.discuss(repo, said["title"], said.get("description", ""), pull=pull, status=status)
            if pull:
                repo.refs[f"refs/pr/{one.num}"] = repo.refs["refs/heads/main"]
            self.store.save(repo)
        self.reply(200, {"num": one.num, "pullRequest": pull, "url": f"{self.hub.url}/{name}/discussions/{one.num}"})

    def discussion(self, name: str, number: str) -> None:
        repo = self.repo(name)
        self.reply(200, self.told(repo, self.numbered(repo, number)))

    def numbered(self, repo: Repo, number: str) -> Discussion:
        if not 0 < int(number) <= len(repo.discussions):
            raise RefusedError(404, f"Discussion {number} not found")
        return repo.discussions[int(number) - 1]

    def told(self, repo: Repo, one: Discussion) -> dict[str, Any]:
        author = {"name": self.hub.user}
        text = {"edited": False, "hidden": False, "latest": {"raw": one.description}}
        comment = {"id": f"{one.num:024x}", "type": "comment", "createdAt": one.created, "author": author, "data": text}
        changes = {"changes": {"base": "refs/heads/main", "mergeCommitId": one.merged}, "filesWithConflicts": []}
        return {
            "title": one.title,
            "num": one.num,
            "createdAt": one.created,
            "status": one.status,
            "author": author,
            "repo": {"name": repo.name, "type": "model"},
            "isPullRequest": one.pull,
            "events": [comment],
            **(changes if one.pull else {}),
        }

    def change_discussion(self, name: str, number: str, what: str) -> None:
        said = self.body()
        with self.store.lock:
            repo = self.repo(name)
            one = self.numbered(repo, number)
            if what == "status":
                one.status = said["status"]
                self.store.save(repo)
            elif one.pull and one.status != "merged":
                self.store.merge(name, one.num)
            else:
                raise RefusedError(400, f"{number} is not to be merged")
        event = {"id": f"{one.num:024x}", "type": "status-change", "createdAt": one.created}
        self.reply(200, {"newStatus": {**event, "data": {"status": one.status}}})


def _entries(commit: Commit) -> dict[str, dict[str, Any]]:
    """The listing as `tree` tells it, folders too, by path."""
    entries: dict[str, dict[str, Any]] = {}
    for path, file in commit.files.items():
        for above in reversed(Path(path).parents):
            if above.name:
                folder = {"type": "directory", "path": above.as_posix(), "size": 0, "oid": commit.sha}
                entries.setdefault(above.as_posix(), folder)
        lfs = {"lfs": {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}} if file.lfs else {}
        entries[path] = {"type": "file", "path": path, "size": file.size, "oid": file.sha1, **lfs}
    return dict(sorted(entries.items()))


def _tags(card: Mapping[str, Any], commit: Commit) -> list[str]:
    """The tags that the Hub reckons from a card."""

    def each(key: str) -> list[str]:
        value = card.get(key) or []
        return [str(one) for one in (value if isinstance(value, list) else [value])]

    relation = str(card.get("base_model_relation") or "finetune")
    tags = [
        *each("library_name"),
        *(["safetensors"] if any(path.endswith(".safetensors") for path in commit.files) else []),
        *each("pipeline_tag"),
        *each("tags"),
        *(["model-index"] if card.get("model-index") else []),
        *each("language"),
        *(f"dataset:{one}" for one in each("datasets")),
        *(f"base_model:{one}" for one in each("base_model")),
        *(f"base_model:{relation}:{one}" for one in each("base_model")),
        *(f"license:{one}" for one in each("license")),
        "region:us",
    ]
    return list(dict.fromkeys(tags))
