"""`zoo plugins`: list, new, check."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.console import PATH, fields_of, json_option, print_json, print_table, say
from zoo.cli.flags import in_flags
from zoo.cli.main import core_commands, load_command
from zoo.errors import PluginError, ZooError
from zoo.plugins import CORE, GROUPS, Plugin, find_clashing_names, find_plugin, find_plugins, own_range


@click.group(invoke_without_command=True)
@click.option("--load", is_flag=True, help="Import every plugin, and report those that fail.")
@json_option
@click.pass_context
def plugins(ctx: click.Context, load: bool, as_json: bool) -> None:
    """List the plugins of installed packages: datasets, heads, backbones, balancers, commands, formats, registries.

    Listing does not import them. docs/plugins.md says how to write one.
    """
    if ctx.invoked_subcommand is None:
        _list(load=load, as_json=as_json)


@plugins.command("list")
@click.option("--load", is_flag=True, help="Import every plugin, and report those that fail.")
@json_option
def list_plugins(load: bool, as_json: bool) -> None:
    """List plugins, as `zoo plugins` does."""
    _list(load=load, as_json=as_json)


def _list(*, load: bool, as_json: bool) -> None:
    found = [(plugin, find_problem(plugin, load=load)) for kind in GROUPS for plugin in find_plugins(kind)]
    if as_json:
        print_json(
            [
                {
                    **fields_of(plugin, "kind", "name", "package", "version", "target"),
                    "requires": plugin.requires or None,
                    "problem": problem,
                }
                for plugin, problem in found
            ]
        )
        return
    rows = [(one.kind, one.name, f"{one.package} {one.version}", problem or "") for one, problem in found]
    if any(row[3] for row in rows):
        print_table(("kind", "name", "package", "problem"), rows)
    else:
        print_table(("kind", "name", "package"), [row[:3] for row in rows])
    for package in sorted({plugin.package for plugin, _ in found if not plugin.requires} - {CORE}):
        say(f"{package} does not say which {CORE} it is made for, as `{CORE}{own_range()}` would.")
    if not load:
        say("Nothing was imported; `zoo plugins --load` tries each one.")


def find_problem(plugin: Plugin, *, load: bool) -> str | None:
    """What is wrong with a plugin, None where nothing is known to be; `load` tries to import it."""
    if plugin.mismatch:
        return plugin.mismatch
    if load and plugin.kind != "registry":
        try:
            load_command(plugin) if plugin.kind == "command" else plugin.load()
        except PluginError as error:
            return in_flags(error)
    if plugin.kind == "command" and plugin.name in core_commands():
        return f"zoo has a command {plugin.name!r} of its own, which goes before; say {plugin.full_name}."
    if plugin.name in find_clashing_names(plugin.kind):
        return f"Several packages have a {plugin.kind} called {plugin.name!r}; say {plugin.full_name}."
    return None


@plugins.command()
@click.argument("name")
@click.option("-o", "--out", type=PATH, help="The folder to create; zoo-NAME by default.")
def new(name: str, out: Path | None) -> None:
    """Write a small, working plugin package (a dataset) called NAME to start from."""
    from zoo.testing import write_plugin

    folder = write_plugin(name, out or Path(f"zoo-{name}"))
    say(folder, out=True)
    say(f"Next: pip install -e {folder} && zoo plugins check {name}")


@plugins.command()
@click.argument("name")
@click.option("--data", "root", type=PATH, help="The folder that the dataset reads, if any.")
def check(name: str, root: Path | None) -> None:
    """Check whether the installed plugins called NAME do what zoo requires of their kind."""
    from zoo.errors import UnknownNameError
    from zoo.testing import check_plugin

    checked = 0
    for kind in GROUPS:
        try:
            plugin = find_plugin(kind, name)
        except UnknownNameError:
            continue
        if problem := find_problem(plugin, load=False):
            raise PluginError(problem)
        lines = _check_registry(plugin) if kind == "registry" else check_plugin(plugin, root=root)
        for line in lines:
            say(f"{kind} {name}: {line}", out=True)
        checked += 1
    if not checked:
        known = [plugin.name for kind in GROUPS for plugin in find_plugins(kind)]
        raise UnknownNameError("plugin", name, known, listing="zoo plugins")


def _check_registry(plugin: Plugin) -> list[str]:
    """Whether a package's registry.toml can be read, and what it names on this disk. Raises ZooError."""
    from zoo.store import open_artifact_at, parse_source, read_plugin_registry

    entries = read_plugin_registry(plugin)
    for entry in entries.values():
        for text in entry.sources:
            try:
                source = parse_source(text, base=entry.base)
                if not source.text.startswith("hf://"):  # the network is not asked
                    open_artifact_at(source, entry.manifest)
            except ZooError as error:
                raise plugin.fault(
                    f"names {entry.name!r} from {text!r}, which cannot be used: {error.problem.rstrip('.')}"
                ) from error
    return [f"filters: {', '.join(entries) or 'none'}"]
