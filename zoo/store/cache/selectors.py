"""Names on the command line -> repositories and revisions in the Hub's cache."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from zoo.errors import UsageError
from zoo.store.registry import all_entries, find
from zoo.store.registry_file import NAME_PATTERN
from zoo.store.source_parsing import parse_source

_SHORT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSelector:
    """The cached repositories and revisions that a name selects."""

    text: str
    places: tuple[tuple[str, str | None], ...]  # repository and revision; None: all revisions

    def has(self, repo: str, commit: str, refs: Iterable[str] = ()) -> bool:
        """Whether this revision is meant. Of a commit 7 digits suffice.

        Args:
            commit: the revision, 40 hex digits.
            refs: the branches and tags that meant it last.
        """
        for name, revision in self.places:
            short = revision is not None and _SHORT.fullmatch(revision) and commit.startswith(revision)
            if name == repo and (revision is None or short or revision in refs):
                return True
        return False

    def includes_all_of(self, repo: str) -> bool:
        """Whether every revision of a repository is meant."""
        return (repo, None) in self.places


def parse_selector(text: str) -> CacheSelector:
    """A name of `zoo list`, owner/name, owner/name@revision or hf://… -> where that lies in the Hub's cache.

    Raises:
        UsageError: it is no repository of the Hub.
        UnknownNameError: no registry has that name.
    """
    if NAME_PATTERN.fullmatch(text):
        places = tuple(_hub_revisions(find(text).sources))
    else:
        source = parse_source(text if _is_local(text) or ":" in text else f"hf://{text}")
        place = source.repository
        places = ((place.name, place.revision if "@" in text else None),) if place else ()
    if not places:
        raise UsageError(f"{text!r} lies in no cache, but in a folder or package of its own.", "Run `zoo cache list`.")
    return CacheSelector(text=text, places=places)


def registered_names() -> dict[str, CacheSelector]:
    """What each name of the registries stands for on the Hub; a registry that cannot be read is passed over."""
    entries = all_entries(problems=[]).values()
    return {
        entry.name: CacheSelector(text=entry.name, places=tuple(_hub_revisions(entry.sources))) for entry in entries
    }


def _hub_revisions(sources: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    for text in sources:
        if text.startswith("hf://") or (text.count("/") == 1 and not _is_local(text)):
            try:
                source = parse_source(text if text.startswith("hf://") else f"hf://{text}")
            except UsageError:
                continue
            if place := source.repository:
                yield place.name, place.revision


def _is_local(text: str) -> bool:
    return text.startswith((".", "~", "/", "package:", "file:"))
