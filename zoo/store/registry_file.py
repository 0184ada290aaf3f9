"""One registry.toml -> its entries, checked: names, where their filters lie, and the hash that they must have.

    format = 1
    [filters.vgg16-plankton]
    sources = ["hf://owner/vgg16-plankton@<commit>", "package:zoo_filters/vgg16-plankton"]
    manifest = "sha256:…"
    backbone = "vgg16"

Relative sources belong to the file's own folder; `backbone`, `cut`, `about` and `license` are texts for listings.
A file may also say which packages there are, and which plugins each brings:

    [plugins.zoo-whales]
    summary = "Whales, by their flukes."
    datasets = ["whales"]
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import FileError
from zoo.files import parse_toml, read_sealed, write_sealed, zoo_home
from zoo.plugins import GROUPS, PACKAGE_PATTERN

FILE = "registry.toml"
ENTRY_KEYS = ("sources", "manifest", "backbone", "cut", "about", "license")
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
LARGE = 100_000  # bytes; smaller files are parsed sooner than they are looked up
MANIFEST_HASH_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")
PLUGIN_KEYS = {group.removeprefix("zoo."): kind for kind, group in GROUPS.items()}  # "datasets": "dataset"
LONGEST_SUMMARY = 300  # characters
MOST_NAMES = 1_000  # of one kind in a package

Tables = dict[str, dict[str, Any]]  # the facts of entries by name


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


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPackage:
    """A package of plugins that a registry knows, installed or not."""

    name: str  # "zoo-whales"
    summary: str
    brings: Mapping[str, tuple[str, ...]]  # names by kind: {"dataset": ("whales",)}
    origin: str  # the file or the package that said it


def read_known_packages(path: Path, *, origin: str | None = None) -> dict[str, KnownPackage]:
    """The packages of plugins that one file names, checked. Raises FileError, as `read_registry` does."""
    found = {}
    for name, table in _read_document(path)["plugins"].items():
        brings = {kind: tuple(table[key]) for key, kind in PLUGIN_KEYS.items() if key in table}
        about = table.get("summary", "")
        found[name] = KnownPackage(name=name, summary=about, brings=brings, origin=origin or str(path))
    return found


def read_registry(path: Path, *, origin: str | None = None) -> dict[str, RegistryEntry]:
    """All entries of one file, checked.

    Args:
        origin: who says it; the path where not given.

    Raises:
        FileError: it cannot be read, is no TOML, or has entries that are wrong; the message names the lines.
    """
    origin, base = origin or str(path), path.parent.absolute()
    return {
        name: RegistryEntry(name=name, origin=origin, base=base, **{**table, "sources": tuple(table["sources"])})
        for name, table in _read_document(path)["filters"].items()
    }


def read_text(path: Path) -> str:
    """The file's text. Raises FileError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileError(path, "it is not UTF-8 text", "Save it as UTF-8.") from error
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror or error})", "Check the path.") from error


