"""timm's networks by timm's names, with or without the tag of their training: `resnet50`, `resnet50.a1_in1k`.

timm is imported when it is first asked for a network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from torch import nn

import zoo
from zoo.errors import UnknownNameError
from zoo_timm.networks import build_network
from zoo_timm.places import find_places, is_tap, tap_of
from zoo_timm.taps import TappedNetwork

HUB = re.compile(r"timm/[^/]+")
IMAGENET = re.compile(r"(^|_)in(1k|12k|21k|22k)(_|$)")  # in the tags of what ImageNet's pictures trained


class TimmBackbones(zoo.Backbones):
    """All networks of timm that are not deprecated.

    A name without a tag is the network as timm's default weights want it; its weights are those whose input has the
    same size, mean and deviation. A name with a tag, `resnet50.a1_in1k`, is the network as those weights want it.
    """

    def names(self) -> Sequence[str]:
        """As `timm.list_models` gives them: without tags."""
        return list(_names())

    def __contains__(self, name: object) -> bool:
        return name in _names() or name in _tagged_names()

    def build(self, name: str) -> nn.Module:
        """The whole network with fresh weights. Raises UnknownNameError where timm has no such one."""
        self._check(name)
        return build_network(name)

    def weights(self, name: str) -> Mapping[str, str]:
        """The tags of timm's trainings, the default first; `imagenet` is the first that ImageNet's pictures trained.

        Only weights that timm's own repositories on the Hub hold are listed: they are safetensors under the network's
        own names.
        """
        given = _configuration(self._check(name))
        found = {
            tag: f"hf://{one.hf_hub_id}"
            for tag, one in self._trainings(name).items()
            if HUB.fullmatch(one.hf_hub_id or "") and _input_of(one) == _input_of(given)
        }
        first = next((tag for tag in found if IMAGENET.search(tag)), None)
        return ({"imagenet": found[first]} if first else {}) | found

    def license(self, name: str, source: str) -> str:
        """What timm says of weights' licence, by their source; empty: it says nothing."""
        known = self._trainings(self._check(name)).values()
        found = next((one.license for one in known if f"hf://{one.hf_hub_id}" == source), None)
        return "" if found in (None, "unknown") else str(found)

    def input(self, name: str) -> zoo.Input:
        """Size (where it is no square, the shorter side), mean and deviation of the weights that the name means."""
        size, mean, std = _input_of(_configuration(self._check(name)))
        return zoo.Input(size=min(size[1:]), mean=mean, std=std)

    def cuts(self, name: str) -> Sequence[zoo.Cut] | None:
        """`block1`, `block2` … where timm's `feature_info` has its features, and `final` where its pooling begins.

        In a vision transformer `blockK` is what the K-th block gives, and `final` the last one with the final norm.
        """
        from zoo.networks import on_meta

        with on_meta():
            return find_places(self.build(name), size=self.input(name).size)

    def truncated(self, name: str, cut: zoo.Cut) -> nn.Module | None:
        """None: traced and cut; timm's own feature tap for a network that cannot be traced."""
        if not is_tap(cut.node):
            return None
        network = self.build(name)
        return TappedNetwork(network, tap_of(network, cut.node))

    def _trainings(self, name: str) -> Mapping[str, Any]:
        """timm's configurations by tag, of one tag where the name has it."""
        from timm.models import get_arch_pretrained_cfgs

        arch, _, tag = name.partition(".")
        known = {one.tag or "default": one for one in get_arch_pretrained_cfgs(arch).values() if one.has_weights}
        return {one: known[one] for one in known if one == tag or not tag}

    def _check(self, name: str) -> str:
        if name not in self:
            raise UnknownNameError("backbone", name, self.names(), listing="zoo backbones")
        return name


@cache
def _names() -> dict[str, None]:
    """timm's networks without tags, in timm's order; it sorts more than a thousand: once."""
    import timm

    return dict.fromkeys(timm.list_models())


@cache
def _tagged_names() -> frozenset[str]:
    import timm

    return frozenset(timm.list_models(include_tags=True))


def _configuration(name: str) -> Any:
    from timm.models import get_pretrained_cfg

    return get_pretrained_cfg(name)


def _input_of(configuration: Any) -> tuple[Any, ...]:
    return configuration.input_size, configuration.mean, configuration.std
