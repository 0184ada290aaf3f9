"""Checks of datasets, commands, formats and backbones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from zoo.contracts import (
    SPLITS,
    TARGETS,
    Backbones,
    Categories,
    Dataset,
    Format,
    Multilabel,
    PredictionTable,
    Sample,
    Target,
)
from zoo.data import targets_as_json
from zoo.errors import PluginError, ZooError, describe_cause
from zoo.files import temporary_folder
from zoo.networks import find_cuts, on_meta, truncate
from zoo.plugins import check_options, describe_options


def check_dataset(dataset: Dataset, root: Path) -> list[str]:
    """Prepare a dataset twice and read its samples; a line for each thing that holds. Raises PluginError."""
    check_own_options(type(dataset))
    call_plugin("prepare", dataset.prepare, root)
    count = len(dataset)
    require(count > 0, "there are no pictures after prepare")
    require(bool(dataset.targets), "targets is empty after prepare")
    for name, target in dataset.targets.items():
        _check_target(name, target)
    said = dict(dataset.targets), {name: list(rows) for name, rows in dataset.splits.items()}
    chosen = sorted({0, count // 2, count - 1})
    samples = [read_sample(dataset, index) for index in chosen]
    call_plugin("prepare, called again,", dataset.prepare, root)
    require(len(dataset) == count, "prepare gives another number of pictures when it is called again")
    same = said == (dict(dataset.targets), {name: list(rows) for name, rows in dataset.splits.items()})
    require(same, "prepare gives other targets or splits when it is called again")
    for index, first in zip(chosen, samples, strict=True):
        require(first == read_sample(dataset, index), f"sample {index} is another one when it is read again")
    seen: set[int] = set()
    for name, rows in dataset.splits.items():
        require(name in SPLITS, f"there is a split {name!r}, but splits are called {', '.join(SPLITS)}")
        require(not seen & set(rows), f"the split {name!r} shares pictures with another")
        require(all(0 <= row < count for row in rows), f"the split {name!r} names pictures that do not exist")
        seen |= set(rows)
    splits = ", ".join(f"{name} {len(rows)}" for name, rows in dataset.splits.items()) or "none"
    return [f"{count} pictures", f"targets: {', '.join(dataset.targets)}", f"splits: {splits}", "samples are whole"]


def read_sample(dataset: Dataset, index: int) -> tuple[bytes, str]:
    """One sample as what can be compared: its pixels, and all else as text."""
    sample = _check_sample(dataset, index)
    known = targets_as_json(sample, dataset.targets), sample.group, sample.path, dict(sample.metadata)
    return sample.image.numpy().tobytes(), repr((tuple(sample.image.shape), *known))


def _check_target(name: str, target: Target) -> None:
    require(isinstance(target, tuple(TARGETS.values())), f"the target {name!r} is a {type(target).__name__}, no target")
    if isinstance(target, (Categories, Multilabel)):
        twice = sorted({one for one in target.names if target.names.count(one) > 1})
        require(not twice, f"the target {name!r} has classes of one name: {', '.join(map(str, twice[:3]))}")


def _check_sample(dataset: Dataset, index: int) -> Sample:
    sample = call_plugin(f"reading sample {index}", dataset.__getitem__, index)
    require(isinstance(sample, Sample), f"sample {index} is a {type(sample).__name__}, no zoo.Sample")
    image = sample.image
    require(image.dtype == torch.uint8, f"the image of sample {index} is {image.dtype}, not uint8")
    is_rgb = image.ndim == 3 and image.shape[0] == 3
    require(is_rgb, f"the image of sample {index} is {tuple(image.shape)}, not (3, H, W)")
    try:
        targets_as_json(replace(sample, path=f"sample {index}"), dataset.targets)
    except PluginError as error:
        raise PluginError(f"The contract is broken: {error}", "See zoo/contracts.py.") from error
    return sample


def check_command(command: click.Command) -> list[str]:
    """Ask a command, and those of a group, for their help; a line for each thing that holds. Raises PluginError."""
    inner = list(command.commands.values()) if isinstance(command, click.Group) else []
    for one in (command, *inner):
        context = click.Context(one, info_name=one.name)
        call_plugin("asking for its help", one.get_help, context)
        require(bool(one.get_short_help_str()), f"the command {one.name!r} has no help; write a docstring")
    return ["it has help"] + [f"commands: {', '.join(str(one.name) for one in inner)}"] * bool(inner)


def check_format(factory: type[Format]) -> list[str]:
    """Let a format write a small table with its defaults; a line for each thing that holds. Raises PluginError."""
    check_own_options(factory)
    for suffix in call_plugin("reading suffixes", tuple, factory.suffixes):
        good = isinstance(suffix, str) and suffix.startswith(".") and suffix == suffix.lower()
        require(good, f"{suffix!r} is no suffix: they begin with a dot and are in lower case")
    values = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]], dtype=np.float32)
    values.setflags(write=False)
    table = PredictionTable(
        images=("a/1.png", "a/2.png", "b/ü 1.png"),
        names=("1.png", "2.png", "ü 1.png"),
        summary={"class": ("dark", "bright", "bright"), "probability": (0.75, 0.5, 1.0)},
        columns=("bright", "dark"),
        values=values,
        sizes=((32, 24),) * 3,
    )
    with temporary_folder() as folder:
        written = []
        path = folder / "predictions"
        for _ in range(2):
            path.write_bytes(b"")  # as the core does
            call_plugin("write", call_plugin("making it with its defaults", factory).write, table, path)
            written.append(path.read_bytes() if path.is_file() else b"")
        require(path.is_file() and path.stat().st_size > 0, "write leaves no file, or an empty one")
        require(written[0] == written[1], "write gives another file for the same predictions")
        left = sorted(one.name for one in folder.iterdir() if one != path)
        require(not left, f"write leaves more than the one file: {', '.join(left[:3])}")
    return [f"suffixes: {', '.join(factory.suffixes) or 'none'}", "writes three pictures, and the same again"]


def check_backbones(family: Backbones) -> list[str]:
    """Cut the first and the last network of a family; a line for each thing that holds. Raises PluginError."""
    names = list(call_plugin("names", family.names))
    require(bool(names), "the family names no networks")
    for name in dict.fromkeys((names[0], names[-1])):
        require(name in family, f"{name!r} is listed, but `in` says no")
        with on_meta():
            network, again = (call_plugin(f"building {name!r}", family.build, name) for _ in range(2))
        on_device = all(parameter.is_meta for parameter in network.parameters())
        require(on_device, f"building {name!r} on the meta device allocates parameters")
        shapes = [{key: one.shape for key, one in made.state_dict().items()} for made in (network, again)]
        require(shapes[0] == shapes[1], f"building {name!r} again gives other parameters")
        size = family.input(name).size
        given = family.cuts(name)
        cuts = list(given) if given is not None else find_cuts(network, size=size)
        require(bool(cuts), f"{name!r} has no cuts")
        with on_meta():
            part = family.truncated(name, cuts[0]) or truncate(network, cuts[0], size=size)
        strange = set(part.state_dict()) - set(network.state_dict())
        require(not strange, f"truncating {name!r} renames parameters: {sorted(strange)[:3]}")
    count = f"{len(names)} network{'s' if len(names) > 1 else ''}"
    return [count, "nothing is allocated on the meta device", "parameter names are kept"]


def call_plugin(what: str, method: Callable[..., Any], *given: Any) -> Any:
    """Call a plugin; whatever it raises, but our own errors, breaks the contract."""
    try:
        return method(*given)
    except ZooError:
        raise
    except Exception as error:  # an author's mistake may raise anything
        broken = f"The contract is broken: {what} raises {describe_cause(error)}."
        raise PluginError(broken, "See zoo/contracts.py.") from error


def require(condition: bool, fault: str) -> None:
    """Raise PluginError with the fault where a condition does not hold."""
    if not condition:
        raise PluginError(f"The contract is broken: {fault}.", "See zoo/contracts.py.")


def check_own_options(plugin: type) -> None:
    """Whether every option has a default of its own type. Raises PluginError, UsageError."""
    for option in describe_options(plugin).values():
        require(not option.required, f"the option {option.name!r} has no default")
        check_options(plugin, {option.name: option.default}, of=f"{plugin.__name__}, by its own default")
