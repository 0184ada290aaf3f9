"""A run, or a folder of published filters -> a folder, a repository of the Hub, or both."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack, get_args

from zoo.errors import UsageError
from zoo.files import as_path, file_errors, temporary_folder, write_atomically
from zoo.hub import RemoteRepository, bounded_timeouts, check_login, inspect_repository, login_tokens, read_licence
from zoo.models import fetch
from zoo.progress import Progress, silent
from zoo.publish.cards import ExportOptions, PicturePolicy
from zoo.publish.export import DTYPES, check_target_folder, export_run, move_into_place
from zoo.publish.lineage import Ancestry, SettledLicences, ancestry_of_manifest, ancestry_of_run, settle_licences
from zoo.publish.repository import PushResult, RepositoryUpload, UploadOptions
from zoo.store import (
    CARD_FILE,
    COPY_NOTE,
    MANIFEST_FILE,
    NAME_PATTERN,
    Artifact,
    FileEntry,
    FolderSource,
    Manifest,
    bare_card,
    manifest_to_bytes,
)
from zoo.training import Run, open_run

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9](?:[\w.-]*\w)?", re.ASCII)


class PushOptions(TypedDict, total=False):
    """What `push` takes beside the places: what is published, and how it goes to the Hub. None: as if not given."""

    name: str | None  # what the filters are called; the repository's or the folder's name by default
    license: str | None  # a word of the Hub's, `apache-2.0`; the base's own by default
    about: str  # a sentence for listings
    dataset_license: str | None  # the pictures' licence, where known
    base_license: str | None  # the licence of what the weights began as, where nothing says it
    repeats: tuple[Run | Path | str, ...]  # runs of its recipe with other seeds, whose metrics are published beside
    dtype: str  # of the published weights, `float32` (by default), `float16` (half the bytes) or `bfloat16`
    heads: bool  # whether the heads go along; they do by default
    merged: bool  # of a run with an adapter the whole weights, not its update alone
    notice: Path | str | None  # a file of attributions that go along, beside those of the base
    pictures: PicturePolicy  # of what the filters see in the card; patches only of an open licence by default
    private: bool | None  # whether a new repository is seen by its owner only
    create_pr: bool  # open a pull request instead of changing the branch
    tag: str | None  # a name for the new commit
    message: str | None  # of the commit
    overwrite: bool  # replace what is there already, a README that a person wrote included
    allow: tuple[str, ...]  # texts that are not private
    dry_run: bool  # check all, say what would be sent, and send nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Push:
    """What, where to publish, and all options."""

    named: str | None  # published filters, where no folder was named
    to: Path | None
    repo: str | None
    revision: str
    token: str | None = field(repr=False)
    repeats: tuple[Run | Path | str, ...]
    export: ExportOptions
    upload: UploadOptions

    @property
    def called(self) -> str:
        """The filters' name: as given, else the repository's, else the folder's."""
        return self.export.name or (self.repo.rpartition("/")[2] if self.repo else self.to.name if self.to else "")


def push(
    run: Run | Artifact | Path | str,
    *,
    to: Path | str | None = None,
    repo: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    progress: Progress = silent,
    **options: Unpack[PushOptions],
) -> PushResult | Artifact:
    """Publish a finished run: as a folder, to a repository of the Hub as one commit, or both.

    All that can be checked is checked before anything is written or sent: names, licences, the tag, the login, and
    that nothing private goes along. What the Hub then has is read back and compared.

    Args:
        run: finished; or published filters, a folder or as `zoo.fetch` takes them, which are copied as they are.
        to: the folder; it appears whole or not at all.
        repo: `owner/name`, made where it is missing.
        revision: the branch, made where it is missing; `main` by default.
        token: `HF_TOKEN` or the stored login where not given.
        options: `name`, `license`, `dtype` and the others of `PushOptions`, as arguments of their own.

    Returns:
        `PushResult` where a repository was named, else the folder, verified by reading it back.

    Raises:
        UsageError: no licence is known, or not one that the lineage allows; a wrong name, dtype or revision.
        PrivacyError: something private would have been published.
        PushError: nobody is logged in, the Hub refused it, or somebody pushed meanwhile.
        FileError: the run is not done; the folder is taken; the disk is full.
        IntegrityError: what the Hub has is not what was sent.
    """
    given = {key: value for key, value in options.items() if value is not None}
    upload: dict[str, Any] = {one.name: given.pop(one.name) for one in fields(UploadOptions) if one.name in given}
    export: dict[str, Any] = given
    asked = _Push(
        named=str(run) if isinstance(run, str | Path) and not as_path(run).exists() else None,
        to=as_path(to).resolve() if to is not None else None,
        repo=repo.removeprefix("hf://") if repo else None,
        revision=revision or "main",
        token=token,
        repeats=tuple(export.pop("repeats", ())),
        export=ExportOptions(**export),
        upload=UploadOptions(**upload),
    )
    _check_options(asked, revision)
    source = _open_run_or_artifact(run, token, progress)
    with bounded_timeouts() if asked.repo else contextlib.nullcontext():
        return _publish(source, asked, progress)


