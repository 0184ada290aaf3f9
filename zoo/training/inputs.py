"""What a stage trains on: cached features of frozen filters, or pictures through a frozen prefix."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zoo.contracts import Box
from zoo.data import Augmentation, DecodedDataset, augment, sequential_batches
from zoo.devices import pick_device, pick_precision
from zoo.errors import ZooWarning
from zoo.models import Model, join_side_maps
from zoo.networks import freeze
from zoo.progress import Progress
from zoo.training.feature_cache import FeatureCache
from zoo.training.targets import HeadTargets

CPU_CHUNK = 4  # pictures of 64 pixels that a CPU takes through frozen blocks at a time
EVALUATION_BATCH = 64  # pictures at a time where nothing is trained

BatchInputs = Tensor | dict[str, Tensor]


def beside_features(model: Model, decoded: DecodedDataset, rows: Tensor) -> dict[str, Tensor]:
    """The numbers that heads are given beside the features, by head. Shapes: rows (n,) -> (n, K) float."""
    return model.beside({name: column[rows] for name, column in decoded.numbers.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """Where and how precisely networks run."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def on(cls, device: str | None = None, precision: str = "auto") -> Arithmetic:
        """On the named device, else on the GPU where there is one; `bf16`, `fp32`, or `auto`: bf16 where it is fast.

        Raises:
            UsageError: no such device here, or another precision.
        """
        where = pick_device(device)
        return cls(device=where, dtype=pick_precision(where, precision))

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Mixed precision, where the dtype is not float32."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def frozen(self, module: nn.Module) -> nn.Module:
        """A copy for inference only: frozen, channels last, weights already in the low precision."""
        return freeze(copy.deepcopy(module)).to(self.device, self.dtype).to(memory_format=torch.channels_last)

    def run(self, network: nn.Module, images: Tensor) -> Any:
        """A frozen network's output; on a CPU in pieces whose feature maps fit into its cache.

        Shapes: images (N, 3, S, S), ready -> whatever the network gives, in the same order.
        """
        piece = max(1, round(CPU_CHUNK * (64 / images.shape[-1]) ** 2))
        if self.device.type != "cpu" or len(images) <= piece:
            return network(images)
        parts = [network(part) for part in images.split(piece)]
        if isinstance(parts[0], Tensor):
            return torch.cat(parts)
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def ready(self, images: Tensor) -> Tensor:
        """Shapes: images (N, 3, S, S) -> the same on the device, in the dtype, channels last."""
        return images.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)


class StageInputs(Protocol):
    """The inputs of a stage, by rows of the decoded pictures."""

    def train(self, rows: Tensor, generator: torch.Generator) -> tuple[BatchInputs, Mapping[str, Tensor]]:
        """The inputs of a training batch, and by head the targets that the augmentation transformed (boxes)."""

    def plain(self, rows: Tensor) -> BatchInputs:
        """The same pictures as they are, for evaluation."""


class FeatureInputs:
    """What each head needs of the frozen filters' features, computed once.

    It stays in memory, where it was computed, up to a limit; what is more lies in a file until the heads are
    trained, and the system keeps as much of it in memory as it can.

    Args:
        model: its filters are frozen here.
        decoded: the pictures.
        rows: which of them, int64 (N,).
        arithmetic: where it runs.
        limit: bytes, at most, in memory.
        folder: for the file.
        progress: called with how far the work is.
        cache: where they are stored; some may be there already.

    Raises:
        FileError: the disk is full.
    """

    def __init__(
        self,
        model: Model,
        decoded: DecodedDataset,
        rows: Tensor,
        *,
        arithmetic: Arithmetic,
        limit: float,
        folder: Path,
        progress: Progress,
        cache: FeatureCache | None = None,
    ) -> None:
        self.device = arithmetic.device
        self.cache = FeatureCache(len(decoded), rows) if cache is None else cache
        self.cache_keys = {name: _cache_key(model, name) for name in model.heads}
        missing = {place: name for name, place in self.cache_keys.items() if place not in self.cache.tensors}
        if missing:
            self._compute(model, decoded, missing, arithmetic, limit, folder, progress)

    def _compute(
        self,
        model: Model,
        decoded: DecodedDataset,
        missing: Mapping[str, str],
        arithmetic: Arithmetic,
        limit: float,
        folder: Path,
        progress: Progress,
    ) -> None:
        filters, rows = arithmetic.frozen(model.filters), self.cache.rows
        done = 0
        for batch in sequential_batches(rows, EVALUATION_BATCH):
            with torch.no_grad():
                images = arithmetic.ready(decoded.images[batch].to(arithmetic.device) / 255)
                features = arithmetic.run(filters, images).float()
                beside = beside_features(model, decoded, batch)
                reduced = {
                    place: model.head(name).reduce(join_side_maps(features, beside.get(name)))
                    for place, name in missing.items()
                }
            kinds = {place: torch.float32 if one.ndim == 2 else arithmetic.dtype for place, one in reduced.items()}
            if not done:
                size = sum(one[0].numel() * kinds[place].itemsize for place, one in reduced.items()) * len(rows)
                if size > limit:
                    self.cache.folder = folder
                    _warn_of_file(size, limit, folder)
            for place, one in reduced.items():
                self.cache.put(place, done, one, dtype=kinds[place])
            done += len(batch)
            progress("computing frozen features", done, len(rows))

    def train(self, rows: Tensor, generator: torch.Generator) -> tuple[BatchInputs, Mapping[str, Tensor]]:
        """As they are: the features of a frozen network are computed once."""
        return self.plain(rows), {}

    def plain(self, rows: Tensor) -> BatchInputs:
        """By head, (N, …) float, on the device."""
        return {name: self.cache.get(place, rows).to(self.device).float() for name, place in self.cache_keys.items()}


