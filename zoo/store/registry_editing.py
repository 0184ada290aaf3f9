"""Entries into a registry.toml and out of it; all else that a person wrote there stays as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import FileError, UnknownNameError, UsageError
from zoo.files import as_file_error, write_atomically
from zoo.store.registry import user_registry
from zoo.store.registry_file import (
    ENTRY_KEYS,
    MANIFEST_HASH_PATTERN,
    NAME_PATTERN,
    RegistryEntry,
    Tables,
    parse_tables,
    read_text,
)

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Item, Key, Table


def format_entry(entry: RegistryEntry) -> str:
    """The entry as TOML."""
    import tomlkit

    return tomlkit.dumps({"filters": {entry.name: _facts(entry)}})


def add_entry(entry: RegistryEntry, path: Path | None = None, *, replace: bool = False) -> Path:
    """Write an entry into a registry, whole or not at all; its other entries and comments stay.

    Args:
        entry: what to write; relative sources are taken as relative to the registry's folder.
        path: the registry.toml, made where it is missing; the user's own where not given.
        replace: whether an entry of that name with another manifest may be replaced.

    Returns:
        The file written.

    Raises:
        UsageError: the name, the sources or the hash cannot be written, or the name is taken.
        FileError: the file is broken or cannot be written.
    """
    path = path or user_registry()
    _check_entry(entry)
    with _editing(path) as (text, tables):
        old = tables.get(entry.name)
        if old and old.get("manifest") != entry.manifest and not replace:
            raise UsageError(
                f"{path} has {entry.name!r} already, with the manifest {old.get('manifest', 'unpinned')}.",
                f"Pass `replace=True`, or remove it first: `zoo registry remove {entry.name}`.",
            )
        text = _replaced(text, path, entry) if old else text.rstrip("\n") + "\n\n" + format_entry(entry)
        _write(path, text, {**tables, entry.name: _facts(entry)})
    return path


def remove_entry(name: str, path: Path | None = None) -> Path:
    """Take an entry out of a registry; all else stays.

    Raises:
        UnknownNameError: that registry has no such name.
        FileError: the file is broken or cannot be written.
    """
    path = path or user_registry()
    with _editing(path) as (text, tables):
        if name not in tables:
            raise UnknownNameError(f"entry of {path}", name, tables)
        _write(path, _without(text, path, name), {key: table for key, table in tables.items() if key != name})
    return path


def _check_entry(entry: RegistryEntry) -> None:
    if not NAME_PATTERN.fullmatch(entry.name):
        raise UsageError(f"{entry.name!r} cannot be a name.", "Use letters, digits, `-`, `_` and `.`.")
    if not entry.sources or not all(entry.sources):
        raise UsageError(f"{entry.name!r} has no sources.", "Name one, such as hf://owner/name@revision.")
    if entry.manifest is not None and not MANIFEST_HASH_PATTERN.fullmatch(entry.manifest):
        raise UsageError(f"{entry.manifest!r} is no manifest hash.", "Give `sha256:` and 64 hex digits.")


def _facts(entry: RegistryEntry) -> dict[str, Any]:
    """What a registry says of the entry; what is empty is left out."""
    texts = {key: getattr(entry, key) for key in ENTRY_KEYS[1:]}
    return {"sources": list(entry.sources), **{key: text for key, text in texts.items() if text}}


@contextlib.contextmanager
def _editing(path: Path) -> Iterator[tuple[str, Tables]]:
    """A registry's text and what it says, for one process at a time; the others wait."""
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock")).acquire()
    except OSError as error:
        raise as_file_error(error, path) from error
    with lock:
        text = read_text(path) if path.is_file() else "format = 1\n"
        yield text, parse_tables(text, path)


def _write(path: Path, text: str, expected: Mapping[str, Any]) -> None:
    """Write the edited text, if it says just what it should."""
    try:
        said = parse_tables(text, path)
    except FileError as error:
        raise _not_editable(path) from error
    if list(said.items()) != list(expected.items()):
        raise _not_editable(path)
    write_atomically(path, text)


def _not_editable(path: Path) -> FileError:
    return FileError(path, "it is written in a form that cannot be edited safely", "Edit it by hand.")


# ------------------------------------------------------------------------------------------------ the text


def _replaced(text: str, path: Path, entry: RegistryEntry) -> str:
    """The text with other facts of an entry; comments between its keys stay."""
    document, table = _find_table(text, path, entry.name)
    comments, facts = _cut_comments(table), _facts(entry)
    for key in table.keys() - facts.keys():
        table.remove(key)
    table.update(facts)
    table.value.body.extend(comments)
    return document.as_string()


def _without(text: str, path: Path, name: str) -> str:
    """The text without an entry; the comments before the next one stay."""
    document, table = _find_table(text, path, name)
    comments = _cut_comments(table)
    filters: Any = document["filters"]
    before = list(filters)[: list(filters).index(name)]
    if before:
        body = filters[before[-1]].value.body
        place = len(body)
    else:  # without a line [filters] of its own, which comments in it would bring about, they go before it
        body, key = (document.body, "filters") if filters.is_super_table() else (filters.value.body, name)
        place = [found and found.key for found, _ in body].index(key)
    filters.remove(name)
    body[place:place] = comments
    return document.as_string()


def _find_table(text: str, path: Path, name: str) -> tuple[TOMLDocument, Table]:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import Table

    try:
        document = tomlkit.parse(text)
        table = document["filters"][name]
    except TOMLKitError as error:
        raise _not_editable(path) from error
    if not isinstance(table, Table):
        raise _not_editable(path)
    return document, table


def _cut_comments(table: Table) -> list[tuple[Key | None, Item]]:
    """Take the comments and blank lines behind a table's last key off it: they belong to what follows."""
    body = table.value.body
    kept = max((place for place, (key, _) in enumerate(body) if key is not None), default=-1) + 1
    comments = body[kept:]
    del body[kept:]
    return comments
