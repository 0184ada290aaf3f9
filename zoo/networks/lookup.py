"""Backbones by name, of any installed package: `vgg16`, `torchvision/vgg16`, `timm/vgg16`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from zoo.contracts import Backbones, Cut, Input
from zoo.errors import AmbiguousNameError, PluginError, UnknownNameError
from zoo.networks.tracing import on_meta
from zoo.networks.truncation import describe_cut, find_cuts, truncate
from zoo.plugins import CORE, Plugin, find_plugin, find_plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A network of a backbone family, not built yet."""

    family: str  # "torchvision"
    name: str  # "vgg16"
    plugin: Plugin
    factory: Backbones

    @property
    def full_name(self) -> str:
        """What manifests carry: `torchvision/vgg16`."""
        return f"{self.family}/{self.name}"

    @property
    def input(self) -> Input:
        """What the network was made for."""
        return self.factory.input(self.name)

    def cuts(self) -> list[Cut]:
        """Where it can be cut, from the shallowest to the deepest; nothing is allocated."""
        given = self.factory.cuts(self.name)
        if given is not None:
            return list(given)
        with on_meta():
            return find_cuts(self.factory.build(self.name), size=self.input.size)

    def find_cut(self, name: str) -> Cut:
        """A block's name or a node's path -> the cut. Raises UnknownNameError with the nearest."""
        cuts = self.cuts()
        for cut in cuts:
            if name in (cut.name, cut.node):
                return cut
        try:
            with on_meta():
                found = describe_cut(self.factory.build(self.name), name, size=self.input.size)
        except UnknownNameError as error:
            known = [cut.name for cut in cuts]
            raise UnknownNameError("cut", name, known, listing=f"zoo cuts {self.name}") from error
        return next((cut for cut in cuts if cut.node == found.node), replace(found, name=found.node))

    def truncated(self, cut: Cut, *, fresh: bool) -> nn.Module:
        """The network up to the cut.

        Args:
            cut: one of its cuts.
            fresh: True: with newly drawn weights; False: parameters on the meta device, to be filled.
        """
        if fresh:
            return self._truncate_network(cut)
        with on_meta():
            return self._truncate_network(cut)

    def _truncate_network(self, cut: Cut) -> nn.Module:
        ready = self.factory.truncated(self.name, cut)
        return ready if ready is not None else truncate(self.factory.build(self.name), cut, size=self.input.size)


def find_backbone(name: str) -> Backbone:
    """Find a backbone by its name, or by `family/name`. The core's families answer a short name first.

    Raises:
        UnknownNameError: nobody has it.
        AmbiguousNameError: several plugin families have it.
    """
    family, _, short = name.rpartition("/")
    if family:
        plugin = find_plugin("backbones", family)
        factory = _load_family(plugin)
        if short not in factory:
            known = [f"{family}/{known}" for known in factory.names()]
            raise UnknownNameError("backbone", name, known, listing="zoo backbones")
        return Backbone(family=plugin.name, name=short, plugin=plugin, factory=factory)
    found = []
    broken: list[PluginError] = []
    for plugin in find_plugins("backbones"):
        try:
            factory = _load_family(plugin)
        except PluginError as error:
            broken.append(error)
            continue
        if name in factory:
            found.append(Backbone(family=plugin.name, name=name, plugin=plugin, factory=factory))
            if plugin.package == CORE:
                break
    if len(found) > 1:
        raise AmbiguousNameError("backbone", name, [backbone.full_name for backbone in found])
    if not found:
        if broken:
            raise broken[0]
        raise UnknownNameError("backbone", name, backbones(), listing="zoo backbones")
    return found[0]


def backbones() -> list[str]:
    """All names, the core's short, the others' with their family where the short name is taken."""
    names: dict[str, None] = {}
    for plugin in find_plugins("backbones"):
        try:
            factory = _load_family(plugin)
        except PluginError:
            continue  # `zoo plugins` reports it
        for name in factory.names():
            names[f"{plugin.name}/{name}" if name in names else name] = None
    return list(names)


def cuts(backbone: str) -> list[Cut]:
    """Where a backbone can be cut."""
    return find_backbone(backbone).cuts()


def _load_family(plugin: Plugin) -> Backbones:
    family = plugin.load()
    try:
        made = family()
    except Exception as error:  # a plugin may raise anything
        raise plugin.fault(f"cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(made, Backbones):
        raise PluginError(
            f"The backbones {plugin.name!r} of the package {plugin.package} are no zoo.Backbones.",
            f"Run `pip install --upgrade {plugin.package}`.",
        )
    return made
