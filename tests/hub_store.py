"""What the Hub of the tests keeps: repositories with commits, branches, tags and pull requests, on disk.

    <root>/<owner>/<name>/...                    files written by hand; what changes here is a commit of `main`
    <root>/.hub/repos/<owner>/<name>/repo.json   refs, discussions, and whether it is private or gated
    <root>/.hub/repos/<owner>/<name>/<sha>.json  a commit: its parent, its words, and the whole listing of its files
    <root>/.hub/blobs/<sha256>                   contents, whichever repository they belong to

Every file is written beside its place and renamed to it, and a commit is only there once a ref of `repo.json` says so:
a server that is killed and started anew finds the old commit or the new one.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

LARGE = 10_000_000  # bytes, from which every file is an LFS file
PIECE = 1 << 20
# The endings that the Hub's .gitattributes of a new model names.
_LFS = """
*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack *.npy *.npz *.onnx *.ot
*.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm *.xz
*.zip *.zst *tfevents*
"""
_ATTRIBUTES = " filter=lfs diff=lfs merge=lfs -text\n"


class RefusedError(Exception):
    """A request that the Hub refuses, with what it answers."""

    def __init__(self, status: int, message: str, code: str = "", **said: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.said = status, message, code, said


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a commit."""

    size: int  # bytes
    sha256: str
    sha1: str  # git's id: of the content, or of the LFS pointer that stands for it
    lfs: bool

    @property
    def pointer_size(self) -> int:
        return len(_pointer(self.sha256, self.size))


@dataclass(slots=True, kw_only=True)
class Commit:
    sha: str
    parent: str | None
    title: str
    description: str
    date: str
    files: dict[str, File]  # by path, sorted


@dataclass(slots=True, kw_only=True)
class Discussion:
    num: int
    title: str
    description: str
    status: str  # "draft", "open", "closed", "merged"
    created: str
    pull: bool
    merged: str | None = None  # the commit


@dataclass(slots=True, kw_only=True)
class Repo:
    name: str  # "owner/name"
    created: str
    private: bool = False
    gated: str | bool = False
    likes: int = 0
    downloads: int = 0
    refs: dict[str, str] = field(default_factory=dict)  # "refs/heads/main" -> sha
    discussions: list[Discussion] = field(default_factory=list)
    by_hand: dict[str, list[int]] = field(default_factory=dict)  # path -> size, mtime in ns