def _read_document(path: Path) -> dict[str, Tables]:
    """Its tables, `filters` and `plugins`; those of a large one are kept as JSON under `ZOO_HOME` until it changes.

    tomllib takes half a second for 10,000 entries, JSON a thirtieth. What cannot be kept, or be read of what was
    kept, is no fault.
    """
    try:
        status = path.stat()
    except OSError:
        status = None
    if status is None or status.st_size < LARGE:
        return _parse_document(read_text(path), path)
    import hashlib

    place = zoo_home() / "registries" / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()}.json"
    state = ["with plugins", str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    said = read_sealed(place)
    if said is not None and said["state"] == state:
        return said["tables"]
    tables = _parse_document(read_text(path), path)
    with contextlib.suppress(FileError):
        write_sealed(place, {"state": state, "tables": tables})
    return tables


def parse_tables(text: str, path: Path) -> Tables:
    """The entries of a registry's text by name, checked.

    Raises:
        FileError: it is no TOML, or has entries that are wrong; the message names the lines.
    """
    return _parse_document(text, path)["filters"]


def _parse_document(text: str, path: Path) -> dict[str, Tables]:
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise FileError(
            path, f"it is not valid TOML ({' '.join(str(error).split())[:200]})", "Correct that line."
        ) from error
    tables = {section: document.get(section, {}) for section in ("filters", "plugins")}
    faults = [*_faults_of_file(document)]
    for section, find_faults in (("filters", _faults_of_entry), ("plugins", _faults_of_package)):
        for name, table in tables[section].items() if isinstance(tables[section], dict) else ():
            faults += find_faults(name, table)
    if faults:
        said = [f"line {_line_of(text, fault)}: {fault.problem}" for fault in faults[:5]]
        said[-1] += f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise FileError(path, "; ".join(said), "Correct the file; `zoo registry --help` shows its form.")
    return tables


class _Fault(NamedTuple):
    """What is wrong, and where; the line is looked up for the few that are said."""

    problem: str
    name: str | None = None  # of the entry, None: in the file's own keys
    key: str | None = None  # None: the entry as a whole
    section: str = "filters"


def _faults_of_file(document: Mapping[str, Any]) -> Iterator[_Fault]:
    version = document.get("format")
    if type(version) is int and version > 1:
        yield _Fault(f"it has format {version}, made for a newer zoo", key="format")
        return
    if type(version) is not int or version != 1:
        yield _Fault("the first line must be `format = 1`", key="format")
    known = ("format", "filters", "plugins")
    for key in document:
        if key not in known:
            yield _Fault(f"there is no key {_short(key)}{_suggest_key(key, known)}", key=key)
    for section in known[1:]:
        if not isinstance(document.get(section, {}), dict):
            yield _Fault(f"`{section}` must hold tables, [{section}.NAME]", key=section)


def _faults_of_entry(name: str, table: Any) -> Iterator[_Fault]:
    short = _short(name)
    if not NAME_PATTERN.fullmatch(name):
        yield _Fault(f"{short} cannot be a name (letters, digits, `-`, `_` and `.`)", name)
        return
    if not isinstance(table, dict):
        yield _Fault(f"{short} must be a table, [filters.NAME]", name)
        return
    for key, value in table.items():
        if key not in ENTRY_KEYS:
            yield _Fault(f"{short} has no key {_short(key)}{_suggest_key(key, ENTRY_KEYS)}", name, key)
        elif key == "sources":
            if not (isinstance(value, list) and value and all(isinstance(source, str) and source for source in value)):
                yield _Fault(f"the sources of {short} must be a list of texts, not {_short(value)}", name, key)
        elif not isinstance(value, str):
            yield _Fault(f"{key!r} of {short} must be a text, not {_short(value)}", name, key)
        elif key == "manifest" and not MANIFEST_HASH_PATTERN.fullmatch(value):
            said = f"the manifest of {short} must be `sha256:` and 64 hex digits, not {_short(value)}"
            yield _Fault(said, name, key)
    if "sources" not in table:
        yield _Fault(f"{short} has no sources", name)


def _faults_of_package(name: str, table: Any) -> Iterator[_Fault]:
    short, known = _short(name), ("summary", *PLUGIN_KEYS)
    if not (PACKAGE_PATTERN.fullmatch(name) and isinstance(table, dict)):
        yield _Fault(f"{short} must be a package's name, and a table, [plugins.NAME]", name, None, "plugins")
        return
    for key, value in table.items():
        good, wanted = isinstance(value, list) and 0 < len(value) <= MOST_NAMES, f"a list of 1 to {MOST_NAMES:,} names"
        if key not in known:
            yield _Fault(f"{short} has no key {_short(key)}{_suggest_key(key, known)}", name, key, "plugins")
            continue
        if key == "summary":
            good, wanted = (
                isinstance(value, str) and len(value) <= LONGEST_SUMMARY,
                f"a text of {LONGEST_SUMMARY} letters at most",
            )
        elif good:
            good = all(map(_is_plugin_name, value))
        if not good:
            yield _Fault(f"{key!r} of {short} must be {wanted}, not {_short(value)}", name, key, "plugins")


def _is_plugin_name(value: object) -> bool:
    """A name, or a backbone's with its family's, `moons/two-layers`."""
    return isinstance(value, str) and value.count("/") < 2 and all(map(NAME_PATTERN.fullmatch, value.split("/")))


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _suggest_key(key: str, valid: tuple[str, ...]) -> str:
    near = get_close_matches(key, valid, n=1)
    return f", did you mean {near[0]!r}?" if near else f" (there is {', '.join(valid)})"


def _line_of(text: str, fault: _Fault) -> int:
    """The line of a fault: of its key, else of the entry's header, else the first that mentions it."""
    start = 0
    if fault.name is not None:
        quoted = re.escape(fault.name)
        header = re.search(rf"^[ \t]*\[\s*{fault.section}\s*\.\s*[\"']?{quoted}[\"']?\s*[\].]", text, re.MULTILINE)
        start = header.start() if header else max(text.find(fault.name), 0)
    if fault.key is not None:
        found = re.compile(rf"^[ \t\[]*[\"']?{re.escape(fault.key)}\b", re.MULTILINE).search(text, start)
        start = found.start() if found else start
    return text.count("\n", 0, start) + 1
