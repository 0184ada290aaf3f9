"""The conformance kit: what plugin authors run, and a small plugin to start from.

def test_whales_keep_the_contract(tmp_path):
    assert zoo.testing.check_dataset(Whales(), tmp_path)
"""

from __future__ import annotations

import keyword
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from zoo.contracts import (
    SPLITS,
    TARGETS,
    Backbones,
    Balancer,
    Box,
    Categories,
    Dataset,
    FeatureShape,
    Format,
    Head,
    Multilabel,
    Number,
    PredictionTable,
    Sample,
    Target,
)
from zoo.data import targets_as_json
from zoo.errors import PluginError, UsageError, ZooError, describe_cause
from zoo.files import check_output, temporary_folder, write_atomically
from zoo.networks import find_cuts, on_meta, truncate
from zoo.plugins import Plugin, check_options, describe_options, own_range


def check_plugin(plugin: Plugin, *, root: Path | None = None) -> Iterator[str]:
    """Check one installed plugin against its contract; a line for each thing that holds.

    Raises:
        PluginError: what does not hold.
    """
    made = plugin.load()
    base = {"dataset": Dataset, "head": Head, "balancer": Balancer, "format": Format}.get(plugin.kind)
    if base is not None and not (isinstance(made, type) and issubclass(made, base)):
        raise PluginError(f"{plugin.target} is no subclass of zoo.{base.__name__}.")
    if plugin.kind == "dataset":
        if made.needs_folder and root is None:
            raise UsageError(f"The dataset {plugin.name!r} needs a folder to be checked with.", "Say `root=DIR`.")
        _check_options(made)
        with temporary_folder() as folder:
            yield from check_dataset(_call_plugin("making it with its defaults", made), root or folder)
    elif base is not None:
        yield from {"head": check_head, "balancer": check_balancer, "format": check_format}[plugin.kind](made)
    elif plugin.kind == "command":
        if not isinstance(made, click.Command):
            raise PluginError(f"{plugin.target} is no click command.")
        yield from check_command(made)
    else:
        family = _call_plugin("making it", made)
        if not isinstance(family, Backbones):
            raise PluginError(f"{plugin.target} is no subclass of zoo.Backbones.")
        yield from check_backbones(family)


