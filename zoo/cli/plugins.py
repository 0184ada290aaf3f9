"""`zoo plugins`: list, new, check; what installs is in `packages`."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.console import PATH, fields_of, json_option, print_json, print_table, say
from zoo.cli.flags import in_flags
from zoo.cli.main import core_commands, load_command
from zoo.cli.packages import available, freeze, install, lost_packages, remove, restore
from zoo.errors import PluginError, ZooError
from zoo.plugins import CORE, GROUPS, Plugin, find_clashing_names, find_plugins, own_range


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


for _command in (available, install, remove, freeze, restore):
    plugins.add_command(_command)


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
    columns = ("kind", "name", "package", "asks for", "problem")
    rows = [(one.kind, one.name, f"{one.package} {one.version}", one.requires, problem or "") for one, problem in found]
    shown = len(columns) if any(row[-1] for row in rows) else len(columns) - 1
    print_table(columns[:shown], [row[:shown] for row in rows])
    for package in sorted({plugin.package for plugin, _ in found if not plugin.requires} - {CORE}):
        say(f"{package} does not say which {CORE} it is made for, as `{CORE}{own_range()}` would.")
    if lost := lost_packages():
        say(f"Once here, and not any more: {', '.join(lost)}. `zoo plugins restore` brings them back.")
    if not load:
        say("Nothing was imported; `zoo plugins --load` tries each one.")


def find_problem(plugin: Plugin, *, load: bool) -> str | None:
    """What is wrong with a plugin, None where nothing is known to be; `load` tries to import it."""
    if plugin.mismatch:
        return plugin.mismatch
    if not plugin.has_module:
        return str(plugin.fault(f"names {plugin.target!r}, which is not there"))
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
@click.argument("kind", type=click.Choice([kind.removesuffix("s") for kind in GROUPS]))
@click.argument("name")
@click.option("-o", "--out", type=PATH, help="The folder to create; zoo-NAME by default.")
def new(kind: str, name: str, out: Path | None) -> None:
    """Write a small, working package with a plugin of a KIND, called NAME, to start from."""
    from zoo.testing import write_plugin

    folder = write_plugin(name, out or Path(f"zoo-{name}"), kind="backbones" if kind == "backbone" else kind)
    say(folder, out=True)
    say(f"Next: pip install -e {folder} && zoo plugins check {name}")


@plugins.command()
@click.argument("name")
@click.option("--data", "root", type=PATH, help="The folder that the dataset reads, if any.")
def check(name: str, root: Path | None) -> None:
    """Check whether the installed plugins called NAME, or those of the package NAME, do what zoo requires of them."""
    from zoo.errors import AmbiguousNameError, UnknownNameError
    from zoo.testing import check_plugin, check_start

    known = [plugin for kind in GROUPS for plugin in find_plugins(kind)]
    found = [one for one in known if name in (one.name, one.full_name, one.package)]
    if not found:
        raise UnknownNameError("plugin", name, [one.name for one in known], listing="zoo plugins")
    faulty: list[str] = []
    packages = {one.package: [other for other in found if other.package == one.package] for one in found}
    for one in found:
        if name not in (one.full_name, one.package) and one.name in find_clashing_names(one.kind):
            raise AmbiguousNameError(one.kind, name, [f"{package}:{name}" for package in packages])
        try:
            if problem := find_problem(one, load=False):
                raise PluginError(problem)
            for line in check_plugin(one, root=root):
                say(f"{one.kind} {one.name}: {line}", out=True)
        except ZooError as error:
            if len(found) == 1 or one.mismatch:  # then of the whole package, none of which is to be imported
                raise
            faulty.append(one.full_name)
            say(f"{one.kind} {one.name}: {in_flags(error)}")
    for package, plugins_of_it in packages.items():
        if package != CORE:
            seconds = check_start(plugins_of_it)
            say(f"{package}: found without being imported, nor torch; importing it takes {seconds:.2f} s beside torch.")
    if faulty:
        alone = f"Check it alone, with the folder that it reads: `zoo plugins check {faulty[0]} --data DIR`."
        raise PluginError(f"{len(faulty)} of the {len(found)} plugins do not hold: {', '.join(faulty)}.", alone)