def _publish(source: Run | Artifact, options: _Push, progress: Progress) -> PushResult | Artifact:
    _check_source(source, options)
    remote = _inspect_repository(options)
    to = None if options.upload.dry_run else options.to
    with temporary_folder(to and to.parent) as part:
        stage = partial(_stage_artifact, source) if isinstance(source, Artifact) else partial(_stage_run, source)
        manifest, files = stage(options, part, progress)
        if remote is None:
            return move_into_place(part, to or part, progress=progress)
        pushed = RepositoryUpload(remote, options.upload, manifest, files, part).run(progress)
        return replace(pushed, published=move_into_place(part, to, progress=progress)) if to else pushed


# ------------------------------------------------------------------------------------------------ checks


def _check_options(options: _Push, revision: str | None) -> None:
    upload, export = options.upload, options.export
    if options.to is None and options.repo is None:
        raise UsageError("There is no place to publish to.", "Say `repo='owner/name'`, `to=FOLDER`, or both.")
    hub_only: dict[str, object] = {"private=True": upload.private, "create_pr=True": upload.create_pr}
    hub_only |= {"revision=": revision, "tag=": upload.tag, "message=": upload.message, "dry_run=True": upload.dry_run}
    if options.repo is None and any(hub_only.values()):
        given = ", ".join(f"`{argument}`" for argument, value in hub_only.items() if value)
        raise UsageError(f"{given}: only for the Hub.", "Say `repo='owner/name'` too, or leave it out.")
    faults = []
    repo, called = options.repo, options.called
    if repo is not None and (
        not _REPO.fullmatch(repo) or len(repo) > 96 or "--" in repo or ".." in repo or repo.endswith(".git")
    ):
        faults.append(
            f"{repo!r} is no repository: say `repo='owner/name'`, of letters, digits, dots, dashes, underscores"
        )
    elif not NAME_PATTERN.fullmatch(called):
        faults.append(f"filters cannot be called {called!r}: letters, digits, dots, dashes and underscores only")
    if export.dtype not in DTYPES:
        faults.append(f"the dtype cannot be {export.dtype!r}: {', '.join(DTYPES)}")
    if export.pictures not in get_args(PicturePolicy):
        faults.append(f"pictures cannot be {export.pictures!r}: {', '.join(get_args(PicturePolicy))}")
    for key, value in (("revision", options.revision), ("tag", upload.tag or "v1")):
        if not re.fullmatch(r"[A-Za-z0-9][\w./-]*", value, re.ASCII) or ".." in value or value.endswith(("/", ".lock")):
            faults.append(f"`{key}=` cannot be {value!r}")
    if faults:
        raise UsageError(f"This cannot be published: {'; '.join(faults)}.")


def _open_run_or_artifact(run: Run | Artifact | Path | str, token: str | None, progress: Progress) -> Run | Artifact:
    """A run, or published filters whose every byte was compared with their manifest."""
    if isinstance(run, Artifact) and not run.is_run:
        return run if run.folder is not None else fetch(run.source.text, token=token, progress=progress)
    if isinstance(run, Run):
        return run
    folder = as_path(run.source.text if isinstance(run, Artifact) else run)
    if (folder / MANIFEST_FILE).is_file() and not (folder / "run.json").is_file():
        return fetch(folder.resolve().as_uri(), progress=progress)
    if folder.exists() or (folder.parent != Path() and folder.parent.is_dir()):
        return open_run(folder)
    return fetch(str(run), token=token, progress=progress)


def _check_source(source: Run | Artifact, options: _Push) -> None:
    """What is wrong with it, or with the options for it."""
    if isinstance(source, Artifact):
        export = options.export
        given: dict[str, object] = {
            "name=": export.name,
            "license=": export.license,
            "about=": export.about,
            "repeats=": options.repeats,
            "dtype=": export.dtype != "float32",
            "heads=False": not export.heads,
            f"pictures={export.pictures!r}": export.pictures != "open",
        }
        if wrong := [f"`{argument}`" for argument, value in given.items() if value]:
            raise UsageError(
                f"{source.source.text} is published already and goes up as it is.",
                f"Leave {', '.join(wrong)} out, or push the run that it came from.",
            )
    elif not source.done:
        source.load_model()  # says what is missing
    if options.to and source.folder:
        check_target_folder(options.to, source.folder.resolve(), overwrite=options.upload.overwrite)


