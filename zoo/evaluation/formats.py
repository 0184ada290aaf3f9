"""Formats of predictions: found by name or by a file's suffix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.contracts import Format, PredictionTable
from zoo.errors import AmbiguousNameError, PluginError, UnknownNameError, UsageError, ZooError, describe_cause, one_line
from zoo.files import atomic_write
from zoo.plugins import CORE, Plugin, check_options, find_plugin, find_plugins

_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFormat:
    """A format, made with its options."""

    plugin: Plugin
    format: Format

    def write(self, predictions: PredictionTable, path: Path) -> None:
        """Write a file, which is there whole or not at all.

        Raises:
            FileError: the disk is full, or the folder cannot be written.
            PluginError: the format breaks.
        """
        with atomic_write(path) as part:
            try:
                self.format.write(predictions, part)
            except (ZooError, OSError):
                raise
            except Exception as error:  # a plugin may raise anything
                raise PluginError(
                    f"{path}: the format {self.plugin.name!r} of the package {self.plugin.package} cannot write it: "
                    f"{describe_cause(error)}.",
                    "Choose another format.",
                ) from error


def open_format(name: str | None, path: Path | None = None, options: Mapping[str, Any] | None = None) -> OpenFormat:
    """The format of that name, or else the one for a file's suffix, made with options.

    Args:
        name: a plugin's, or `package:name`; None: by the suffix, the core's formats before those of packages.
        path: the file that is to be written; without a name and without a file it is `csv`.
        options: the format's own.

    Raises:
        UsageError: no format has that suffix, or an option is none of the format's.
        UnknownNameError: none has that name.
        AmbiguousNameError: several packages have the name, or the suffix.
        PluginError: the format is broken, or might be the one and does not import.
    """
    if name is None and path is not None:
        plugin = _by_suffix(path)
    else:
        name = name or "csv"
        try:
            plugin = find_plugin("format", name)
        except UnknownNameError as error:
            raise UnknownNameError("format", name, [one.name for one in find_plugins("format")]) from error
    factory = _maker(plugin)
    checked = check_options(factory, options or {}, of=f"the format {plugin.name!r}")
    return OpenFormat(plugin=plugin, format=factory(**checked))


def for_spreadsheet(predictions: PredictionTable) -> PredictionTable:
    """The table with texts that neither steer a terminal nor are taken for formulas: `=1+1` is `'=1+1`, -0.5 stays."""
    summary: dict[str, tuple[str | float, ...]] = {}
    for name, cells in predictions.summary.items():
        title = _as_cell(name)
        while title in summary:  # two that read alike now
            title += "_"
        summary[title] = tuple(_as_cell(cell) if isinstance(cell, str) else cell for cell in cells)
    names, columns = (tuple(map(_as_cell, texts)) for texts in (predictions.names, predictions.columns))
    return replace(predictions, names=names, columns=columns, summary=summary)


def find_class_head(predictions: PredictionTable, *, of: str) -> str:
    """What the columns of the one head that names a class begin with: nothing, or its name and a colon.

    Args:
        predictions: of any heads.
        of: what asks for a class, `EcoTaxa`.

    Raises:
        UsageError: no head names a class, or several do.
    """
    titles = [title for title in predictions.summary if title == "class" or title.endswith(":class")]
    starts = [title.removesuffix("class") for title in titles if title != "table:class"]
    starts = [start for start in starts if start] or starts  # beside several heads' a plain `class` is a table's too
    if not starts:
        raise UsageError(f"These predictions name no class, and {of} takes one.", "Choose another format.")
    if len(starts) > 1:
        heads = ", ".join(start.rstrip(":") for start in starts)
        raise UsageError(f"Several heads name a class: {heads}.", "Say whose is written, `head=NAME`.")
    return starts[0]


def _as_cell(said: str) -> str:
    text = one_line(said)
    is_formula = text.lstrip().startswith(("=", "+", "-", "@")) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def _by_suffix(path: Path) -> Plugin:
    found: list[tuple[Plugin, type[Format]]] = []
    broken: list[PluginError] = []
    for plugin in find_plugins("format"):  # the core's first
        try:
            found.append((plugin, _maker(plugin)))
        except PluginError as error:
            broken.append(error)
            continue
        if plugin.package == CORE and _ends(path, found[-1][1]):
            return plugin
    fitting = [plugin for plugin, factory in found if _ends(path, factory)]
    if len(fitting) > 1:
        raise AmbiguousNameError("format", path.suffix, [plugin.full_name for plugin in fitting])
    if not fitting and broken:
        raise broken[0]
    if not fitting:
        listed = ", ".join(_described(found))
        raise UsageError(f"{path}: no format has that suffix. There is {listed}.", "Name the file so, or the format.")
    return fitting[0]


def _maker(plugin: Plugin) -> type[Format]:
    factory = plugin.load()
    if not (isinstance(factory, type) and issubclass(factory, Format)):
        raise plugin.fault("is no zoo.Format")
    return factory


def _ends(path: Path, factory: type[Format]) -> bool:
    return any(path.name.lower().endswith(suffix) for suffix in factory.suffixes)


def _described(found: list[tuple[Plugin, type[Format]]]) -> Iterator[str]:
    for plugin, factory in found:
        yield f"{plugin.name} ({' '.join(factory.suffixes)})" if factory.suffixes else plugin.name
