"""A run, or a folder of published filters -> a folder, a repository of the Hub, or both."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from zoo.delivery import Delivery, How, Pushed
from zoo.errors import UsageError
from zoo.files import sha256_of, write_whole
from zoo.hub.client import bounded
from zoo.hub.remotes import Remote, licence_of, look_at, sign_in
from zoo.lineage import Ancestry, Licences, ancestry_of_manifest, ancestry_of_run, settle_licences
from zoo.manifest import CARD, FILE, FileEntry, manifest_bytes
from zoo.progress import Progress, silent
from zoo.published import Published, fetch
from zoo.publishing import DTYPES, Particulars, Pictures, put_in_place, refuse_taken, staging, write_folder
from zoo.registry_file import NAME
from zoo.training.runs import Run, open_run

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9](?:[\w.-]*\w)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """What was asked for, but for how it goes up."""

    to: Path | None
    repo: str | None
    name: str | None
    license: str | None
    about: str
    dataset_license: str | None
    base_license: str | None
    dtype: str
    heads: bool
    pictures: Pictures
    revision: str
    token: str | None = field(repr=False)

    @property
    def called(self) -> str:
        """The filters' name: as given, else the repository's, else the folder's."""
        return self.name or (self.repo.rpartition("/")[2] if self.repo else self.to.name if self.to else "")


def push(
    run: Run | Published | Path | str,
    *,
    to: Path | str | None = None,
    repo: str | None = None,
    name: str | None = None,
    license: str | None = None,
    about: str = "",
    dataset_license: str | None = None,
    base_license: str | None = None,
    dtype: str = "float32",
    heads: bool = True,
    pictures: Pictures = "open",
    private: bool | None = None,
    create_pr: bool = False,
    revision: str | None = None,
    tag: str | None = None,
    message: str | None = None,
    token: str | None = None,
    replace_existing: bool = False,
    allow: tuple[str, ...] = (),
    dry_run: bool = False,
    progress: Progress = silent,
) -> Pushed | Published:
    """Publish a finished run: as a folder, to a repository of the Hub as one commit, or both.

    All that can be checked is checked before anything is written or sent: names, licences, the tag, the login, and
    that nothing private goes along. What the Hub then has is read back and compared.

    Args:
        run: finished; or a folder of published filters, which goes to the Hub as it is.
        to: the folder; it appears whole or not at all.
        repo: `owner/name`, made where it is missing.
        name: what the filters are called; the repository's or the folder's name by default.
        license: a word of the Hub's, `apache-2.0`; the base's own by default.
        about: a sentence for listings.
        dataset_license: the pictures' licence, where known.
        base_license: the licence of what the weights began as, where nothing says it.
        dtype: of the published weights, `float32`, `float16` (half the bytes) or `bfloat16`.
        heads: whether the heads go along.
        pictures: of what the filters see in the card: `none`; `open`, patches only of pictures whose dataset says an
            open licence; `all`, patches of any pictures, for everybody to see.
        private: whether a new repository is seen by its owner only.
        create_pr: open a pull request instead of changing the branch.
        revision: the branch, made where it is missing; `main` by default.
        tag: a name for the new commit.
        message: of the commit.
        token: `HF_TOKEN` or the stored login where not given.
        replace_existing: put it in the place of what lies there, a README that a person wrote included.
        allow: texts that are not private.
        dry_run: check all, say what would be sent, and send nothing.
        progress: told how far the work is.

    Returns:
        `Pushed` where a repository was named, else the folder, verified by reading it back.

    Raises:
        UsageError: no licence is known, or not one that the lineage allows; a wrong name, dtype or revision.
        PrivacyError: something private would have been published.
        PushError: nobody is logged in, the Hub refused it, or somebody pushed meanwhile.
        FileError: the run is not done; the folder is taken; the disk is full.
        IntegrityError: what the Hub has is not what was sent.
    """
    wishes = _Wishes(
        to=Path(to).resolve() if to is not None else None,
        repo=repo.removeprefix("hf://") if repo else None,
        name=name,
        license=license,
        about=about,
        dataset_license=dataset_license,
        base_license=base_license,
        dtype=dtype,
        heads=heads,
        pictures=pictures,
        revision=revision or "main",
        token=token,
    )
    how = How(
        private=private,
        create_pr=create_pr,
        tag=tag,
        message=message,
        replace_existing=replace_existing,
        allow=tuple(allow),
        dry_run=dry_run,
    )
    _check_wishes(wishes, how, revision)
    source = _open(run, progress)
    work = _push_folder if isinstance(source, Published) else _push_run
    with bounded() if wishes.repo else contextlib.nullcontext():
        return work(source, wishes, how, progress)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ checks


