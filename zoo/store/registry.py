"""All registries together: names -> entries.

Four kinds of file, the earlier winning: those named in `ZOO_REGISTRY`, the user's own, those of installed
packages (entry points of the group `zoo.registries`), and the core's.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from zoo.errors import PluginError, UnknownNameError, ZooError
from zoo.files import zoo_home
from zoo.plugins import GROUPS, Plugin, find_plugins, installed_plugins, normalize
from zoo.store.registry_file import FILE, KnownPackage, RegistryEntry, read_known_packages, read_registry

T = TypeVar("T")


def user_registry() -> Path:
    """Where `zoo registry add` writes."""
    return zoo_home() / FILE


def all_entries(*, problems: list[ZooError] | None = None) -> dict[str, RegistryEntry]:
    """Every name from every registry, sorted.

    Where two files give one name to the same manifest their sources are joined; where the manifests differ the
    first wins and notes the other in `shadows`.

    Args:
        problems: where given, a registry that cannot be read is added here instead of being raised.
    """
    merged: dict[str, RegistryEntry] = {}
    for found in _read_registries(read_registry, problems):
        if not merged:
            merged = found
            continue
        for name, entry in found.items():
            first = merged.get(name)
            merged[name] = entry if first is None else _merge_entries(first, entry)
    return dict(sorted(merged.items()))


def find(name: str) -> RegistryEntry:
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


def known_packages(*, problems: list[ZooError]) -> dict[str, KnownPackage]:
    """Every package of plugins that the registries name, installed or not, sorted; of one name the first.

    Args:
        problems: a registry that cannot be read is added here.
    """
    found: dict[str, KnownPackage] = {}
    for packages in _read_registries(read_known_packages, problems):
        found = {**packages, **found}
    return dict(sorted(found.items()))


def find_bringing(kind: str, name: str) -> str | None:
    """The package, not installed, that brings a plugin by what the registries say; None: no registry knows one.

    Args:
        kind: as errors name it: one of `zoo.plugins.GROUPS`, `backbone`, or `plugin` for any.
        name: `whales`, `zoo-whales:whales`, or of a backbone `family/network`.
    """
    kinds = {"backbone": ("backbones",), "plugin": tuple(GROUPS)}.get(kind, (kind,))
    package, _, short = name.rpartition(":")
    for known in known_packages(problems=[]).values() if GROUPS.keys() >= set(kinds) else ():
        names = [one for kind in kinds for one in known.brings.get(kind, ())]
        said = {short, short.partition("/")[0]} & {part for one in names for part in (one, *one.split("/"))}
        if said and package in ("", known.name) and normalize(known.name) not in installed_plugins():
            return known.name
    return None


def _read_registries(read: Callable[..., dict[str, T]], problems: list[ZooError] | None) -> Iterator[dict[str, T]]:
    for read_one in _registry_readers(read):
        try:
            yield read_one()
        except ZooError as error:
            if problems is None:
                raise
            problems.append(error)


def _registry_readers(read: Callable[..., dict[str, T]]) -> Iterator[Callable[[], dict[str, T]]]:
    """What reads each registry, not called yet."""
    for given in filter(None, os.environ.get("ZOO_REGISTRY", "").split(os.pathsep)):
        yield partial(read, Path(given).expanduser())
    if user_registry().is_file():
        yield partial(read, user_registry())
    for plugin in find_plugins("registry"):
        yield partial(_read_of_plugin, plugin, read)
    (package,) = package_folders("zoo")
    for own in (package / FILE, package.parent / FILE):  # the second in an editable install: the repository's own
        if own.is_file():
            yield partial(read, own, origin="zoo")
            return


def find_plugin_registry(plugin: Plugin) -> Path:
    """The registry.toml in the package that an entry point names.

    Raises:
        PluginError: the package has none, or asks for another version of the core.
    """
    if plugin.mismatch:
        raise PluginError(plugin.mismatch)
    for folder in package_folders(plugin.target.partition(":")[0]):
        if (folder / FILE).is_file():
            return folder / FILE
    raise plugin.fault(f"names {plugin.target!r}, which has no {FILE}")


def _read_of_plugin(plugin: Plugin, read: Callable[..., dict[str, T]]) -> dict[str, T]:
    return read(find_plugin_registry(plugin), origin=plugin.package)


def package_folders(module: str) -> list[Path]:
    """The folders of an installed package, none where it is not installed; nothing of it is imported."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    folders = (Path(folder, *inner) for folder in (spec.submodule_search_locations if spec else None) or ())
    return [folder for folder in folders if folder.is_dir()]


def distribution_of(module: str) -> str:
    """What pip calls the package of a module of ours: `zoo_filters` -> `zoo-filters`."""
    return module.partition(".")[0].replace("_", "-")


def missing_package(entry: RegistryEntry) -> str | None:
    """What has to be installed for an entry's files; None where they lie here or elsewhere."""
    modules = [one.removeprefix("package:").partition("/")[0] for one in entry.sources if one.startswith("package:")]
    if not modules or len(modules) < len(entry.sources) or any(map(package_folders, modules)):
        return None
    return distribution_of(modules[0])


def _merge_entries(first: RegistryEntry, other: RegistryEntry) -> RegistryEntry:
    if first.manifest != other.manifest:
        return replace(first, shadows=(*first.shadows, other.origin))
    sources = (*_absolute_sources(first, first.base), *_absolute_sources(other, first.base))
    return replace(first, sources=tuple(dict.fromkeys(sources)))


def _absolute_sources(entry: RegistryEntry, base: Path) -> tuple[str, ...]:
    """The entry's sources as they read from another base: relative folders become absolute."""
    if entry.base == base:
        return entry.sources
    return tuple(str(entry.base / s) if s.startswith(("./", "../")) else s for s in entry.sources)
