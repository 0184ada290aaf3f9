"""`zoo data`: list and make; a package checks."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from zoo.cli.console import PATH, json_option, parse_pairs, print_json, progress_bars, say
from zoo.cli.flags import in_flags
from zoo.cli.main import OpenGroup
from zoo.errors import PluginError, UsageError
from zoo.files import check_output


@click.group(cls=OpenGroup)
def data() -> None:
    """List, make and check datasets."""


@data.command("list")
@json_option
def list_datasets(as_json: bool) -> None:
    """List the installed datasets, with their options (for --set)."""
    from zoo.plugins import describe_options, find_plugins

    rows = []
    for plugin in find_plugins("dataset"):
        try:
            factory = plugin.load()
            options = ", ".join(str(option) for option in describe_options(factory).values()) or "-"
            about = (factory.__doc__ or "").strip().splitlines()[0]
            if (family := getattr(factory, "family", None)) is not None:
                about += f" {plugin.name}/NAME: {', '.join(family) or 'any'}."
        except PluginError as error:
            options, about = "-", in_flags(error)
        rows.append((plugin.name, plugin.package, about, options))
    if as_json:
        print_json([dict(zip(("name", "package", "about", "options"), row, strict=True)) for row in rows])
        return
    for name, package, about, options in rows:
        say(f"{name}  ({package})", f"    {about}", f"    options: {options}", out=True)


@data.command()
@click.argument("name")
@click.option("-o", "--out", "--data", "out", type=PATH, required=True, help="The folder to write into.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the dataset (`zoo data list` names them). Repeatable.",
)
def make(name: str, out: Path, settings: tuple[str, ...]) -> None:
    """Generate, unpack or download the dataset NAME into a folder.

    \b
    zoo data make plankton -o plankton/
    zoo data make torchvision/FashionMNIST -o fashion/
    """
    from zoo.data import find_dataset
    from zoo.plugins import check_options

    _, factory, members = find_dataset(name)
    if factory.needs_folder:
        raise UsageError(
            f"The dataset {name!r} reads your own pictures, there is nothing to make. "
            f"Run `zoo data check {name} --data DIR`."
        )
    options = check_options(factory, parse_pairs(settings, option="--set"), of=f"the dataset {name!r}")
    dataset = factory(*members, **options)
    check_output(out, overwrite=True, folder=True)  # what is there of the dataset stays, and is completed
    with progress_bars() as progress:
        dataset.download(out, progress)
        dataset.prepare(out, progress)
    filled = out.is_dir() and any(out.iterdir())
    say(f"{len(dataset)} pictures in {out}" if filled else f"{name} brings its {len(dataset)} pictures along.")
    again = "".join(f" --set {shlex.quote(one)}" for one in settings)
    where = f" --data {shlex.quote(str(out))}" if filled else ""
    say(f"Next: zoo train {name}{where}{again} --backbone vgg16 --cut block4 --weights random")
