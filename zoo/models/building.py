"""Filters of a backbone: truncated, and filled with the weights of a checkpoint, or with random ones."""

from __future__ import annotations

import torch

from zoo.contracts import Input
from zoo.models.filters import Filters
from zoo.models.initialization import Initialization, read_initial_weights
from zoo.models.meta_models import assign_tensors
from zoo.networks import find_backbone
from zoo.progress import Progress, silent


def build_filters(
    backbone: str,
    *,
    cut: str,
    weights: str,
    size: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Filters:
    """Truncate a backbone and give it weights.

    Args:
        backbone: its name.
        cut: a block, or a node's path.
        weights: `random`, a tag of the family's (`imagenet`), a safetensors file, a folder or an `hf://` source; see
            `zoo.models.checkpoint`. Only the tensors that remain are read.
        size: the pictures' side in pixels; the backbone's own by default.
        seed: of the random weights.
        progress: told how far the reading is.

    Raises:
        FetchError: the weights cannot be reached. Nothing is ever replaced by random weights.
        IntegrityError: they are another network's.
    """
    found = find_backbone(backbone)
    where = found.find_cut(cut)
    given = found.input
    network_input = Input(size=size or given.size, mean=given.mean, std=given.std)
    initialization: Initialization | None = None
    if weights == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = found.truncated(where, fresh=True)
    else:
        module = found.truncated(where, fresh=False)
        initialization, tensors = read_initial_weights(found, weights, module, progress=progress)
        counters = {name: torch.tensor(0) for name in module.state_dict() if name not in tensors}
        assign_tensors(module, tensors | counters, where=initialization.text)
    text = initialization.text if initialization else "random"
    return Filters(
        module, backbone=found.full_name, cut=where, input=network_input, weights=text, initialization=initialization
    )
