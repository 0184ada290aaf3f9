"""registry.toml files -> entries: names, where their filters lie, and the hash that they must have.

    format = 1
    [filters.vgg16-plankton]
    sources  = ["hf://owner/vgg16-plankton@<commit>", "package:zoo_filters/vgg16-plankton"]
    manifest = "sha256:…"
    backbone = "vgg16"

Four kinds of file, the earlier winning: those named in `ZOO_REGISTRY`, the user's own, those of installed
packages (entry points of the group `zoo.registries`), and the core's.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from zoo.errors import FileError, PluginError, UnknownNameError, UsageError, ZooError
from zoo.files import write_whole, zoo_home
from zoo.plugins import Plugin, find_plugins

FILE = "registry.toml"
KEYS = ("sources", "manifest", "backbone", "cut", "about", "license")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
PIN = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
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


# ------------------------------------------------------------------------------------------------ reading


def read_registry(path: Path, *, origin: str | None = None) -> dict[str, Entry]:
    """All entries of one file, checked.

    Args:
        path: the registry.toml.
        origin: who says it; the path where not given.

    Raises:
        FileError: it cannot be read, is no TOML, or has entries that are wrong; the message names the lines.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileError(path, "it is not UTF-8 text", "Save it as UTF-8.") from error
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror or error})", "Check the path.") from error
    entries = _parse(text, path, origin or str(path), path.parent.absolute())
    return {entry.name: entry for entry in entries}


def user_registry() -> Path:
    """Where `zoo registry add` writes."""
    return zoo_home() / FILE


def all_entries(*, problems: list[ZooError] | None = None) -> dict[str, Entry]:
    """Every name from every registry, sorted.

    Where two files give one name to the same manifest their sources are joined; where the manifests differ the
    first wins and notes the other in `shadows`.

    Args:
        problems: where given, a registry that cannot be read is added here instead of being raised.
    """
    merged: dict[str, Entry] = {}
    for found in _registries(problems):
        if not merged:
            merged = found
            continue
        for name, entry in found.items():
            first = merged.get(name)
            merged[name] = entry if first is None else _joined(first, entry)
    return dict(sorted(merged.items()))


def find_entry(name: str) -> Entry:
    """The entry of that name.

    Raises:
        UnknownNameError: there is none; the nearest name is offered.
        FileError: there is none, and a registry that might have it cannot be read.
    """
    problems: list[ZooError] = []
    entries = all_entries(problems=problems)
    if name in entries:
        return entries[name]
    if problems:
        raise problems[0]
    raise UnknownNameError("set of filters", name, entries, listing="zoo list")


def _registries(problems: list[ZooError] | None) -> Iterator[dict[str, Entry]]:
    """What each registry says, the first in precedence first."""
    for read in _readers():
        try:
            yield read()
        except ZooError as error:
            if problems is None:
                raise
            problems.append(error)


def _readers() -> Iterator[Callable[[], dict[str, Entry]]]:
    """What reads each registry, not called yet."""
    for given in filter(None, os.environ.get("ZOO_REGISTRY", "").split(os.pathsep)):
        yield partial(read_registry, Path(given).expanduser())
    if user_registry().is_file():
        yield partial(read_registry, user_registry())
    for plugin in find_plugins("registry"):
        yield partial(_read_plugin, plugin)
    own = Path(__file__).with_name(FILE)
    if not own.is_file():  # an editable install: the repository's own file
        own = Path(__file__).parents[1] / FILE
    if own.is_file():
        yield partial(read_registry, own, origin="zoo")


def _read_plugin(plugin: Plugin) -> dict[str, Entry]:
    """The registry.toml in the package that an entry point names."""
    if plugin.mismatch:
        raise PluginError(plugin.mismatch)
    for folder in package_folders(plugin.target.partition(":")[0]):
        if (folder / FILE).is_file():
            return read_registry(folder / FILE, origin=plugin.package)
    raise PluginError(
        f"The registry {plugin.name!r} of the package {plugin.package} names {plugin.target!r}, which has no {FILE}. "
        f"Run `pip install --upgrade {plugin.package}` or uninstall it."
    )


def package_folders(module: str) -> list[Path]:
    """The folders of an installed package, none where it is not installed; nothing of it is imported."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    folders = (Path(folder, *inner) for folder in (spec.submodule_search_locations if spec else None) or ())
    return [folder for folder in folders if folder.is_dir()]


def _joined(first: Entry, other: Entry) -> Entry:
    if first.manifest != other.manifest:
        return replace(first, shadows=(*first.shadows, other.origin))
    sources = (*_rooted(first, first.base), *_rooted(other, first.base))
    return replace(first, sources=tuple(dict.fromkeys(sources)))


def _rooted(entry: Entry, base: Path) -> tuple[str, ...]:
    """The entry's sources as they read from another base: relative folders become absolute."""
    if entry.base == base:
        return entry.sources
    return tuple(str(entry.base / s) if s.startswith(("./", "../")) else s for s in entry.sources)