class Store:
    """The repositories below a folder; safe for threads."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / ".hub"
        self.lock = threading.RLock()
        (self.state / "blobs").mkdir(parents=True, exist_ok=True)
        (self.state / "new").mkdir(exist_ok=True)

    # -------------------------------------------------------------------------------------------- repositories

    def repo(self, name: str) -> Repo:
        """The repository, with what was changed by hand committed."""
        with self.lock:
            path = self._folder(name) / "repo.json"
            if path.is_file():
                said = json.loads(path.read_text())
                repo = Repo(**{**said, "discussions": [Discussion(**one) for one in said["discussions"]]})
            elif (self.root / name).is_dir() and name.count("/") == 1 and not name.startswith("."):
                repo = Repo(name=name, created=_now())
            else:
                raise RefusedError(404, "Repository not found", "RepoNotFound")
            self._adopt(repo)
            return repo

    def repos(self) -> list[Repo]:
        """All of them, by name."""
        below = [path for base in (self.root, self.state / "repos") for path in base.glob("[!.]*/*") if path.is_dir()]
        return [self.repo(name) for name in sorted({f"{path.parent.name}/{path.name}" for path in below})]

    def create(self, name: str, *, private: bool = False) -> Repo:
        """A new repository, with the Hub's .gitattributes as its first commit."""
        with self.lock:
            if (self._folder(name) / "repo.json").is_file() or (self.root / name).is_dir():
                raise RefusedError(409, "You already created this model repo")
            repo = Repo(name=name, created=_now(), private=private)
            attributes = "".join(pattern + _ATTRIBUTES for pattern in _LFS.split()).encode()
            self._record(repo, "refs/heads/main", {".gitattributes": self.keep(attributes)}, "initial commit")
            return repo

    def delete(self, name: str) -> None:
        with self.lock:
            self.repo(name)
            (self._folder(name) / "repo.json").unlink()
            shutil.rmtree(self._folder(name), ignore_errors=True)
            shutil.rmtree(self.root / name, ignore_errors=True)

    def save(self, repo: Repo) -> None:
        self._write(self._folder(repo.name) / "repo.json", json.dumps(asdict(repo), indent=1).encode())

    # -------------------------------------------------------------------------------------------- commits

    def ref(self, repo: Repo, revision: str) -> str | None:
        """The full name of a branch, a tag or a pull request: "main" -> "refs/heads/main"."""
        names = (revision, f"refs/heads/{revision}", f"refs/tags/{revision}")
        return next((name for name in names if name in repo.refs), None)

    def commit(self, repo: Repo, revision: str) -> Commit:
        """The commit that a branch, a tag, a pull request or a whole sha stands for."""
        ref = self.ref(repo, revision)
        sha = repo.refs[ref] if ref else revision
        path = self._folder(repo.name) / f"{sha}.json"
        if "/" in sha or not path.is_file() or sha == "repo":
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        said = json.loads(path.read_text())
        return Commit(**{**said, "files": {name: File(**one) for name, one in said["files"].items()}})

    def history(self, repo: Repo, revision: str) -> Iterator[Commit]:
        """The commit and those before it, the newest first."""
        sha: str | None = revision
        while sha:
            commit = self.commit(repo, sha)
            yield commit
            sha = commit.parent

    def change(
        self, name: str, revision: str, lines: Iterable[Mapping[str, Any]], *, pull: bool = False
    ) -> tuple[Commit, int | None]:
        """Commit the operations of a `commit` request; gives back the commit, and the pull request's number if any."""
        with self.lock:
            repo = self.repo(name)
            base, ref = self.commit(repo, revision), self.ref(repo, revision)
            if ref is None or ref.startswith("refs/tags/"):
                raise RefusedError(400, f"{revision} is no branch")
            files, head = dict(base.files), {"summary": "", "description": ""}
            for line in lines:
                if line["key"] == "header":
                    head.update(line["value"])
                else:
                    self._operate(files, line["key"], line["value"])
            if head.get("parentCommit", base.sha) != base.sha:
                raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
            number = None
            if pull:
                number = self.discuss(repo, head["summary"], head["description"], pull=True, status="open").num
                repo.refs[f"refs/pr/{number}"], ref = base.sha, f"refs/pr/{number}"
            self._attribute(base.files, files)
            return self._record(repo, ref, files, head["summary"], head["description"]), number

    def add(self, name: str, path: str, file: File) -> Commit:
        """Commit one file to `main`."""
        with self.lock:
            try:
                repo = self.repo(name)
            except RefusedError:
                repo = Repo(name=name, created=_now())
            now = self.commit(repo, "main").files if repo.refs else {}
            return self._record(repo, "refs/heads/main", {**now, path: file}, f"Add {path}")

    def discuss(self, repo: Repo, title: str, text: str, *, pull: bool, status: str) -> Discussion:
        """Open a discussion; it is the caller who saves the repository."""
        one = Discussion(
            num=len(repo.discussions) + 1, title=title, description=text, status=status, created=_now(), pull=pull
        )
        repo.discussions.append(one)
        return one

    def merge(self, name: str, num: int) -> None:
        """Let `main` have what a pull request changed."""
        with self.lock:
            repo = self.repo(name)
            theirs, main = self.commit(repo, f"refs/pr/{num}"), self.commit(repo, "main")
            base = next(one for one in self.history(repo, theirs.sha) if one in self.history(repo, main.sha))
            changed = {path: file for path, file in theirs.files.items() if base.files.get(path) != file}
            kept = {path: file for path, file in main.files.items() if path in theirs.files or path not in base.files}
            merged = self._record(repo, "refs/heads/main", {**kept, **changed}, theirs.title)
            repo.discussions[num - 1].status, repo.discussions[num - 1].merged = "merged", merged.sha
            self.save(repo)

    # -------------------------------------------------------------------------------------------- contents

    def blob(self, sha256: str) -> Path:
        return self.state / "blobs" / sha256

    def keep(self, content: bytes, *, lfs: bool = False) -> File:
        """Keep a content."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.blob(sha256).is_file():
            self._write(self.blob(sha256), content)
        return self._file(sha256, len(content), git_sha1(content), lfs)

    def keep_file(self, path: Path, *, name: str, link: bool = False) -> File:
        """Keep a file's content, read once and never whole; linked where it will not be written to again."""
        new = self.state / "new" / uuid.uuid4().hex
        if link:
            try:
                os.link(path, new)
            except OSError:
                shutil.copyfile(path, new)
        else:
            shutil.copyfile(path, new)
        size = new.stat().st_size
        with new.open("rb") as opened:
            sample = opened.read(512)
            opened.seek(0)
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        lfs = is_lfs(name, size, sample)
        sha1 = "" if lfs else git_sha1(new.read_bytes())
        new.replace(self.blob(sha256))
        new.unlink(missing_ok=True)  # a rename onto another link of the same file does nothing
        return self._file(sha256, size, sha1, lfs)

    def receive(self, pieces: Iterable[bytes], *, sha256: str | None = None, size: int | None = None) -> Path:
        """Keep what is uploaded, if it is what was promised: an LFS file by its sha256, or a part of one."""
        new, digest = self.state / "new" / uuid.uuid4().hex, hashlib.sha256()
        try:
            with new.open("wb") as opened:
                for piece in pieces:
                    digest.update(piece)
                    opened.write(piece)
            if size not in (None, new.stat().st_size) or sha256 not in (None, digest.hexdigest()):
                raise RefusedError(422, f"sha256 of {new.stat().st_size} bytes is {digest.hexdigest()}, not {sha256}")
            return new.replace(self.blob(sha256) if sha256 else self.state / "new" / digest.hexdigest())
        finally:
            new.unlink(missing_ok=True)

    def join(self, tags: Iterable[str], *, sha256: str) -> Path:
        """Put together the parts of an upload, each named by the tag that its upload was answered with."""
        parts = [self.state / "new" / Path(tag.strip('"')).name for tag in tags]
        if not all(part.is_file() for part in parts):
            raise RefusedError(400, "a part is missing")

        def read(part: Path) -> Iterator[bytes]:
            with part.open("rb") as opened:
                yield from pieces_of(opened)

        kept = self.receive((piece for part in parts for piece in read(part)), sha256=sha256)
        for part in parts:
            part.unlink(missing_ok=True)
        return kept

    # -------------------------------------------------------------------------------------------- inside

    def _folder(self, name: str) -> Path:
        return self.state / "repos" / name

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self.state / "new" / uuid.uuid4().hex
        new.write_bytes(content)
        new.replace(path)

    def _file(self, sha256: str, size: int, sha1: str, lfs: bool) -> File:
        return File(size=size, sha256=sha256, sha1=git_sha1(_pointer(sha256, size)) if lfs else sha1, lfs=lfs)

    def _record(self, repo: Repo, ref: str, files: Mapping[str, File], title: str, description: str = "") -> Commit:
        listing = dict(sorted(files.items()))
        parent = repo.refs.get(ref)
        # Without the date, so that two servers on one folder agree on the commit of what they find there.
        text = json.dumps([repo.name, parent, title, description, {name: one.sha1 for name, one in listing.items()}])
        sha = hashlib.sha1(text.encode()).hexdigest()
        commit = Commit(sha=sha, parent=parent, title=title, description=description, date=_now(), files=listing)
        if not (self._folder(repo.name) / f"{sha}.json").is_file():
            self._write(self._folder(repo.name) / f"{sha}.json", json.dumps(asdict(commit), indent=1).encode())
        repo.refs[ref] = sha
        self.save(repo)
        return commit

    def _adopt(self, repo: Repo) -> None:
        folder = self.root / repo.name
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        stats = {name: [path.stat().st_size, path.stat().st_mtime_ns] for name, path in found.items()}
        if stats == repo.by_hand and repo.refs:
            return
        files = dict(self.commit(repo, "main").files) if repo.refs else {}
        for name in repo.by_hand.keys() - stats.keys():
            files.pop(name, None)
        for name in [name for name in stats if stats[name] != repo.by_hand.get(name)]:
            files[name] = self.keep_file(found[name], name=name)
        repo.by_hand = stats
        if repo.refs and files == self.commit(repo, "main").files:
            self.save(repo)
        else:
            self._record(repo, "refs/heads/main", files, "Files written by hand")

    def _operate(self, files: dict[str, File], key: str, value: Mapping[str, Any]) -> None:
        path = value["path"].removesuffix("/")
        if {"", ".", "..", ".git"} & set(path.split("/")):
            raise RefusedError(400, f"invalid path {path!r}")
        if key == "file":
            files[path] = self.keep(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            blob = self.blob(Path(value["oid"]).name)
            if not blob.is_file() or blob.stat().st_size != value.get("size", blob.stat().st_size):
                raise RefusedError(400, f"LFS object {value['oid']} of {path} was not uploaded")
            files[path] = self._file(blob.name, blob.stat().st_size, "", True)
        else:
            gone = [one for one in files if one == path or (key == "deletedFolder" and one.startswith(path + "/"))]
            if not gone:
                raise RefusedError(404, "A file with this name doesn't exist", "EntryNotFound")
            for one in gone:
                del files[one]

    def _attribute(self, before: Mapping[str, File], files: dict[str, File]) -> None:
        """As the Hub does, name those LFS files in .gitattributes that no pattern there covers."""
        if ".gitattributes" not in files:
            return
        text = self.blob(files[".gitattributes"].sha256).read_text()
        patterns = [line.split()[0] for line in text.splitlines() if line.strip()]
        new = [path for path, file in files.items() if file.lfs and path not in before and not _covered(path, patterns)]
        if new:
            files[".gitattributes"] = self.keep((text + "".join(path + _ATTRIBUTES for path in new)).encode())


def is_lfs(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub keeps such a file as an LFS file: by its ending, its size, or its being no text."""
    return size > 0 and (size > LARGE or _covered(path, _LFS.split()) or b"\0" in sample)


def is_ignored(path: str, gitignore: str) -> bool:
    """Whether a .gitignore names the file, or a folder that it is in."""
    patterns = [line.strip().strip("/") for line in gitignore.splitlines() if line.strip() and line[0] != "#"]
    parts = path.split("/")
    return any(_covered("/".join(parts[: n + 1]), patterns) for n in range(len(parts)))


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def pieces_of(opened: IO[bytes]) -> Iterator[bytes]:
    while piece := opened.read(PIECE):
        yield piece


def _covered(path: str, patterns: Iterable[str]) -> bool:
    name = path.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatchcase(path if "/" in one else name, one) for one in patterns)


def _pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
