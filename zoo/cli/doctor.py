"""`zoo doctor`."""

from __future__ import annotations

import platform

import click

from zoo.cli.console import json_option, print_facts, print_json, say
from zoo.cli.flags import in_flags
from zoo.cli.plugins import find_problem


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Report the versions, devices and plugins of this installation, and what is wrong with it."""
    from zoo.devices import describe_device, has_fast_bf16, pick_device
    from zoo.errors import PluginError, ZooError
    from zoo.files import zoo_home
    from zoo.plugins import GROUPS, find_plugins
    from zoo.store import all_entries
    from zoo.training import package_versions

    device = pick_device()
    problems: list[ZooError] = []
    facts = {
        "system": platform.platform(),
        "device": describe_device(device),
        "fast bf16": "yes" if has_fast_bf16(device) else "no",
        "home": str(zoo_home()),
        **package_versions(),
        **{f"{kind} plugins": ", ".join(plugin.name for plugin in find_plugins(kind)) or "none" for kind in GROUPS},
        "filters": ", ".join(all_entries(problems=problems)) or "none; run `pip install zoo-filters`",
    }
    found = [find_problem(plugin, load=True) for kind in GROUPS for plugin in find_plugins(kind)]
    problems += [PluginError(problem) for problem in found if problem]
    if as_json:
        print_json({**facts, "problems": [in_flags(problem) for problem in problems]})
        return
    print_facts([*facts.items(), *(("problem", in_flags(problem)) for problem in problems)])
    if not problems:
        say("No problems.")
