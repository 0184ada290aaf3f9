"""Networks without weights, as a manifest describes them, and the filling of them with tensors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from zoo.contracts import Cut
from zoo.errors import IntegrityError, MissingPluginError, UnknownNameError
from zoo.networks import Backbone, find_backbone
from zoo.store import Manifest


def build_meta_model(manifest: Manifest, cut: str | None = None) -> tuple[Cut, nn.Module]:
    """The network that published filters are, or an earlier cut of it, with parameters on the meta device.

    Raises:
        UnknownNameError: they have no such cut.
        MissingPluginError: the backbone comes from a package that is not installed.
    """
    name = manifest.name
    backbone = find_required_backbone(manifest.backbone, package=manifest.backbone_package, needed_by=f"{name!r}")
    last = Cut(**{field: getattr(manifest.cut, field) for field in ("name", "node", "channels", "stride", "layout")})
    wanted = last
    if cut and cut not in (last.name, last.node):
        kept = _cuts_up_to(backbone, last)
        by_name = {text: one for one in kept for text in (one.name, one.node)}
        if cut not in by_name:
            listed = ", ".join(one.name for one in kept)
            raise UnknownNameError(
                f"cut of {name!r} ({listed})", cut, [one.name for one in kept], listing=f"zoo cuts {backbone.name}"
            )
        wanted = by_name[cut]
    return wanted, backbone.truncated(wanted, fresh=False)


def assign_tensors(module: nn.Module, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Give a module on the meta device its tensors, in float32. Raises IntegrityError where they do not fit."""
    for name, tensor in tensors.items():
        if tensor.is_complex():
            raise IntegrityError(
                f"{where}: {name} holds complex numbers, which no network takes.", "Take other weights."
            )
    ready = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    try:
        module.load_state_dict(ready, strict=True, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise IntegrityError(f"{where}: the weights do not fit the network: {first} Fetch them again.") from error
    for parameter in module.parameters():
        parameter.requires_grad_(True)


def find_required_backbone(name: str, *, package: str, needed_by: str) -> Backbone:
    """The backbone that published filters or a run name. Raises MissingPluginError naming its package."""
    try:
        return find_backbone(name)
    except UnknownNameError as error:
        raise MissingPluginError("backbone", name, package=package, needed_by=needed_by) from error


def _cuts_up_to(backbone: Backbone, last: Cut) -> list[Cut]:
    """The cuts of filters that end at `last`; where that is inside a block, those before it and itself."""
    known = backbone.cuts()
    nodes = [one.node for one in known]
    if last.node in nodes:
        return known[: nodes.index(last.node) + 1]
    whole = set(backbone.truncated(last, fresh=False).state_dict())
    return [one for one in known if set(backbone.truncated(one, fresh=False).state_dict()) < whole] + [last]