# ------------------------------------------------------------------------------------------------ parsing

_TEXT = r'"([^"\\\x00-\x08\x0a-\x1f\x7f]*)"'
_PLAIN = _TEXT.replace("(", "").replace(")", "")
_BLANK = r"(?:[ \t]*(?:#[^\x00-\x08\x0a-\x1f\x7f]*)?\n)*"
# One entry just as `format_entry` writes it. tomllib takes half a second for 10,000 entries, this a tenth.
_ENTRY = re.compile(
    rf'\[filters\.(?:"([A-Za-z0-9][A-Za-z0-9_.-]{{0,95}})"|([A-Za-z0-9][A-Za-z0-9_-]{{0,95}}))\]\n'
    rf"sources *= *\[((?:{_PLAIN}, )*{_PLAIN})\]\n"
    r'(?:manifest *= *"(sha256:[0-9a-f]{64})"\n)?' + "".join(rf"(?:{key} *= *{_TEXT}\n)?" for key in KEYS[2:]) + _BLANK
)
_START = re.compile(rf"{_BLANK}format *= *1\n{_BLANK}")


def _parse(text: str, path: Path, origin: str, base: Path) -> list[Entry]:
    plain = _parse_plain(text, origin, base)
    return _parse_toml(text, path, origin, base) if plain is None else plain


def _parse_plain(text: str, origin: str, base: Path) -> list[Entry] | None:
    """The entries of a file written as `format_entry` writes, None for any other: all of it must match."""
    start = _START.match(text)
    entries, at = [], start.end() if start else 0
    while start and (found := _ENTRY.match(text, at)):
        quoted, bare, sources, pin, backbone, cut, about, licence = found.groups()
        listed = tuple(sources[1:-1].split('", "'))
        if "" in listed:
            return None
        entries.append(
            Entry(
                name=quoted or bare,
                sources=listed,
                manifest=pin,
                backbone=backbone or "",
                cut=cut or "",
                about=about or "",
                license=licence or "",
                origin=origin,
                base=base,
            )
        )
        at = found.end()
    whole = start is not None and at == len(text) and len({entry.name for entry in entries}) == len(entries)
    return entries if whole else None


def _parse_toml(text: str, path: Path, origin: str, base: Path) -> list[Entry]:
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
    return [
        Entry(name=name, origin=origin, base=base, **{**table, "sources": tuple(table["sources"])})
        for name, table in filters.items()
    ]


def _faults_of_file(document: Mapping[str, Any], text: str) -> list[str]:
    faults = []
    version = document.get("format")
    if isinstance(version, int) and not isinstance(version, bool) and version > 1:
        return [f"line {_line_of_key(text, 'format')}: it has format {version}, made for a newer zoo"]
    if version != 1 or isinstance(version, bool):
        faults.append(f"line {_line_of_key(text, 'format')}: the first line must be `format = 1`")
    known = ("format", "filters")
    faults += [
        f"line {_line_of_key(text, key)}: there is no key {_short(key)}{_nearest(key, known)}"
        for key in document
        if key not in known
    ]
    if not isinstance(document.get("filters", {}), dict):
        faults.append(f"line {_line_of_key(text, 'filters')}: `filters` must hold tables, [filters.NAME]")
    return faults


def _faults_of_entry(name: str, table: Any, text: str) -> list[str]:
    start = _find_table(text, name)
    where = f"line {_line_at(text, start)}"
    if not NAME.fullmatch(name):
        return [f"{where}: {_short(name)} cannot be a name (letters, digits, `-`, `_` and `.`)"]
    if not isinstance(table, dict):
        return [f"{where}: {_short(name)} must be a table, [filters.NAME]"]
    faults = []
    for key, value in table.items():
        line = f"line {_line_of_key(text, key, start)}"
        if key not in KEYS:
            faults.append(f"{line}: {_short(name)} has no key {_short(key)}{_nearest(key, KEYS)}")
        elif key == "sources":
            if not (isinstance(value, list) and value and all(isinstance(source, str) and source for source in value)):
                faults.append(f"{line}: the sources of {_short(name)} must be a list of texts, not {_short(value)}")
        elif not isinstance(value, str):
            faults.append(f"{line}: {key!r} of {_short(name)} must be a text, not {_short(value)}")
        elif key == "manifest" and not PIN.fullmatch(value):
            faults.append(
                f"{line}: the manifest of {_short(name)} must be `sha256:` and 64 hex digits, not {_short(value)}"
            )
    if "sources" not in table:
        faults.append(f"{where}: {_short(name)} has no sources")
    return faults


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _nearest(key: str, valid: tuple[str, ...]) -> str:
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


