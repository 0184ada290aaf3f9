"""`zoo doctor`."""

from __future__ import annotations

import platform

import click

from zoo.cli.console import json_option, print_json


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """What this machine has, and what is missing."""
    from zoo.devices import describe_device, has_fast_bf16, pick_device
    from zoo.errors import ZooError
    from zoo.files import zoo_home
    from zoo.plugins import GROUPS, find_plugins
    from zoo.registry import all_entries
    from zoo.training.runs import versions

    device = pick_device()
    problems: list[ZooError] = []
    facts = {
        "system": platform.platform(),
        "device": describe_device(device),
        "fast bf16": "yes" if has_fast_bf16(device) else "no",
        "home": str(zoo_home()),
        **versions(),
        **{f"{kind} plugins": ", ".join(plugin.name for plugin in find_plugins(kind)) or "none" for kind in GROUPS},
        "filters": ", ".join(all_entries(problems=problems)) or "none; run `pip install zoo-filters`",
        "problems": "; ".join(map(str, problems)) or "none",
    }
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        click.echo(f"{key:<18}{value}")
