"""Entry points -> plugins, lazily: discovery reads metadata only, a module is imported when it is used.

A plugin is what a pip package announces under one of the groups below. Listing them imports none, so that a broken
one harms nobody but its users. The metadata are read here and not by importlib.metadata, whose import alone costs
more than `zoo --help` does.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from zoo import __version__
from zoo.errors import AmbiguousNameError, PluginError, UnknownNameError, describe_cause

CORE = "filterzoo"
GROUPS: dict[str, str] = {
    "backbones": "zoo.backbones",
    "dataset": "zoo.datasets",
    "head": "zoo.heads",
    "balancer": "zoo.balancers",
    "registry": "zoo.registries",
    "command": "zoo.commands",
    "format": "zoo.formats",
}
PACKAGE_PATTERN: re.Pattern[str] = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
REQUIREMENT = re.compile(CORE + r"\s*(?:\[[^\]]*\])?\s*\(?\s*([<>=!~][^();]*?)\s*\)?\s*", re.IGNORECASE)
SPECIFIER = re.compile(r"\s*([<>=!~]+)\s*v?(\d{1,9}(?:\.\d{1,9})*)(?!\.?\d)(\.\*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point, not imported yet."""

    kind: str  # "dataset"
    name: str  # "plankton"
    package: str  # the distribution, "zoo-plankton"
    version: str
    target: str  # "zoo_plankton:Plankton"
    summary: str = ""  # the summary in the package's metadata
    requires: str = ""  # the versions of the core that the package requires, ">=0.2,<0.3"; empty: none named

    @property
    def full_name(self) -> str:
        """The name that is never ambiguous, `package:name`."""
        return f"{self.package}:{self.name}"

    @property
    def mismatch(self) -> str | None:
        """A line with the remedy where the package requires another version of the core than this one."""
        if self.package == CORE or fits(self.requires, __version__):
            return None
        return (
            f"The package {self.package} {self.version} asks for {CORE} {self.requires}, and this is {__version__}. "
            f"{self._remedy}"
        )

    @property
    def has_module(self) -> bool:
        """Whether the package of its target is there; nothing of it is imported."""
        try:
            return importlib.util.find_spec(self.target.partition(":")[0].partition(".")[0]) is not None
        except (ImportError, ValueError):
            return False

    def fault(self, problem: str) -> PluginError:
        """The error that says what is wrong with it, with the remedy; `problem` goes on after its name."""
        return PluginError(f"The {self.kind} {self.name!r} of the package {self.package} {problem}.", self._remedy)

    @property
    def _remedy(self) -> str:
        return f"Run `pip install --upgrade {self.package}` or uninstall it."

    def load(self) -> Any:
        """Import the plugin and give back what it names.

        Raises:
            PluginError: it requires another version of the core and was not imported, its module does not import, or
                has no such attribute.
        """
        if self.mismatch:
            raise PluginError(self.mismatch)
        from importlib.metadata import EntryPoint

        try:
            return EntryPoint(self.name, self.target, GROUPS[self.kind]).load()
        except (Exception, SystemExit) as error:  # a plugin may raise anything while it is imported
            raise self.fault(f"does not import: {describe_cause(error)}") from error


def own_range() -> str:
    """The versions of the core that have this one's contract, `>=0.2,<0.3`: what a new plugin requires."""
    major, minor = __version__.split(".")[:2]
    return f">={major}.{minor},<{major}.{int(minor) + 1}"


def fits(requires: str, version: str) -> bool:
    """Whether a version is one of `>=0.2,<0.3`, by its numbers alone.

    A pre-release counts as the release that it leads to: 0.3.0rc1 has the contract of 0.3, and 0.2.0.dev1 that of 0.2.
    """

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")))

    def padded(some: tuple[int, ...]) -> tuple[int, ...]:
        return (*some, *[0] * 8)[:8]

    leading = re.match(r"\d+(\.\d+)*", version)
    here = padded(numbers(leading[0] if leading else "0"))
    for found in map(SPECIFIER.match, filter(None, requires.split(","))):
        if found is None:
            continue  # not a form that we read: pip has checked it
        sign, digits, star = found.groups()
        asked = numbers(digits)
        bound = padded(asked)
        equal = here[: len(asked)] == asked if star else here == bound
        holds = {
            ">=": here >= bound,
            ">": here > bound,
            "<=": here <= bound,
            "<": here < bound,
            "!=": not equal,
            "~=": here >= bound and here[: len(asked) - 1] == asked[:-1],
        }
        if not holds.get(sign, equal):
            return False
    return True


