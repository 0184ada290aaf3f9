"""Entry points -> plugins, lazily: discovery reads metadata only, a module is imported when it is used.

A plugin is a class that a pip package announces under one of the groups below. Listing them imports none,
so that a broken one harms nobody but its users.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

from zoo.errors import AmbiguousNameError, PluginError, UnknownNameError

CORE = "filterzoo"
GROUPS = {
    "backbones": "zoo.backbones",
    "dataset": "zoo.datasets",
    "head": "zoo.heads",
    "balancer": "zoo.balancers",
    "registry": "zoo.registries",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point, not imported yet."""

    kind: str  # "dataset"
    name: str  # "plankton"
    package: str  # the distribution, "zoo-plankton"
    version: str
    target: str  # "zoo_plankton:Plankton"

    @property
    def full_name(self) -> str:
        """The name that is never ambiguous, `package:name`."""
        return f"{self.package}:{self.name}"

    def load(self) -> Any:
        """Import the plugin and give back what it names.

        Raises:
            PluginError: its module does not import, or has no such attribute.
        """
        try:
            return EntryPoint(self.name, self.target, GROUPS[self.kind]).load()
        except (Exception, SystemExit) as error:  # a plugin may raise anything while it is imported
            cause = " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(".")
            raise PluginError(
                f"The {self.kind} {self.name!r} of the package {self.package} does not import: {cause}.",
                f"Run `pip install --upgrade {self.package}` or uninstall it.",
            ) from error


@cache
def _installed() -> EntryPoints:
    """Our groups' entry points. Asking for a group reads the metadata of every installed package: once for all."""
    points = entry_points()
    return EntryPoints(point for group in GROUPS.values() for point in points.select(group=group))


@cache
def _discovered(group: str) -> tuple[Plugin, ...]:
    kind = next(kind for kind, name in GROUPS.items() if name == group)
    found: dict[tuple[str, str], Plugin] = {}
    for point in _installed().select(group=group):
        package = (point.dist and point.dist.name) or "unknown"  # what pip left of a package may have no name
        version = (point.dist and point.dist.version) or "0"
        plugin = Plugin(kind=kind, name=point.name, package=package, version=version, target=point.value)
        found.setdefault((package, point.name), plugin)
    return tuple(sorted(found.values(), key=lambda plugin: (plugin.package != CORE, plugin.name, plugin.package)))


def find_plugins(kind: str) -> Sequence[Plugin]:
    """All installed plugins of a kind, the core's own first; imports none of them.

    Args:
        kind: `backbones`, `dataset`, `head`, `balancer` or `registry`.
    """
    return _discovered(GROUPS[kind])


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


def clashing_names(kind: str) -> set[str]:
    """The short names that several packages claim."""
    names = [plugin.name for plugin in find_plugins(kind)]
    return {name for name in names if names.count(name) > 1}


def forget_plugins() -> None:
    """Look again at the next call (after packages were installed while the program runs)."""
    _installed.cache_clear()
    _discovered.cache_clear()
    importlib.invalidate_caches()