def _inspect_repository(options: _Push) -> RemoteRepository | None:
    """The repository as it is, once it is sure that this login may push there."""
    if options.repo is None:
        return None
    if login_tokens(options.token) or not options.upload.dry_run:
        check_login(options.repo, token=options.token, create_pr=options.upload.create_pr)
    remote = inspect_repository(options.repo, branch=options.revision, token=options.token)
    if remote.exists and options.upload.private and not remote.private:
        raise UsageError(
            f"{options.repo} is there already, and public.",
            f"Change that on its page {remote.url}/settings, or leave `private=True` out.",
        )
    return remote


def _settle_licences(ancestry: Ancestry, options: _Push, license: str | None) -> SettledLicences:
    return settle_licences(
        ancestry,
        license=license,
        base_license=options.export.base_license,
        dataset_license=options.export.dataset_license,
        ask=partial(read_licence, token=options.token) if options.repo else None,
    )


# ------------------------------------------------------------------------------------------------ a run, a folder


def _stage_run(run: Run, options: _Push, part: Path, progress: Progress) -> tuple[Manifest, dict[str, Path]]:
    ancestry = ancestry_of_run(run.record)
    licences = _settle_licences(ancestry, options, options.export.license or None)
    export = replace(
        options.export,
        name=options.called,
        license=licences.own,
        use=options.repo or "",
        base_repo=ancestry.repo,
        base_license=licences.base,
        dataset_license=licences.dataset,
        repeats=_open_repeats(run, options.repeats),
    )
    manifest = export_run(part, run, export, progress=progress)
    return manifest, {name: part / name for name in (*manifest.files, MANIFEST_FILE)}


def _open_repeats(run: Run, others: Iterable[Run | Path | str]) -> tuple[Run, ...]:
    """Finished runs of the same recipe and pictures, each with a seed of its own. Raises UsageError, FileError."""
    repeats = [other if isinstance(other, Run) else open_run(other) for other in others]
    seeds = [one.recipe.seed for one in (run, *repeats)]
    for number, other in enumerate(repeats, 1):
        same = _identity(other) == _identity(run)
        if not (same and other.done) or seeds[number] in seeds[:number]:
            problem = "it is not done" if same and not other.done else "its seed is not new" if same else "it differs"
            raise UsageError(
                f"{other.folder} is no repeat of {run.folder}: {problem}{'' if same else ' in more than the seed'}.",
                f"Train one: `zoo train --recipe {run.folder} --seed {max(seeds) + 1}`.",
            )
    return tuple(repeats)


def _identity(run: Run) -> object:
    """What the runs of one recipe have in common, whatever their seeds."""
    recipe = run.recipe.model_dump()
    return {**recipe, "seed": 0, "data": {**recipe["data"], "root": None}}, run.record.fingerprint


def _stage_artifact(
    source: Artifact, options: _Push, part: Path, progress: Progress
) -> tuple[Manifest, dict[str, Path]]:
    """Only what is rewritten goes into the folder, all of it where that is asked for."""
    manifest, folder = source.manifest, source.folder or part
    licences = _settle_licences(ancestry_of_manifest(manifest), options, manifest.license)
    lineage, pinned = manifest.lineage, dict(manifest.files)
    files = {name: folder / name for name in (*manifest.files, MANIFEST_FILE)}
    origin = options.named if isinstance(source.source, FolderSource) else source.source.text
    if origin is None:  # what was published into a folder may have known less than the Hub does
        lineage = lineage.model_copy(update={"base_license": licences.base, "dataset_license": licences.dataset})
    if CARD_FILE in pinned:
        content = files[CARD_FILE].read_bytes()
        card = bare_card(content)  # it may have been edited on the Hub since
        pinned[CARD_FILE] = FileEntry(size=len(card), sha256=hashlib.sha256(card).hexdigest())
        if origin and card == content:
            files[CARD_FILE] = part / CARD_FILE
            write_atomically(part / CARD_FILE, card + COPY_NOTE.format(origin).encode())
    stated = manifest.model_copy(update={"lineage": lineage, "files": pinned})
    if stated != manifest:
        files[MANIFEST_FILE] = part / MANIFEST_FILE
        write_atomically(part / MANIFEST_FILE, manifest_to_bytes(stated))
    for name, path in files.items() if options.to and not options.upload.dry_run else ():
        if path != part / name:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            with file_errors(options.to or part):
                shutil.copyfile(path, part / name)
    return stated, files