def check_dataset(dataset: Dataset, root: Path) -> list[str]:
    """Prepare a dataset twice and read its samples; a line for each thing that holds. Raises PluginError."""
    _check_options(type(dataset))
    _call_plugin("prepare", dataset.prepare, root)
    count = len(dataset)
    _require(count > 0, "there are no pictures after prepare")
    _require(bool(dataset.targets), "targets is empty after prepare")
    for name, target in dataset.targets.items():
        _check_target(name, target)
    said = dict(dataset.targets), {name: list(rows) for name, rows in dataset.splits.items()}
    chosen = sorted({0, count // 2, count - 1})
    samples = [_check_sample(dataset, index) for index in chosen]
    _call_plugin("prepare, called again,", dataset.prepare, root)
    _require(len(dataset) == count, "prepare gives another number of pictures when it is called again")
    same = said == (dict(dataset.targets), {name: list(rows) for name, rows in dataset.splits.items()})
    _require(same, "prepare gives other targets or splits when it is called again")
    for index, first in zip(chosen, samples, strict=True):
        again = _check_sample(dataset, index)
        same = torch.equal(first.image, again.image) and (first.group, first.path) == (again.group, again.path)
        same = same and targets_as_json(first, dataset.targets) == targets_as_json(again, dataset.targets)
        _require(same, f"sample {index} is another one when it is read again")
    seen: set[int] = set()
    for name, rows in dataset.splits.items():
        _require(name in SPLITS, f"there is a split {name!r}, but splits are called {', '.join(SPLITS)}")
        _require(not seen & set(rows), f"the split {name!r} shares pictures with another")
        _require(all(0 <= row < count for row in rows), f"the split {name!r} names pictures that do not exist")
        seen |= set(rows)
    splits = ", ".join(f"{name} {len(rows)}" for name, rows in dataset.splits.items()) or "none"
    return [f"{count} pictures", f"targets: {', '.join(dataset.targets)}", f"splits: {splits}", "samples are whole"]


def _check_options(plugin: type) -> None:
    for option in describe_options(plugin).values():
        _require(not option.required, f"the option {option.name!r} has no default")
        check_options(plugin, {option.name: option.default}, of=f"{plugin.__name__}, by its own default")


def _check_target(name: str, target: Target) -> None:
    _require(
        isinstance(target, tuple(TARGETS.values())), f"the target {name!r} is a {type(target).__name__}, no target"
    )
    if isinstance(target, (Categories, Multilabel)):
        twice = sorted({one for one in target.names if target.names.count(one) > 1})
        _require(not twice, f"the target {name!r} has classes of one name: {', '.join(map(str, twice[:3]))}")


def _check_sample(dataset: Dataset, index: int) -> Sample:
    sample = _call_plugin(f"reading sample {index}", dataset.__getitem__, index)
    _require(isinstance(sample, Sample), f"sample {index} is a {type(sample).__name__}, no zoo.Sample")
    image = sample.image
    _require(image.dtype == torch.uint8, f"the image of sample {index} is {image.dtype}, not uint8")
    _require(
        image.ndim == 3 and image.shape[0] == 3, f"the image of sample {index} is {tuple(image.shape)}, not (3, H, W)"
    )
    try:
        targets_as_json(replace(sample, path=f"sample {index}"), dataset.targets)
    except PluginError as error:
        raise PluginError(f"The contract is broken: {error}", "See zoo/contracts.py.") from error
    return sample


def check_head(factory: type[Head]) -> list[str]:
    """Build a head with its defaults, train it on random features, let it predict; a line for each thing that holds."""
    _require(factory.learns in TARGETS.values(), f"learns is {factory.learns!r}, no kind of target")
    _check_options(factory)
    shape = FeatureShape(channels=8, height=5, width=6)
    target, values = _example(factory.learns)
    head = _call_plugin("building it with its defaults", factory, shape, target)
    features = torch.randn(6, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    reduced = _call_plugin("reduce", head.reduce, features)
    _require(len(reduced) == 6, "reduce does not keep one row a picture")
    output = _call_plugin("forward", head, reduced)
    answer = _call_plugin("predict", head.eval().predict, output.detach())
    head.train()
    expected = {Box: (6, 4), Number: (6,)}.get(factory.learns, (6, 3))
    with_presence = factory.learns is Box and answer.shape == (6, 5)
    squeeze = "; squeeze(1) it" * (answer.shape == (6, 1))
    right = answer.shape == expected or with_presence
    _require(right, f"predict gives {tuple(answer.shape)} where {expected} is due{squeeze}")
    with warnings.catch_warnings():  # torch compares (6, 1) with (6,) as (6, 6), and only warns
        warnings.filterwarnings("error", message="Using a target size")
        what = f"loss, given an output {tuple(output.shape)} and a target {tuple(values.shape)},"
        loss = _call_plugin(what, head.loss, output, values)
    _require(loss.ndim == 0 and bool(torch.isfinite(loss)), "loss is no finite scalar")
    loss.backward()
    _require(
        all(parameter.grad is not None for parameter in head.parameters() if parameter.requires_grad),
        "some parameters get no gradient",
    )
    metrics = _call_plugin("metrics", head.metrics)
    _call_plugin("updating the metrics", metrics.update, answer, values)
    names = list(_call_plugin("computing the metrics", metrics.compute))
    _require(bool(names), "metrics is empty")
    _require(
        factory.watch in ("", *names), f"watch is {factory.watch!r}, which is none of the metrics: {', '.join(names)}"
    )
    return [f"learns {factory.learns.__name__}", "loss and gradients are finite", f"metrics: {', '.join(names)}"]


def check_balancer(factory: type[Balancer]) -> list[str]:
    """Let a balancer make a step of two heads on shared features; a line for each thing that holds."""
    balancer = _call_plugin("building it", factory, {"a": 1.0, "b": 0.5})
    shared = torch.nn.Parameter(torch.ones(3))
    heads = {name: torch.nn.Parameter(torch.full((3,), aim)) for name, aim in (("a", 0.3), ("b", -0.2))}
    features = (shared * 2)[None, :, None, None]
    losses = {name: (features.flatten() * head - 1).square().mean() for name, head in heads.items()}
    for chosen in (losses, {"a": losses["a"]}):
        combined = _call_plugin("combine", balancer.combine, chosen)
        _require(combined.ndim == 0 and bool(torch.isfinite(combined)), "combine gives no finite scalar")
    _call_plugin("backward", balancer.backward, losses, features, [shared])
    graded = [shared, *heads.values(), *balancer.parameters()]
    whole = all(one.grad is not None and bool(one.grad.isfinite().all()) for one in graded)
    _require(whole, "backward leaves a shared parameter, a head's or its own without a finite gradient")
    return ["combines two losses, or one", "all gradients are there and finite"]


def check_command(command: click.Command) -> list[str]:
    """Ask a command, and those of a group, for their help; a line for each thing that holds. Raises PluginError."""
    inner = list(command.commands.values()) if isinstance(command, click.Group) else []
    for one in (command, *inner):
        context = click.Context(one, info_name=one.name)
        _call_plugin("asking for its help", one.get_help, context)
        _require(bool(one.get_short_help_str()), f"the command {one.name!r} has no help; write a docstring")
    return ["it has help"] + [f"commands: {', '.join(str(one.name) for one in inner)}"] * bool(inner)


def check_format(factory: type[Format]) -> list[str]:
    """Let a format write a small table with its defaults; a line for each thing that holds. Raises PluginError."""
    _check_options(factory)
    for suffix in _call_plugin("reading suffixes", tuple, factory.suffixes):
        good = isinstance(suffix, str) and suffix.startswith(".") and suffix == suffix.lower()
        _require(good, f"{suffix!r} is no suffix: they begin with a dot and are in lower case")
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
        path = folder / "predictions"
        path.touch()  # as the core does
        _call_plugin("write", _call_plugin("making it with its defaults", factory).write, table, path)
        _require(path.is_file() and path.stat().st_size > 0, "write leaves no file, or an empty one")
        left = sorted(one.name for one in folder.iterdir() if one != path)
        _require(not left, f"write leaves more than the one file: {', '.join(left[:3])}")
    return [f"suffixes: {', '.join(factory.suffixes) or 'none'}", "writes three pictures"]


def _example(kind: type[Target]) -> tuple[Target, torch.Tensor]:
    if kind is Categories:
        return Categories(("a", "b", "c")), torch.tensor([0, 1, 2, 0, 1, 2])
    if kind is Box:
        return Box(), torch.tensor([[0.1, 0.1, 0.6, 0.7]] * 6)
    if kind is Multilabel:
        return Multilabel(("a", "b", "c")), torch.eye(3).repeat(2, 1)
    return Number("m"), torch.linspace(0, 1, 6)


def check_backbones(family: Backbones) -> list[str]:
    """Cut the first and the last network of a family; a line for each thing that holds. Raises PluginError."""
    names = list(_call_plugin("names", family.names))
    _require(bool(names), "the family names no networks")
    for name in dict.fromkeys((names[0], names[-1])):
        _require(name in family, f"{name!r} is listed, but `in` says no")
        with on_meta():
            network = _call_plugin(f"building {name!r}", family.build, name)
        _require(
            all(parameter.is_meta for parameter in network.parameters()),
            f"building {name!r} on the meta device allocates parameters",
        )
        size = family.input(name).size
        given = family.cuts(name)
        cuts = list(given) if given is not None else find_cuts(network, size=size)
        _require(bool(cuts), f"{name!r} has no cuts")
        with on_meta():
            part = family.truncated(name, cuts[0]) or truncate(network, cuts[0], size=size)
        strange = set(part.state_dict()) - set(network.state_dict())
        _require(not strange, f"truncating {name!r} renames parameters: {sorted(strange)[:3]}")
    count = f"{len(names)} network{'s' if len(names) > 1 else ''}"
    return [count, "nothing is allocated on the meta device", "parameter names are kept"]


def _call_plugin(what: str, method: Callable[..., Any], *given: Any) -> Any:
    """Call a plugin; whatever it raises, but our own errors, breaks the contract."""
    try:
        return method(*given)
    except ZooError:
        raise
    except Exception as error:  # an author's mistake may raise anything
        raise PluginError(
            f"The contract is broken: {what} raises {describe_cause(error)}.", "See zoo/contracts.py."
        ) from error


def _require(condition: bool, fault: str) -> None:
    if not condition:
        raise PluginError(f"The contract is broken: {fault}.", "See zoo/contracts.py.")


# ------------------------------------------------------------------------------------------------ a first plugin


def write_plugin(name: str, folder: Path) -> Path:
    """Write a small, working plugin package: a dataset that draws its pictures, and its pyproject.toml.

    Args:
        name: of the dataset, lower-case letters, digits and dashes.
        folder: must not exist.

    Raises:
        UsageError: the name cannot be one.
        FileError: the folder is taken.
    """
    module = f"zoo_{name.replace('-', '_')}"
    title = "".join(word.capitalize() for word in name.split("-"))
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(title):
        raise UsageError(
            f"A plugin cannot be called {name!r}.", "Use lower-case letters, digits and dashes, such as whale-calls."
        )
    check_output(folder, overwrite=None, folder=True, argument="folder")
    for file, template in (("pyproject.toml", "pyproject.toml.txt"), (f"{module}.py", "dataset.py.txt")):
        text = files("zoo.plugins").joinpath("templates", template).read_text(encoding="utf-8")
        write_atomically(folder / file, text.format(name=name, module=module, title=title, core=own_range()))
    return folder
