"""Text -> Source: a folder, an installed package or the Hugging Face Hub; whole files and byte ranges.

folder          /data/filters, ./filters, ../filters, file:///data/filters; runs/plankton, a run's
package         package:zoo_filters/vgg16-plankton
the Hub         owner/name, owner/name@revision, hf://owner/name@revision
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from zoo.errors import UsageError
from zoo.store.hub_source import HubSource
from zoo.store.local_source import FolderSource, PackageSource
from zoo.store.source import MANIFEST_FILE, RECORD_FILE, Source, check_file_name

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST_TEXT = 1_000  # characters
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def parse_source(
    text: str,
    *,
    base: Path | None = None,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: Path | str | None = None,
    offline: bool = False,
) -> Source:
    """Say where files lie; nothing is read yet.

    Args:
        text: a folder, `package:module/folder`, `owner/name[@revision]` or `hf://owner/name[@revision]`.
        base: the folder that relative ones belong to; the current one where not given.
        revision, token, cache_dir, offline: as `open_artifact` takes them.

    Raises:
        UsageError: the text is none of these, or names two revisions.
    """
    if len(text) > LONGEST_TEXT or any(one < " " or one == "\x7f" or "\ud800" <= one <= "\udfff" for one in text):
        raise UsageError(f"{ascii(text)[:100]} names no filters: it is too long, or has characters that none has.")
    base = base or Path()
    source = _parse_local(text, base)
    if source is None:
        given, at, own = text.removeprefix("hf://").partition("@")
        if not _REPO.fullmatch(given) or ".." in given or "--" in given or (at and not own):
            raise UsageError(
                f"{text[:200]!r} names no filters.",
                f"Give a name of `zoo list`, owner/name[@revision], hf://owner/name, "
                f"package:module/folder or a folder (such as ./{PurePosixPath(text).name[:100] or 'filters'}).",
            )
        if own and revision and own != revision:
            raise UsageError(
                f"{ascii(text)[:100]} and `revision=` {ascii(revision)[:100]} name two revisions.", "Give one."
            )
        wanted = own or revision or "main"
        if not _REVISION.fullmatch(wanted) or ".." in wanted:
            raise UsageError(f"{ascii(wanted)[:100]} is no revision.", "Give a branch, a tag or a commit.")
        where = Path(cache_dir) if cache_dir else None
        return HubSource(repo=given, revision=wanted, token=token, cache_dir=where, offline=offline)
    if revision:
        raise UsageError(f"{source.text} has no revisions.", "Leave `revision=` out.")
    return source


def _parse_local(text: str, base: Path) -> Source | None:
    if text.startswith("package:"):
        module, _, inner = text.removeprefix("package:").partition("/")
        if not all(part.isidentifier() for part in module.split(".")):
            raise UsageError(f"{text!r} names no package.", "Give package:module/folder.")
        if inner:
            check_file_name(inner, text)
        return PackageSource(module=module, inner=inner)
    if text.startswith("file:"):
        try:
            url = urlsplit(text)
        except ValueError:  # file://[
            url = None
        if url is None or url.netloc not in ("", "localhost") or not url.path:
            raise UsageError(f"{text!r} names no folder of this machine.", "Give file:///folder.")
        from urllib.request import url2pathname  # a long import

        return _open_folder(base / url2pathname(url.path))
    if text.startswith("hf://") or not text or "\0" in text:
        return None
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise UsageError(
            f"{text!r}: there is no such user on this machine.", "Give the folder's whole path."
        ) from error
    if path.is_absolute() or text.startswith(("./", "../", "~")) or text in (".", ".."):
        return _open_folder(base / path)
    try:
        return _open_folder(base / path) if (base / path).is_dir() else None
    except (OSError, ValueError):  # too long for the disk, or half a surrogate pair
        return None


def _open_folder(folder: Path) -> FolderSource:
    """Published files, or a run's folder."""
    try:
        if not (folder / RECORD_FILE).is_file() or (folder / MANIFEST_FILE).is_file():
            return FolderSource(folder)
    except (OSError, ValueError):  # said where it is read
        return FolderSource(folder)
    from zoo.store.record import RunSource  # imports torch

    return RunSource(folder)
