"""A folder of filters -> a repository of the Hub: what is sent, removed, and never overwritten."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import UsageError, ZooError
from zoo.files import sha256_of, write_atomically
from zoo.hub import (
    FileChange,
    PushedCommit,
    RemoteRepository,
    check_tag_is_free,
    commit_changes,
    create_tag,
    login_tokens,
    plan_changes,
    read_card_tags,
    validate_card,
    verify_commit,
)
from zoo.progress import Progress
from zoo.publish import cards
from zoo.publish.privacy import check_privacy, collect_personal_data
from zoo.store import (
    MANIFEST_FILE,
    MANIFEST_LIMIT,
    Artifact,
    FileEntry,
    Manifest,
    RegistryEntry,
    entry_of,
    manifest_to_bytes,
    read_manifest,
)

LONGEST_CARD = 8 * 2**20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """Filters as they now lie in a repository of the Hub; or as they would, where nothing was sent."""

    repo: str  # "owner/name"
    url: str  # its page, or the pull request's
    branch: str  # "main"
    commit: str | None  # None where nothing was sent
    manifest: Manifest
    digest: str  # of config.json, "sha256:…"
    changes: tuple[FileChange, ...]  # every file, and what becomes of it
    pull_request: str | None = None
    tag: str | None = None
    notes: tuple[str, ...] = ()  # messages for the user
    published: Artifact | None = None  # the folder, where one was asked for too

    @property
    def size(self) -> int:
        """Bytes of the files that are not there already."""
        return sum(one.size for one in self.changes if one.what in ("new", "changed"))

    @property
    def is_changed(self) -> bool:
        """Whether there was anything to change."""
        return any(one.what != "same" for one in self.changes)

    @property
    def entry(self) -> RegistryEntry:
        """For a registry.toml, pinned to the commit and the manifest."""
        return entry_of(self.manifest, self.digest, f"hf://{self.repo}" + (f"@{self.commit}" if self.commit else ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """Options of an upload."""

    private: bool | None = None  # whether a new repository is seen by its owner only
    create_pr: bool = False
    tag: str | None = None
    message: str | None = None
    overwrite: bool = False  # whether what a person put there may be overwritten
    allow: tuple[str, ...] = ()  # texts that count as not private
    dry_run: bool = False


@dataclass
class RepositoryUpload:
    """The upload of one folder to one repository."""

    remote: RemoteRepository
    options: UploadOptions
    manifest: Manifest
    files: dict[str, Path]  # by name, the manifest's own file too
    part: Path  # a folder for files that are rewritten

    def run(self, progress: Progress) -> PushResult:
        """Check, send, read back, tag.

        Raises:
            The errors of `zoo.push`.
        """
        remote, options = self.remote, self.options
        theirs = self._remote_manifest()
        known = collect_personal_data(owner=remote.repo.partition("/")[0], secrets=login_tokens(remote.token))
        own = {"the commit's message": options.message or "", "the tag": options.tag or "", "the branch": remote.branch}
        check_privacy(self.files, known, allow=options.allow, texts=own)
        self._refuse_to_overwrite(theirs)
        notes = self._keep_edited_readme()
        listed = set(theirs.files) if theirs else set()
        gone = sorted(name for name in listed - self.files.keys() if name in remote.files)
        changes = plan_changes(remote, self.files, remove=gone)
        changed = any(one.what != "same" for one in changes)
        if options.tag:
            check_tag_is_free(remote, options.tag, unchanged=not changed)
        if options.dry_run:
            if not login_tokens(remote.token):
                notes.append(
                    "Nobody is logged in. What was not checked: whether this repository may be written to, whether the "
                    "Hub takes the card, and what it holds where it is private."
                )
            return self._pushed(None, changes, notes)
        if any(one.name == cards.README and one.what in ("new", "changed") for one in changes):
            validate_card(self.files[cards.README].read_text("utf-8", "replace"), remote)
        verb = "Update" if remote.files.get(MANIFEST_FILE) else "Publish"
        commit = commit_changes(
            remote,
            self.files,
            changes,
            private=options.private,
            create_pr=options.create_pr,
            message=options.message or f"{verb} {self.manifest.name}",
            progress=progress,
        )
        progress("reading back", 0, 1)
        verify_commit(remote, commit.sha, self.files, gone=gone, small=MANIFEST_FILE)
        progress("reading back", 1, 1)
        if options.tag:
            create_tag(remote, options.tag, commit.sha)
        return self._pushed(commit, changes, notes)

    def _pushed(self, commit: PushedCommit | None, changes: tuple[FileChange, ...], notes: list[str]) -> PushResult:
        pull = commit.pull_request if commit else None
        return PushResult(
            repo=self.remote.repo,
            url=pull or self.remote.url,
            branch=self.remote.branch,
            commit=commit.sha if commit else None,
            manifest=self.manifest,
            digest=f"sha256:{sha256_of(self.files[MANIFEST_FILE])}",
            changes=changes,
            pull_request=pull,
            tag=self.options.tag,
            notes=tuple(notes),
        )

    def _remote_manifest(self) -> Manifest | None:
        if MANIFEST_FILE not in self.remote.files:
            return None
        try:
            return read_manifest(self.remote.read(MANIFEST_FILE, limit=MANIFEST_LIMIT), self.remote.repo)
        except ZooError:
            return None

    def _refuse_to_overwrite(self, theirs: Manifest | None) -> None:
        ours: Mapping[str, object] = {MANIFEST_FILE: None, **theirs.files} if theirs else {}
        foreign = [
            name
            for name in sorted(self.files.keys() & self.remote.files.keys())
            if name != cards.README and name not in ours and not self.remote.files[name].is_file(self.files[name])
        ]
        if foreign and not self.options.overwrite:
            raise UsageError(
                f"{self.remote.repo} holds something else than filters that zoo has published: {', '.join(foreign)} "
                "would be overwritten.",
                "Choose another repository, or pass `overwrite=True`.",
            )

    def _keep_edited_readme(self) -> list[str]:
        """Keep a README that a person wrote or changed, and let the manifest pin it; says so."""
        name, there = cards.README, self.remote.files.get(cards.README)
        if there is None or name not in self.files or self.options.overwrite or there.is_file(self.files[name]):
            return []
        content = self.remote.read(name, limit=LONGEST_CARD)
        if cards.is_generated_card(content) or not cards.has_body(content):
            return []
        self.files[name] = self.part / name
        write_atomically(self.part / name, content)
        entry = FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        self.manifest = self.manifest.model_copy(update={"files": {**self.manifest.files, name: entry}})
        self.files[MANIFEST_FILE] = self.part / MANIFEST_FILE
        write_atomically(self.part / MANIFEST_FILE, manifest_to_bytes(self.manifest))
        notes = [
            f"{self.remote.repo} has a README.md that a person wrote: it stays. "
            "Pass `overwrite=True` to put ours in its place."
        ]
        if cards.CARD_TAG not in read_card_tags(content.decode("utf-8", "replace")):
            notes.append(f"Its metadata lack the tag {cards.CARD_TAG!r}: `zoo search` will not find these filters.")
        return notes
