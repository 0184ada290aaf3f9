"""A training's whole state in one safetensors file, renamed into place: nothing is pickled."""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from zoo.errors import FileError
from zoo.files import atomic_write, parse_json


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and JSON state; the file is there whole or stays as it was.

    Args:
        path: the file.
        tensors: by name, any dtype and device.
        state: what JSON can say.
    """
    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_write(path) as part:
        try:
            save_file(ready, part, metadata={"sealed": _seal(json.dumps(state), ready)})
        except SafetensorError as error:  # a full disk is only recognisable by the message
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote. Raises FileError where it is damaged."""
    try:
        with safe_open(path, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118
            metadata = opened.metadata() or {}
        said = metadata["sealed"].rpartition("\n")[0] if "sealed" in metadata else metadata["state"]  # 0.1 sealed none
        if "sealed" in metadata and metadata["sealed"] != _seal(said, tensors):
            raise ValueError("what it says of itself is not what was written")
        state = parse_json(said, finite=False)
    except (OSError, SafetensorError, KeyError, ValueError, OverflowError, MemoryError) as error:
        remedy = "Remove it, and `zoo resume` starts from the beginning."
        raise FileError(path, f"no readable checkpoint ({error})", remedy) from error
    return tensors, state


def _seal(state: str, tensors: Mapping[str, Tensor]) -> str:
    """The state, and in a second line its hash and that of the tensors' names, dtypes and shapes."""
    described = sorted(f"{name} {tensor.dtype} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    return f"{state}\n{hashlib.sha256(json.dumps([state, described]).encode()).hexdigest()}"


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as named tensors, `<parameter index>.<key>`."""
    tensors = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            tensors[f"{index}.{key}"] = torch.as_tensor(value)
    return tensors


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took.

    Moments get their parameter's memory layout: fused kernels walk both side by side.
    """
    if not tensors:
        return
    content = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        like = parameters[int(index)]
        laid = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
        state.setdefault(int(index), {})[key] = laid
    optimizer.load_state_dict({"state": state, "param_groups": content["param_groups"]})


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under `prefix/name`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def select_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `with_prefix` put under that prefix."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