def _check_wishes(wishes: _Wishes, how: How, revision: str | None) -> None:
    if wishes.to is None and wishes.repo is None:
        raise UsageError("Nobody said where to publish.", "Say `repo='owner/name'`, `to=FOLDER`, or both.")
    hub_only: dict[str, object] = {"private=True": how.private, "create_pr=True": how.create_pr, "revision=": revision}
    hub_only |= {"tag=": how.tag, "message=": how.message, "dry_run=True": how.dry_run}
    if wishes.repo is None and any(hub_only.values()):
        given = ", ".join(f"`{argument}`" for argument, value in hub_only.items() if value)
        raise UsageError(f"{given}: only for the Hub.", "Say `repo='owner/name'` too, or leave it out.")
    faults = []
    repo, called = wishes.repo, wishes.called
    if repo is not None and (
        not _REPO.fullmatch(repo) or len(repo) > 96 or "--" in repo or ".." in repo or repo.endswith(".git")
    ):
        faults.append(
            f"{repo!r} is no repository: say `repo='owner/name'`, of letters, digits, dots, dashes, underscores"
        )
    elif not NAME.fullmatch(called):
        faults.append(f"filters cannot be called {called!r}: letters, digits, dots, dashes and underscores only")
    if wishes.dtype not in DTYPES:
        faults.append(f"the dtype cannot be {wishes.dtype!r}: {', '.join(DTYPES)}")
    if wishes.pictures not in get_args(Pictures):
        faults.append(f"pictures cannot be {wishes.pictures!r}: {', '.join(get_args(Pictures))}")
    for key, value in (("revision", wishes.revision), ("tag", how.tag or "v1")):
        if not re.fullmatch(r"[A-Za-z0-9][\w./-]*", value, re.ASCII) or ".." in value or value.endswith(("/", ".lock")):
            faults.append(f"`{key}=` cannot be {value!r}")
    if faults:
        raise UsageError(f"This cannot be published: {'; '.join(faults)}.")


def _open(run: Run | Published | Path | str, progress: Progress) -> Run | Published:
    """A run, or published filters whose every byte was compared with their manifest."""
    if isinstance(run, Published):
        return run if run.folder is not None else fetch(run.source.text, progress=progress)
    if isinstance(run, Run):
        return run
    folder = Path(run)
    if (folder / FILE).is_file() and not (folder / "run.json").is_file():
        return fetch(folder.resolve().as_uri(), progress=progress)
    return open_run(folder)


def _look(wishes: _Wishes, how: How) -> Remote | None:
    """The repository as it is, once it is sure that this login may push there."""
    if wishes.repo is None:
        return None
    sign_in(wishes.repo, token=wishes.token, create_pr=how.create_pr)
    remote = look_at(wishes.repo, branch=wishes.revision, token=wishes.token)
    if remote.exists and how.private and not remote.private:
        raise UsageError(
            f"{wishes.repo} is there already, and public.",
            f"Change that on its page {remote.url}/settings, or leave `private=True` out.",
        )
    return remote


def _licences(ancestry: Ancestry, wishes: _Wishes, license: str | None) -> Licences:
    asks = wishes.repo is not None
    return settle_licences(
        ancestry,
        license=license,
        base_license=wishes.base_license,
        dataset_license=wishes.dataset_license,
        ask=(lambda repo: licence_of(repo, token=wishes.token)) if asks else None,
    )


# ------------------------------------------------------------------------------------------------ a run, a folder


def _push_run(run: Run, wishes: _Wishes, how: How, progress: Progress) -> Pushed | Published:
    if not run.done:
        run.load_model()  # says what is missing
    if wishes.to:
        refuse_taken(wishes.to, run.folder.resolve(), replace_existing=how.replace_existing)
    ancestry = ancestry_of_run(run.record)
    remote = _look(wishes, how)
    licences = _licences(ancestry, wishes, wishes.license)
    particulars = Particulars(
        name=wishes.called,
        license=licences.own,
        about=wishes.about,
        use=wishes.repo or "",
        base_repo=ancestry.repo,
        base_license=licences.base,
        dataset_license=licences.dataset,
        dtype=wishes.dtype,
        heads=wishes.heads,
        pictures=wishes.pictures,
    )
    with staging(None if how.dry_run else wishes.to) as part:
        manifest = write_folder(part, run, particulars, progress=progress)
        if remote is None:
            return put_in_place(part, wishes.to or part, progress=progress)
        files = {name: part / name for name in (*manifest.files, FILE)}
        pushed = Delivery(remote, how, manifest, files, part).run(progress)
        if wishes.to and not how.dry_run:
            return replace(pushed, published=put_in_place(part, wishes.to, progress=progress))
        return pushed


def _push_folder(source: Published, wishes: _Wishes, how: How, progress: Progress) -> Pushed:
    manifest, folder = source.manifest, source.folder
    given: dict[str, object] = {
        "name=": wishes.name,
        "license=": wishes.license,
        "about=": wishes.about,
        "to=": wishes.to,
        "dtype=": wishes.dtype != "float32",
        "heads=False": not wishes.heads,
        f"pictures={wishes.pictures!r}": wishes.pictures != "open",
    }
    wrong = [f"`{argument}`" for argument, value in given.items() if value]
    if wrong or folder is None:
        raise UsageError(
            f"{source.source.text} is published already and goes up as it is.",
            f"Leave {', '.join(wrong)} out, or push the run that it came from.",
        )
    remote = _look(wishes, how)
    if remote is None:
        raise UsageError("Nobody said where to publish.", "Say `repo='owner/name'`.")
    licences = _licences(ancestry_of_manifest(manifest), wishes, manifest.license)
    lineage = manifest.lineage.model_copy(update={"base_license": licences.base, "dataset_license": licences.dataset})
    pinned = dict(manifest.files)
    if CARD in pinned:  # somebody may have edited it on the Hub that it came from
        card = folder / CARD
        pinned[CARD] = FileEntry(size=card.stat().st_size, sha256=sha256_of(card))
    stated = manifest.model_copy(update={"lineage": lineage, "files": pinned})
    files = {name: folder / name for name in (*manifest.files, FILE)}
    with staging(None) as part:
        if stated != manifest:
            write_whole(part / FILE, manifest_bytes(stated))
            files[FILE] = part / FILE
        return Delivery(remote, how, stated, files, part).run(progress)