@cache
def _discovered() -> Mapping[str, tuple[Plugin, ...]]:
    """By kind. This reads the entry points of every installed package: once for all."""
    kinds = {group: kind for kind, group in GROUPS.items()}
    found: dict[tuple[str, str, str], Plugin] = {}
    for info, points in _announcing():
        facts = _facts(info)
        for group, name, target in _parsed(points):
            if group in kinds:
                plugin = Plugin(kind=kinds[group], name=name, target=target, **facts)
                found.setdefault((plugin.kind, plugin.package, name), plugin)
    ordered = sorted(found.values(), key=lambda plugin: (plugin.package != CORE, plugin.name, plugin.package))
    return {kind: tuple(plugin for plugin in ordered if plugin.kind == kind) for kind in GROUPS}


def _announcing() -> Iterator[tuple[Path, str]]:
    """Metadata folders that announce something of ours, with their entry points; of a package the first on the path."""
    seen = set()
    for place in sys.path:
        try:
            found = [(entry.name, entry.path) for entry in os.scandir(place or ".")]
        except OSError:
            continue  # not there, or no folder
        for name, path in found:
            stem, _, kind = name.rpartition(".")
            package = stem.partition("-")[0].lower().replace(".", "_")
            if kind not in ("dist-info", "egg-info") or package in seen:
                continue
            seen.add(package)
            points = _read(Path(path, "entry_points.txt"))
            if "[zoo." in points:
                yield Path(path), points


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _parsed(points: str) -> Iterator[tuple[str, str, str]]:
    """Group, name and target of each line of an entry_points.txt."""
    group = ""
    for line in map(str.strip, points.splitlines()):
        if line.startswith("["):
            group = line.strip("[] ")
        elif "=" in line and line[0] not in "#;":
            name, _, target = line.partition("=")
            yield group, name.strip(), target.strip()


def _facts(info: Path) -> dict[str, str]:
    """A package's name, version, summary, and the version of the core that it requires (markers aside)."""
    header = (_read(info / "METADATA") or _read(info / "PKG-INFO")).partition("\n\n")[0]
    pairs = [(key.lower(), value.strip()) for key, _, value in (line.partition(":") for line in header.splitlines())]
    told = dict(reversed(pairs))
    asked = (REQUIREMENT.fullmatch(value) for key, value in pairs if key == "requires-dist")
    return {
        "package": told.get("name") or "unknown",  # what pip left of a package may have no name
        "version": told.get("version") or "0",
        "summary": told.get("summary", ""),
        "requires": ",".join(found[1].replace(" ", "") for found in asked if found),
    }


def find_plugins(kind: str) -> Sequence[Plugin]:
    """All installed plugins of a kind, the core's own first; imports none of them.

    Args:
        kind: one of `GROUPS`: `backbones`, `dataset`, `head`, `balancer`, `registry`, `command` or `format`.
    """
    return _discovered()[kind]


def find_plugin(kind: str, name: str) -> Plugin:
    """The plugin of that name, or of that `package:name`.

    Raises:
        UnknownNameError: there is none.
        AmbiguousNameError: several packages have one; the message says how to name each.
    """
    plugins = find_plugins(kind)
    if ":" in name:
        matches = [plugin for plugin in plugins if plugin.full_name == name]
    else:
        matches = [plugin for plugin in plugins if plugin.name == name]
    if len(matches) > 1:
        raise AmbiguousNameError(kind, name, [plugin.full_name for plugin in matches])
    if not matches:
        known = [plugin.full_name if ":" in name else plugin.name for plugin in plugins]
        raise UnknownNameError(kind, name, known, listing="zoo plugins")
    return matches[0]


def find_clashing_names(kind: str) -> set[str]:
    """The short names that several packages claim."""
    return {name for name, count in Counter(plugin.name for plugin in find_plugins(kind)).items() if count > 1}


def normalize(name: str) -> str:
    """A package's name as all its spellings are compared: `Zoo_Whales` is `zoo-whales`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_plugins() -> dict[str, str]:
    """What each installed package announces, `0.1.0, dataset whales`, by its normalized name."""
    found: dict[str, str] = {}
    for plugin in (one for kind in GROUPS for one in find_plugins(kind)):
        name = normalize(plugin.package)
        found[name] = f"{found.get(name, plugin.version)}, {plugin.kind} {plugin.name}"
    return found


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed, by name; `python` is the interpreter."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in filter(None, packages):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = platform.python_version() if package == "python" else version(package)
    return found


def clear_plugin_cache() -> None:
    """Clear the cache of discovered plugins (after packages were installed while the program runs)."""
    _discovered.cache_clear()
    importlib.invalidate_caches()
