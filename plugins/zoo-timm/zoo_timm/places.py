"""Where timm's networks are cut: at the features that timm itself describes in `feature_info`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

import zoo
from zoo.errors import UnknownNameError, ZooError
from zoo.networks import find_cuts
from zoo_timm.taps import can_be_tapped, tapped_parameters

LAST = "final"  # the cut before the classifier's pooling
TAP = "tap:"  # before the feature's index, in the node of a cut that timm's own taps give


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One of a network's features, as timm describes it."""

    module: str  # whose output it is, "stages.2"
    channels: int
    reduction: int  # input pixels per cell


def places_of(network: nn.Module) -> list[Place]:
    """The network's features from the shallowest to the deepest; none where timm describes none."""
    given: Any = getattr(network, "feature_info", None) or ()
    entries = getattr(given, "info", given)
    if isinstance(entries, dict) or any(
        "module" not in one or one.get("hook_type") == "forward_pre" for one in entries
    ):
        return []
    return [Place(module=one["module"], channels=one["num_chs"], reduction=one["reduction"]) for one in entries]


def find_places(network: nn.Module, *, size: int) -> list[zoo.Cut] | None:
    """The network's cuts, `block1` to `blockN` where timm's features are, and `final` before the pooling.

    Args:
        network: parameters may be on the meta device.
        size: of its pictures, in pixels.

    Returns:
        By tracing where that finds what timm describes, else by timm's own taps, else None: none of timm's
        features can be had, and the core's search for blocks has to do.

    Raises:
        ZooError: the network can neither be traced nor tapped.
    """
    places = places_of(network)
    modules = [place.module for place in places]
    try:
        found = {cut.name: cut for cut in find_cuts(network, size=size, also=modules)}
    except ZooError:
        if not can_be_tapped(network):
            raise
        return _tapped(network, places)
    cuts = [found[module] for module in modules if module in found]
    same = len(set(modules)) == len(cuts) == len(places) and all(map(_agrees, cuts, places))
    if not same:
        return _tapped(network, places) if can_be_tapped(network) else None
    blocks = [replace(cut, name=f"block{number}", node=cut.name) for number, cut in enumerate(cuts, start=1)]
    searched = [cut for name, cut in found.items() if name not in modules]
    if cuts and searched and searched[-1].parameters > cuts[-1].parameters:
        blocks.append(replace(searched[-1], name=LAST, node=_module_of(network, searched[-1].node)))
    return blocks or None


def _module_of(network: nn.Module, node: str) -> str:
    """The module that a node is the last step of, which other versions of timm have too; else the node."""
    parent, _, _ = node.rpartition(".")
    known = dict(network.named_modules())
    return parent if node not in known and parent and not list(known[parent].children()) else node


def is_tap(node: str) -> bool:
    """Whether a cut's node names one of timm's features by its index, and no step of a traced network."""
    return node.startswith(TAP)


def tap_of(network: nn.Module, node: str) -> int:
    """The feature that a cut's node names, as timm counts.

    Raises:
        UnknownNameError: the network has no such feature.
    """
    known = [f"{TAP}{index}" for index, _ in enumerate(places_of(network))]
    if node not in known:
        raise UnknownNameError("cut", node, known)
    return known.index(node)


def _agrees(cut: zoo.Cut, place: Place) -> bool:
    return (cut.channels, cut.stride) == (place.channels, place.reduction)


def _tapped(network: nn.Module, places: Sequence[Place]) -> list[zoo.Cut]:
    """The same by timm's taps; what they cost in operations is not counted."""
    return [
        zoo.Cut(
            name=f"block{index + 1}",
            node=f"{TAP}{index}",
            channels=place.channels,
            stride=place.reduction,
            parameters=tapped_parameters(network, index),
        )
        for index, place in enumerate(places)
    ]
