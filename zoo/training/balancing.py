"""Several heads on the same features: combining their losses, and the cosines between their gradients."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from zoo.contracts import Balancer
from zoo.errors import PluginError
from zoo.models import Model
from zoo.plugins import find_plugin

COSINES_PER_EPOCH = 4  # steps of an epoch at which the heads' gradients are compared


def build_balancer(name: str, model: Model) -> Balancer:
    """The balancer of that name for a model's heads; those of weight 0 are left out.

    Raises:
        UnknownNameError: no such balancer.
        PluginError: the plugin is no balancer.
    """
    factory = find_plugin("balancer", name).load()
    if not (isinstance(factory, type) and issubclass(factory, Balancer)):
        raise PluginError(f"The balancer {name!r} is no zoo.Balancer.", "Upgrade or uninstall its package.")
    return factory({name: spec.weight for name, spec in model.specs.items() if spec.weight})


def overrides_backward(balancer: Balancer) -> bool:
    """Whether a balancer does the backward pass itself, and does not merely combine losses."""
    return type(balancer).backward is not Balancer.backward


def compares_gradients_at(step: int, steps: int) -> bool:
    """Whether the gradients are compared at this step of an epoch: `MEASURED` times, evenly spread."""
    return step % max(1, steps // COSINES_PER_EPOCH) == 0


def last_weight_matrix(shared: Sequence[nn.Parameter]) -> nn.Parameter:
    """The weights at which gradients are compared: the last of the shared ones, biases and norms aside."""
    return next((one for one in reversed(shared) if one.ndim > 1), shared[-1])


def gradient_cosines(losses: Mapping[str, Tensor], weights: Tensor) -> dict[str, float]:
    """The cosines between the gradients of each two losses at a shared layer's weights, over a whole batch.

    1: the gradients agree; 0: they are orthogonal; below 0: a step that helps one head harms the other (Du and
    others 2018). It costs a backward pass through the heads and that layer for each, not through the filters. At the
    features themselves it would say little: a pooled head has the same gradient in all cells, a spatial one has not.

    Args:
        losses: scalars by head, with their graphs.
        weights: of the last layer that all heads share.

    Returns:
        By pair, `classify/locate`, in -1 to 1; a pair of which one has no gradient is left out.
    """
    gradients = {}
    for name, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        if gradient is not None:
            gradients[name] = gradient.float().flatten()
    cosines = {}
    for one, other in itertools.combinations(gradients, 2):
        length = gradients[one].norm() * gradients[other].norm()
        if float(length) > 0:
            cosines[f"{one}/{other}"] = float(gradients[one] @ gradients[other] / length)
    return cosines


def mean_cosines(sums: Mapping[str, list[float]]) -> dict[str, float]:
    """The mean by pair, from each pair's sum and count."""
    return {pair: total / count for pair, (total, count) in sums.items() if count}


def describe_cosines(cosines: Mapping[str, float]) -> str:
    """`gradient cosine +0.12`, with the heads' names where there are several pairs; empty without any."""
    if len(cosines) == 1:
        return f"gradient cosine {next(iter(cosines.values())):+.2f}"
    return "  ".join(f"{pair.replace('/', ' and ')} gradient cosine {value:+.2f}" for pair, value in cosines.items())
