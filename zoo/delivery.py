"""A folder of filters -> a repository of the Hub: what stays, what goes, and what a person has put there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo import cards
from zoo.errors import UsageError, ZooError
from zoo.files import sha256_of, write_whole
from zoo.hub.cards import check_card, read_tags
from zoo.hub.readback import check_tag, read_back, set_tag
from zoo.hub.remotes import Remote, known_tokens
from zoo.hub.uploads import Change, Commit, compare, send
from zoo.manifest import FILE, LIMIT, FileEntry, Manifest, manifest_bytes, read_manifest
from zoo.privacy import check_private, personal
from zoo.progress import Progress
from zoo.published import Published
from zoo.registry_file import Entry

LONGEST_CARD = 8 * 2**20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Filters as they now lie in a repository of the Hub; or as they would, where nothing was sent."""

    repo: str  # "owner/name"
    url: str  # its page, or the pull request's
    branch: str  # "main"
    commit: str | None  # None where nothing was sent
    manifest: Manifest
    digest: str  # of config.json, "sha256:…"
    changes: tuple[Change, ...]  # every file, and what becomes of it
    pull_request: str | None = None
    tag: str | None = None
    notes: tuple[str, ...] = ()  # what a person should know
    published: Published | None = None  # the folder, where one was asked for too

    @property
    def size(self) -> int:
        """Bytes of the files that are not there already."""
        return sum(one.size for one in self.changes if one.what in ("new", "changed"))

    @property
    def is_changed(self) -> bool:
        """Whether there was anything to change."""
        return any(one.what != "same" for one in self.changes)

    @property
    def entry(self) -> Entry:
        """For a registry.toml, pinned to the commit and the manifest."""
        return entry_of(self.manifest, self.digest, f"hf://{self.repo}" + (f"@{self.commit}" if self.commit else ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a folder goes up."""

    private: bool | None = None  # whether a new repository is seen by its owner only
    create_pr: bool = False
    tag: str | None = None
    message: str | None = None
    replace_existing: bool = False  # whether what a person put there may be overwritten
    allow: tuple[str, ...] = ()  # texts that are not private
    dry_run: bool = False


def entry_of(manifest: Manifest, digest: str, source: str) -> Entry:
    """A registry's entry for published filters that lie at `source`."""
    return Entry(
        name=manifest.name,
        sources=(source,),
        manifest=digest,
        backbone=manifest.backbone.rpartition("/")[2],
        cut=manifest.cut.name,
        about=manifest.about,
        license=manifest.license,
    )


@dataclass
class Delivery:
    """One folder on its way to one repository."""

    remote: Remote
    how: How
    manifest: Manifest
    files: dict[str, Path]  # by name, the manifest's own file too
    part: Path  # a folder for what has to be written anew

    def run(self, progress: Progress) -> Pushed:
        """Check, send, read back, tag.

        Raises:
            The errors of `zoo.push`.
        """
        remote, how = self.remote, self.how
        theirs = self._remote_manifest()
        known = personal(owner=remote.repo.partition("/")[0], secrets=known_tokens(remote.token))
        said = {"the commit's message": how.message or "", "the tag": how.tag or "", "the branch": remote.branch}
        check_private(self.files, known, allow=how.allow, texts=said)
        self._refuse_foreign(theirs)
        notes = self._heed_readme()
        listed = set(theirs.files) if theirs else set()
        gone = sorted(name for name in listed - self.files.keys() if name in remote.files)
        changes = compare(remote, self.files, remove=gone)
        changed = any(one.what != "same" for one in changes)
        if how.tag:
            check_tag(remote, how.tag, unchanged=not changed)
        if how.dry_run:
            return self._pushed(None, changes, notes)
        if any(one.name == cards.FILE and one.what in ("new", "changed") for one in changes):
            check_card(self.files[cards.FILE].read_text("utf-8", "replace"), remote)
        commit = self._send(changes, progress)
        progress("reading back", 0, 1)
        read_back(remote, commit.sha, self.files, gone=gone, small=FILE)
        progress("reading back", 1, 1)
        if how.tag:
            set_tag(remote, how.tag, commit.sha)
        return self._pushed(commit, changes, notes)

    def _send(self, changes: tuple[Change, ...], progress: Progress) -> Commit:
        verb = "Update" if self.remote.files.get(FILE) else "Publish"
        return send(
            self.remote,
            self.files,
            changes,
            private=self.how.private,
            create_pr=self.how.create_pr,
            message=self.how.message or f"{verb} {self.manifest.name}",
            progress=progress,
        )

    def _pushed(self, commit: Commit | None, changes: tuple[Change, ...], notes: list[str]) -> Pushed:
        pull = commit.pull_request if commit else None
        return Pushed(
            repo=self.remote.repo,
            url=pull or self.remote.url,
            branch=self.remote.branch,
            commit=commit.sha if commit else None,
            manifest=self.manifest,
            digest=f"sha256:{sha256_of(self.files[FILE])}",
            changes=changes,
            pull_request=pull,
            tag=self.how.tag,
            notes=tuple(notes),
        )

    def _remote_manifest(self) -> Manifest | None:
        """What lies there, where zoo has published it."""
        there = self.remote.files.get(FILE)
        if there is None or there.size > LIMIT:
            return None
        try:
            return read_manifest(self.remote.read(FILE, limit=LIMIT), self.remote.repo)
        except ZooError:
            return None

    def _refuse_foreign(self, theirs: Manifest | None) -> None:
        """Files that a person put there are never overwritten unasked."""
        ours: Mapping[str, object] = {FILE: None, **theirs.files} if theirs else {}
        foreign = [
            name
            for name in sorted(self.files.keys() & self.remote.files.keys())
            if name != cards.FILE and name not in ours and not self.remote.files[name].is_file(self.files[name])
        ]
        if foreign and not self.how.replace_existing:
            raise UsageError(
                f"{self.remote.repo} holds something else than filters that zoo has published: {', '.join(foreign)} "
                "would be overwritten.",
                "Choose another repository, or pass `replace_existing=True`.",
            )

    def _heed_readme(self) -> list[str]:
        """Keep a README that a person wrote or changed, and let the manifest pin it; says so."""
        name, there = cards.FILE, self.remote.files.get(cards.FILE)
        if there is None or name not in self.files or self.how.replace_existing or there.is_file(self.files[name]):
            return []
        content = self.remote.read(name, limit=LONGEST_CARD)
        if cards.is_ours(content) or not cards.has_body(content):
            return []
        self.files[name] = self.part / name
        write_whole(self.part / name, content)
        entry = FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        self.manifest = self.manifest.model_copy(update={"files": {**self.manifest.files, name: entry}})
        self.files[FILE] = self.part / FILE
        write_whole(self.part / FILE, manifest_bytes(self.manifest))
        notes = [
            f"{self.remote.repo} has a README.md that a person wrote: it stays. "
            "Pass `replace_existing=True` to put ours in its place."
        ]
        if cards.TAG not in read_tags(content.decode("utf-8", "replace")):
            notes.append(f"Its metadata lack the tag {cards.TAG!r}: `zoo search` will not find these filters.")
        return notes
