"""`zoo backbones` and `zoo cuts`."""

from __future__ import annotations

import click

from zoo.cli.console import json_option, print_json, print_table, say


@click.command()
@json_option
def backbones(as_json: bool) -> None:
    """List the networks that filters can be made from, with their input size and pretrained weights."""
    from zoo.networks import backbones, find_backbone

    found = {name: find_backbone(name) for name in backbones()}
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "full_name": one.full_name,
                    "package": one.plugin.package,
                    "size": one.input.size,
                    "weights": dict(one.factory.weights(one.name)),
                }
                for name, one in found.items()
            ]
        )
        return
    print_table(
        ("name", "family", "pixels", "weights"),
        [
            (name, one.family, one.input.size, ", ".join(one.factory.weights(one.name)) or "-")
            for name, one in found.items()
        ],
        right=("pixels",),
    )
    say("Next: zoo cuts vgg16")


@click.command()
@click.argument("name")
@json_option
def cuts(name: str, as_json: bool) -> None:
    """List where the backbone NAME can be cut off, and what each cut costs.

    A cut is named by a block (block4) or by the network's node. Costs are for the network's own input size.
    """
    from dataclasses import asdict

    from zoo.networks import find_backbone

    backbone = find_backbone(name)
    found = backbone.cuts()
    if as_json:
        print_json([{**asdict(cut), "megabytes": round(cut.megabytes, 3)} for cut in found])
        return
    print_table(
        ("cut", "node", "channels", "stride", "parameters", "MB", "GFLOP"),
        [
            (c.name, c.node, c.channels, c.stride, f"{c.parameters:,}", f"{c.megabytes:.2f}", f"{c.gflop:.2f}")
            for c in found
        ],
        right=("channels", "stride", "parameters", "MB", "GFLOP"),
    )
    side = backbone.input.size
    say(f"GFLOP a picture at {side} x {side} pixels; MB of float32 weights, which is also what a fetch transfers.")
    tags = backbone.factory.weights(backbone.name)
    weights = "" if "imagenet" in tags else f" --weights {next(iter(tags), 'random')}"
    say(f"Next: zoo train DATASET --backbone {name} --cut {found[-2 if len(found) > 2 else -1].name}{weights}")