# ------------------------------------------------------------------------------------------------ writing


def format_entry(entry: Entry) -> str:
    """The entry as TOML, the form that is read fastest."""
    name = entry.name if re.fullmatch(r"[A-Za-z0-9_-]+", entry.name) else f'"{entry.name}"'
    lines = [f"[filters.{name}]", f"sources  = [{', '.join(map(_quoted, entry.sources))}]"]
    for key in KEYS[1:]:
        value = getattr(entry, key)
        if value:
            lines.append(f"{key:8} = {_quoted(value)}")
    return "\n".join(lines) + "\n"


def add_entry(entry: Entry, path: Path | None = None, *, replace: bool = False) -> Path:
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
    text = path.read_text(encoding="utf-8") if path.is_file() else "format = 1\n"
    present = {old.name: old for old in _parse(text, path, "", Path())}
    old = present.get(entry.name)
    if old and old.manifest != entry.manifest and not replace:
        raise UsageError(
            f"{path} has {entry.name!r} already, with the manifest {old.manifest or 'unpinned'}. "
            f"Pass --replace, or remove it first: `zoo registry remove {entry.name}`."
        )
    if old:
        start, end = _span(text, path, entry.name)
        text = text[:start] + format_entry(entry) + text[end:]
    else:
        text = text.rstrip("\n") + "\n\n" + format_entry(entry)
    present[entry.name] = _bare(entry)
    _write_checked(text, path, present)
    return path


def remove_entry(name: str, path: Path | None = None) -> Path:
    """Take an entry out of a registry; all else stays.

    Raises:
        UnknownNameError: that registry has no such name.
        FileError: the file is broken or cannot be written.
    """
    path = path or user_registry()
    text = path.read_text(encoding="utf-8") if path.is_file() else "format = 1\n"
    present = {old.name: old for old in _parse(text, path, "", Path())}
    if name not in present:
        raise UnknownNameError(f"entry of {path}", name, present)
    start, end = _span(text, path, name)
    text = text[:start].rstrip("\n") + "\n" + text[end:]
    del present[name]
    _write_checked(text, path, present)
    return path


def _check_entry(entry: Entry) -> None:
    if not NAME.fullmatch(entry.name):
        raise UsageError(f"{entry.name!r} cannot be a name. Use letters, digits, `-`, `_` and `.`.")
    if not entry.sources or not all(entry.sources):
        raise UsageError(f"{entry.name!r} has no sources. Name one, such as hf://owner/name@revision.")
    if entry.manifest is not None and not PIN.fullmatch(entry.manifest):
        raise UsageError(f"{entry.manifest!r} is no manifest hash. Give `sha256:` and 64 hex digits.")


def _span(text: str, path: Path, name: str) -> tuple[int, int]:
    """The part of the text that is this entry's table, without the comments that precede the next table."""
    header = re.search(rf"^[ \t]*\[[ \t]*filters[ \t]*\.[ \t]*([\"']?){re.escape(name)}\1[ \t]*\]", text, re.MULTILINE)
    if header is None:
        raise _not_editable(path)
    following = re.compile(r"^[ \t]*\[", re.MULTILINE).search(text, header.end())
    end = following.start() if following else len(text)
    kept = re.search(r"(?:^[ \t]*(?:#.*)?\n)*\Z", text[header.end() : end], re.MULTILINE)
    return header.start(), header.end() + kept.start() if kept else end


def _write_checked(text: str, path: Path, expected: Mapping[str, Entry]) -> None:
    """Write the edited text, if it says just what it should; the edit is textual, the check is not."""
    try:
        said = {entry.name: entry for entry in _parse(text, path, "", Path())}
    except FileError as error:
        raise _not_editable(path) from error
    if said != dict(expected):
        raise _not_editable(path)
    write_whole(path, text)


def _bare(entry: Entry) -> Entry:
    return replace(entry, origin="", base=Path(), shadows=())


def _not_editable(path: Path) -> FileError:
    return FileError(path, "it is written in a form that cannot be edited safely", "Edit it by hand.")


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c) or (f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c) for c in text) + '"'