def _cache_key(model: Model, name: str) -> str:
    """What a head's reduced features depend on, beside the features: two heads of one kind share them."""
    head, spec = model.head(name), model.specs[name]
    kind = type(head)
    made = f"{head.target} {sorted(spec.options.items())} {head.shape} {spec.numbers}"
    return f"{kind.__module__}.{kind.__qualname__} {made}"


def _warn_of_file(size: float, limit: float, folder: Path) -> None:
    warnings.warn(
        f"The heads' frozen features take {size / 1e9:.2g} GB, more than the {limit / 1e9:.2g} GB that stay in memory: "
        f"they lie in a file in {folder} until the heads are trained.",
        ZooWarning,
        stacklevel=2,
    )


class ImageInputs:
    """Pictures, augmented on the device and sent through the frozen prefix.

    Args:
        model: for the normalisation and the heads.
        prefix: the part below the boundary; None: nothing is frozen.
        decoded: the pictures; they stay on a GPU that has the memory for them.
        cached_rows: rows that are read without augmentation every epoch; the prefix's outputs are cached.
        augmentation: of training batches.
        head_targets: by head; boxes are transformed with the pictures.
        arithmetic: where it runs.
        limit: bytes of the prefix's outputs that are kept, at most.
        progress: called with how far the frozen part is.
        cache: where they are stored; they may be there already.
    """

    def __init__(
        self,
        model: Model,
        prefix: nn.Module | None,
        decoded: DecodedDataset,
        cached_rows: Tensor,
        *,
        augmentation: Augmentation,
        head_targets: Mapping[str, HeadTargets],
        arithmetic: Arithmetic,
        limit: float,
        progress: Progress,
        cache: FeatureCache | None = None,
    ) -> None:
        self.normalise, self.arithmetic, self.augmentation = model.filters.normalise, arithmetic, augmentation
        self.prefix = arithmetic.frozen(prefix) if prefix is not None else None
        self.images = decoded.images
        if arithmetic.device.type == "cuda" and self.images.nbytes < torch.cuda.mem_get_info()[0] / 4:
            self.images = self.images.to(arithmetic.device)
        self.boxes = {
            name: one_head.values for name, one_head in head_targets.items() if isinstance(model.head(name).target, Box)
        }
        self.cache = FeatureCache(len(decoded), cached_rows) if cache is None else cache
        if self.prefix is not None and len(cached_rows) and not self.cache.tensors:
            self._keep(cached_rows, limit, progress)

    def train(self, rows: Tensor, generator: torch.Generator) -> tuple[BatchInputs, Mapping[str, Tensor]]:
        """A random view of each picture, below the boundary already. Shapes: rows (N,) -> (N, C, h, w)."""
        if self.augmentation.does_nothing:
            return self.plain(rows), {}
        images = self._fetch(rows)
        state = generator.get_state()
        views, _ = augment(images, self.augmentation, generator)
        moved: dict[str, Tensor] = {}
        for name, boxes in self.boxes.items():
            generator.set_state(state)
            _, at = augment(images[:, :, :1, :1], self.augmentation, generator, boxes[rows])
            if at is not None:
                moved[name] = at
        return self._below(views), moved

    def plain(self, rows: Tensor) -> BatchInputs:
        """The pictures as they are, below the boundary already."""
        return self.cache.get("below", rows) if rows in self.cache else self._below(self._fetch(rows))

    def _keep(self, cached_rows: Tensor, limit: float, progress: Progress) -> None:
        done = 0
        for batch in sequential_batches(cached_rows, EVALUATION_BATCH):
            below = self._below(self._fetch(batch))
            if not isinstance(below, Tensor) or below.nbytes / len(batch) * len(cached_rows) > limit:
                return
            self.cache.put("below", done, below, dtype=below.dtype)
            done += len(batch)
            progress("computing the frozen blocks", done, len(cached_rows))

    def _fetch(self, rows: Tensor) -> Tensor:
        """Shapes: rows (N,) -> float (N, 3, S, S) in 0 to 1, on the device."""
        picked = self.images[rows.to(self.images.device)]
        return picked.to(self.arithmetic.device, non_blocking=True).float() / 255

    def _below(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            normal = self.arithmetic.ready(self.normalise(images))
            return normal if self.prefix is None else self.arithmetic.run(self.prefix, normal)
