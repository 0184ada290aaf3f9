"""One registry.toml -> its entries, checked: names, where their filters lie, and the hash that they must have.

format = 1
[filters.vgg16-plankton]
sources  = ["hf://owner/vgg16-plankton@<commit>", "package:zoo_filters/vgg16-plankton"]
manifest = "sha256:…"
backbone = "vgg16"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from zoo.errors import FileError
from zoo.store.registry_cache import read_copy, write_copy

FILE = "registry.toml"
ENTRY_KEYS = ("sources", "manifest", "backbone", "cut", "about", "license")
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
MANIFEST_HASH_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """A name, and where the filters of that name lie."""

    name: str  # "vgg16-plankton"
    sources: tuple[str, ...]  # tried in this order; every one must match the manifest's hash
    manifest: str | None = None  # "sha256:<64 hex digits>", None: unpinned
    backbone: str = ""
    cut: str = ""
    about: str = ""
    license: str = ""
    origin: str = ""  # the file or the package that said it
    base: Path = Path()  # the folder that relative sources belong to
    shadows: tuple[str, ...] = ()  # origins that give this name to something else, and were passed over


def read_registry(path: Path, *, origin: str | None = None) -> dict[str, RegistryEntry]:
    """All entries of one file, checked.

    Args:
        path: the registry.toml.
        origin: who says it; the path where not given.

    Raises:
        FileError: it cannot be read, is no TOML, or has entries that are wrong; the message names the lines.
    """
    base = path.parent.absolute()
    facts: dict[str, Any] = {"origin": origin or str(path), "base": base}
    return {
        name: RegistryEntry(name=name, **{**table, "sources": tuple(table["sources"])}, **facts)
        for name, table in _read_tables(path).items()
    }


def read_text(path: Path) -> str:
    """The file's text. Raises FileError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileError(path, "it is not UTF-8 text", "Save it as UTF-8.") from error
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror or error})", "Check the path.") from error


def _read_tables(path: Path) -> dict[str, dict[str, Any]]:
    kept = read_copy(path)
    if kept.tables is not None:
        return kept.tables
    tables = parse_tables(read_text(path), path)
    write_copy(kept, tables)
    return tables


def parse_tables(text: str, path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a registry's text by name, checked.

    Args:
        text: all of the file.
        path: where it lies, for messages.

    Raises:
        FileError: it is no TOML, or has entries that are wrong; the message names the lines.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits are a plain ValueError
        raise FileError(
            path, f"it is not valid TOML ({' '.join(str(error).split())[:200]})", "Correct that line."
        ) from error
    faults = _faults_of_file(document, text)
    filters = document.get("filters", {})
    filters = filters if isinstance(filters, dict) else {}
    for name, table in filters.items():
        faults += _faults_of_entry(name, table, text)
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise FileError(path, "; ".join(faults[:5]) + more, "Correct the file; `zoo registry --help` shows its form.")
    return filters


def _faults_of_file(document: Mapping[str, Any], text: str) -> list[str]:
    faults = []
    version = document.get("format")
    if isinstance(version, int) and not isinstance(version, bool) and version > 1:
        return [f"line {_line_of_key(text, 'format')}: it has format {version}, made for a newer zoo"]
    if version != 1 or isinstance(version, bool):
        faults.append(f"line {_line_of_key(text, 'format')}: the first line must be `format = 1`")
    known = ("format", "filters")
    faults += [
        f"line {_line_of_key(text, key)}: there is no key {_short(key)}{_suggest_key(key, known)}"
        for key in document
        if key not in known
    ]
    if not isinstance(document.get("filters", {}), dict):
        faults.append(f"line {_line_of_key(text, 'filters')}: `filters` must hold tables, [filters.NAME]")
    return faults


def _faults_of_entry(name: str, table: Any, text: str) -> list[str]:
    start = _find_table(text, name)
    where = f"line {_line_at(text, start)}"
    if not NAME_PATTERN.fullmatch(name):
        return [f"{where}: {_short(name)} cannot be a name (letters, digits, `-`, `_` and `.`)"]
    if not isinstance(table, dict):
        return [f"{where}: {_short(name)} must be a table, [filters.NAME]"]
    faults = []
    for key, value in table.items():
        line = f"line {_line_of_key(text, key, start)}"
        if key not in ENTRY_KEYS:
            faults.append(f"{line}: {_short(name)} has no key {_short(key)}{_suggest_key(key, ENTRY_KEYS)}")
        elif key == "sources":
            if not (isinstance(value, list) and value and all(isinstance(source, str) and source for source in value)):
                faults.append(f"{line}: the sources of {_short(name)} must be a list of texts, not {_short(value)}")
        elif not isinstance(value, str):
            faults.append(f"{line}: {key!r} of {_short(name)} must be a text, not {_short(value)}")
        elif key == "manifest" and not MANIFEST_HASH_PATTERN.fullmatch(value):
            faults.append(
                f"{line}: the manifest of {_short(name)} must be `sha256:` and 64 hex digits, not {_short(value)}"
            )
    if "sources" not in table:
        faults.append(f"{where}: {_short(name)} has no sources")
    return faults


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _suggest_key(key: str, valid: tuple[str, ...]) -> str:
    near = get_close_matches(key, valid, n=1)
    return f", did you mean {near[0]!r}?" if near else f" (there is {', '.join(valid)})"


def _find_table(text: str, name: str) -> int:
    """Where the table's header starts, or the first place that mentions the name; 0 where nothing does."""
    quoted = re.escape(name)
    header = re.search(rf"^[ \t]*\[[ \t]*filters[ \t]*\.[ \t]*[\"']?{quoted}[\"']?[ \t]*[\].]", text, re.MULTILINE)
    return header.start() if header else max(text.find(name), 0)


def _line_of_key(text: str, key: str, start: int = 0) -> int:
    found = re.compile(rf"^[ \t\[]*[\"']?{re.escape(key)}\b", re.MULTILINE).search(text, start)
    return _line_at(text, found.start() if found else start)


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
