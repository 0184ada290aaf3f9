"""Checks of what is installed: a plugin by its entry point, a registry's file, what discovery imports."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from zoo.contracts import Backbones, Balancer, Dataset, Format, Head
from zoo.errors import PluginError, UsageError, ZooError, one_line
from zoo.files import temporary_folder
from zoo.plugins import Plugin
from zoo.store import find_plugin_registry, open_artifact_at, parse_source, read_registry, verify
from zoo.testing.checks import (
    call_plugin,
    check_backbones,
    check_command,
    check_dataset,
    check_format,
    check_own_options,
    read_sample,
    require,
)
from zoo.testing.training import check_balancer, check_head

ELSEWHERE = re.compile(r"(?:/|~|file:|[A-Za-z]:[\\/])")  # how sources begin that no other machine has
PROBE = """
import importlib, sys, time; from zoo.plugins import find_plugins
find_plugins("head")
early = {"torch", *(module.partition(".")[0] for module in sys.argv[1:])} & set(sys.modules)
import zoo.contracts; began = time.perf_counter()
[importlib.import_module(module) for module in sys.argv[1:]]; print(time.perf_counter() - began, *sorted(early))
"""


def check_plugin(plugin: Plugin, *, root: Path | None = None) -> Iterator[str]:
    """Check one installed plugin against its contract; a line for each thing that holds.

    Raises:
        PluginError: what does not hold.
    """
    if plugin.kind == "registry":
        yield from check_registry(find_plugin_registry(plugin))
        return
    made = plugin.load()
    base = {"dataset": Dataset, "head": Head, "balancer": Balancer, "format": Format}.get(plugin.kind)
    if base is not None and not (isinstance(made, type) and issubclass(made, base)):
        raise PluginError(f"{plugin.target} is no subclass of zoo.{base.__name__}.")
    if plugin.kind == "dataset" and made.family is not None:
        check_own_options(made)
        yield f"a family of datasets, {plugin.name}/NAME: {', '.join(made.family) or 'any'}"
    elif plugin.kind == "dataset":
        if made.needs_folder and root is None:
            raise UsageError(f"The dataset {plugin.name!r} needs a folder to be checked with.", "Say `root=DIR`.")
        check_own_options(made)
        with temporary_folder() as folder:
            dataset = call_plugin("making it with its defaults", made)
            yield from check_dataset(dataset, root or folder)
            yield _check_worker(dataset)
    elif base is not None:
        yield from {"head": check_head, "balancer": check_balancer, "format": check_format}[plugin.kind](made)
    elif plugin.kind == "command":
        if not isinstance(made, click.Command):
            raise PluginError(f"{plugin.target} is no click command.")
        yield from check_command(made)
    else:
        family = call_plugin("making it", made)
        if not isinstance(family, Backbones):
            raise PluginError(f"{plugin.target} is no subclass of zoo.Backbones.")
        yield from check_backbones(family)


def _check_worker(dataset: Dataset) -> str:
    """Whether a process of its own, as a loader's workers are, reads the same sample."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        what = "reading a sample in a worker process, which the dataset is pickled for,"
        there = call_plugin(what, pool.apply, read_sample, (dataset, 0))
    require(there == read_sample(dataset, 0), "sample 0 is another one in a worker process")
    return "a worker process reads the same"


def check_registry(path: Path) -> list[str]:
    """Check a registry.toml that a package brings: sources that exist elsewhere too, pins, and every file's hash.

    Sources on the network are not asked.

    Raises:
        FileError: it cannot be read.
        PluginError: filters without a pin, from a folder of this machine or outside the package, or not as promised.
    """
    entries = read_registry(path)
    verified = 0
    for entry in entries.values():
        if entry.manifest is None:
            raise PluginError(f"{path} names {entry.name!r} without a pin.", "Add its `manifest`: docs/plugins.md.")
        for text in entry.sources:
            said = f"{path} names {entry.name!r} from {text!r}, which"
            outside = text.startswith("../") and not (path.parent / text).resolve().is_relative_to(path.parent)
            if ELSEWHERE.match(text) or outside:
                raise PluginError(f"{said} is nowhere else.", "Put the folder into the package, and say ./FOLDER.")
            try:
                source = parse_source(text, base=entry.base)
                if not source.text.startswith("hf://"):
                    verify(open_artifact_at(source, entry.manifest))
                    verified += 1
            except ZooError as error:
                raise PluginError(f"{said} cannot be used: {error.problem}", error.remedy) from error
    return [f"filters: {', '.join(entries) or 'none'}", f"all pinned; {verified} on this disk verified"]


def check_start(plugins: Sequence[Plugin]) -> float:
    """Find plugins in a fresh Python, which must import neither them nor torch, and import them.

    Returns:
        The seconds that importing their modules takes, after zoo and torch. Raises PluginError.
    """
    modules = sorted({plugin.target.partition(":")[0] for plugin in plugins})
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", PROBE, *modules], env=env, capture_output=True, text=True, check=False)
    seconds, *early = (done.stdout.splitlines() or [""])[-1].split() or [""]
    if done.returncode or not seconds:
        said = one_line("".join(done.stderr.splitlines()[-1:]))[:300]
        raise PluginError(f"Importing {', '.join(modules)} ends a fresh Python: {said}.")
    require(not early, f"{', '.join(early)} is imported before any plugin is used")
    return float(seconds)
