"""Filters: a truncated backbone with weights and preprocessing; what is published, fetched and loaded."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.contracts import Cut, FeatureShape, Input
from zoo.data import open_images
from zoo.devices import pick_device, pick_precision
from zoo.embedding import (
    EmbeddingNetwork,
    Embeddings,
    EmbeddingSpace,
    EmbeddingSummary,
    check_pool,
    embed_into,
    embed_pictures,
)
from zoo.errors import UnknownNameError, UsageError
from zoo.files import as_path
from zoo.models.deltas import read_filter_tensors
from zoo.models.initialization import Initialization
from zoo.models.meta_models import assign_tensors, build_meta_model
from zoo.networks import find_backbone, find_cuts, to_feature_map, truncate
from zoo.progress import Progress, silent
from zoo.store import (
    MODEL_FILE,
    Artifact,
    Manifest,
    digest_of,
    open_artifact,
    warn_if_not_finite,
)


class Filters(nn.Module):
    """A truncated backbone that turns pictures into feature maps.

    Args:
        module: the truncated network; forward (N, 3, H, W) float, normalised -> its node's output.
        backbone: the backbone's full name, `torchvision/vgg16`.
        cut: where it stops.
        input: how pictures are fed.
        weights: where the weights came from, `random` or a source at its commit.
        name: what they are called, for messages and cards.
        published: where they were loaded from, None for fresh ones.
        initialization: what was read of a checkpoint, and what was left out; None where there was none.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        module: nn.Module,
        *,
        backbone: str,
        cut: Cut,
        input: Input,
        weights: str = "random",
        name: str | None = None,
        published: Artifact | None = None,
        initialization: Initialization | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self.backbone, self.cut, self.input = backbone, cut, input
        self.weights = weights
        self.name = name or f"{backbone.rpartition('/')[2]}-{cut.name}"
        self.published, self.initialization = published, initialization
        self.register_buffer("mean", torch.tensor(input.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(input.std).view(1, 3, 1, 1), persistent=False)

    @property
    def manifest(self) -> Manifest | None:
        """Their manifest, where they were published."""
        return self.published.manifest if self.published else None

    @property
    def cuts(self) -> list[Cut]:
        """Where they can be cut once more, the deepest last."""
        known = find_backbone(self.backbone).cuts()
        names = [cut.node for cut in known]
        if self.cut.node in names:
            return known[: names.index(self.cut.node) + 1]
        return find_cuts(self.module, size=self.input.size)

    def truncate(self, cut: str) -> Filters:
        """The same filters, cut earlier; the weights are shared, not copied.

        Raises:
            UnknownNameError: they have no such cut.
        """
        cuts = self.cuts
        found = next((known for known in cuts if cut in (known.name, known.node)), None)
        if found is None:
            raise UnknownNameError("cut", cut, [known.name for known in cuts], listing=f"zoo info {self.name}")
        module = self.module if found.node == self.cut.node else truncate(self.module, found, size=self.input.size)
        return Filters(
            module,
            backbone=self.backbone,
            cut=found,
            input=self.input,
            weights=self.weights,
            name=self.name,
            published=self.published,
        )

    def __getitem__(self, name: str) -> Tensor:
        """A filter bank by its layer, `filters["features.0"]` -> (64, 3, 3, 3), or any parameter by its name.

        Raises:
            UnknownNameError: no such layer with weights.
        """
        parameters: Mapping[str, Tensor] = self.module.state_dict()
        for key in (name, f"{name}.weight"):
            if key in parameters:
                return parameters[key].detach()
        raise UnknownNameError("layer", name, {key.rpartition(".")[0] for key in parameters})

    @property
    def first_bank(self) -> Tensor | None:
        """The kernels of the first convolution, float32 (K, C, h, w) on the CPU; None where there is none."""
        first = next((one for one in self.module.parameters() if one.ndim == 4), None)
        return None if first is None else first.detach().float().cpu()

    def normalise(self, images: Tensor) -> Tensor:
        """Shapes: images (N, 3, H, W) uint8, or float in 0 to 1 -> float, less the mean, over the deviation."""
        scaled = images.to(self.mean.dtype) / 255 if images.dtype == torch.uint8 else images
        return (scaled - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """The feature map.

        Shapes: images (N, 3, H, W) uint8, or float in 0 to 1 -> features (N, C, h, w) float.

        Raises:
            UsageError: not a batch of RGB pictures.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise UsageError(
                f"Filters take pictures (N, 3, H, W), but were given {tuple(images.shape)}.",
                "For one picture add a first axis: image.unsqueeze(0).",
            )
        return to_feature_map(self.module(self.normalise(images)), self.cut)

    @torch.no_grad()
    def feature_shape(self, size: int | None = None) -> FeatureShape:
        """What leaves them for one picture of `size` pixels; computed without arithmetic, on the meta device.

        Raises:
            UsageError: they do not take pictures of that size.
        """
        side = size or self.input.size
        try:
            empty = copy.deepcopy(self.module).to("meta").eval()
            shape = to_feature_map(empty(torch.empty(2, 3, side, side, device="meta")), self.cut).shape
        except RuntimeError:
            training = self.module.training
            parameter = next(self.module.parameters())
            probe = torch.zeros(1, 3, side, side, device=parameter.device, dtype=parameter.dtype)
            try:
                shape = to_feature_map(self.module.eval()(probe), self.cut).shape
            except (RuntimeError, AssertionError) as error:  # too small for its pools, or tokens of one size only
                raise UsageError(
                    f"{self.name!r} take no pictures of {side} x {side} pixels.",
                    f"Give their own size, {self.input.size}.",
                ) from error
            finally:
                self.module.train(training)
        return FeatureShape(channels=shape[1], height=shape[2], width=shape[3])

    def embed(
        self,
        pictures: Any,
        *,
        size: int | None = None,
        pool: str = "mean",
        device: str | None = None,
        precision: str = "auto",
        batch: int | None = None,
        skip_unreadable: bool = False,
        progress: Progress = silent,
    ) -> Embeddings:
        """A vector for every picture, in memory.

        Args:
            pictures: a folder (searched all the way down), a file, a pattern (`photos/**/*.jpg`), several of them, or
                a prepared dataset.
            size: the side that pictures are resized to; the filters' own by default.
            pool: how a map becomes a vector: `mean`, `gem`, `max`, or `map` for all of it.
            device: where; the GPU where there is one by default.
            precision: `auto`, `bf16` or `fp32`.
            batch: pictures that go through the network at once; by size and device by default.
            skip_unreadable: list what cannot be read in `skipped`, instead of stopping.
            progress: told how far the work is.

        Raises:
            FileError: no such file, a folder without pictures.
            ZooError: a picture that cannot be read.
        """
        space = self.space(size=size, pool=pool)
        return embed_pictures(
            self._network(pool, device, precision),
            open_images(pictures),
            space=space,
            batch=batch,
            skip_unreadable=skip_unreadable,
            embedder=self,
            progress=progress,
        )

    def embed_into(
        self,
        out: Path | str,
        pictures: Any,
        *,
        size: int | None = None,
        pool: str = "mean",
        device: str | None = None,
        precision: str = "auto",
        **options: Any,
    ) -> EmbeddingSummary:
        """As `embed`, into a file, with memory that does not grow with the pictures.

        Args:
            out: `.parquet`, `.npy` or `.safetensors`.
            pictures: as for `embed`, and so are `size`, `pool`, `device` and `precision`.
            options: `resume`, `overwrite`, `batch`, `skip_unreadable`, `progress`; see `zoo.embedding.embed_into`.
        """
        return embed_into(
            as_path(out),
            lambda: self._network(pool, device, precision),
            open_images(pictures),
            space=self.space(size=size, pool=pool),
            **options,
        )

    @property
    def identity(self) -> str:
        """The manifest's hash, "sha256:…"; of filters that were not published the weights', "weights:…"."""
        return self.published.digest if self.published else f"weights:{digest_of(self.module)}"

    def space(self, *, size: int | None = None, pool: str = "mean") -> EmbeddingSpace:
        """The embedding space of these filters: only vectors of one space are compared.

        Raises:
            UsageError: no such pooling, or a size under one pixel.
        """
        side = self.input.size if size is None else size
        if side < 1:
            raise UsageError(
                f"Pictures cannot be resized to {side} pixels.", "Give a size of 1 or more, or leave it out."
            )
        shape = self.feature_shape(side)
        whole = (shape.channels, shape.height, shape.width)
        return EmbeddingSpace(
            filters=self.name,
            manifest=self.identity,
            cut=self.cut.name,
            pool=check_pool(pool),
            size=side,
            source=self.published.source.text if self.published else "",
            shape=whole if pool == "map" else whole[:1],
        )

    def _network(self, pool: str, device: str | None, precision: str) -> EmbeddingNetwork:
        where = pick_device(device)
        dtype = pick_precision(where, precision)
        return EmbeddingNetwork(self.module, cut=self.cut, input=self.input, pool=pool, device=where, dtype=dtype)


def load(name: str | Path, *, cut: str | None = None, verify: bool = True, **where: Any) -> Filters:
    """Load published filters by name, `owner/name`, `hf://…` or folder; only the tensors needed are read.

    Args:
        name: what to load.
        cut: stop earlier than they were published: `block2`.
        verify: compare every tensor that is read with its hash.
        where: `revision`, `token`, `cache_dir`, `offline`, as `fetch` takes them.

    Raises:
        UnknownNameError: no such name, no such cut.
        IntegrityError: the bytes are not the published ones.
        MissingPluginError: the backbone comes from a package that is not installed.
    """
    published = open_artifact(str(name), **where)
    manifest = published.manifest
    wanted, module = build_meta_model(manifest, cut)
    base = {key: value for key, value in where.items() if key != "revision"}
    tensors = read_filter_tensors(published, module, verify=verify, **base)
    where_text = f"{published.source.text}/{MODEL_FILE}"
    if verify:
        warn_if_not_finite(tensors, where_text)
    assign_tensors(module, tensors, where=where_text)
    network_input = Input(size=manifest.input.size, mean=manifest.input.mean, std=manifest.input.std)
    filters = Filters(
        module,
        backbone=manifest.backbone,
        cut=wanted,
        input=network_input,
        weights=published.source.text,
        name=manifest.name,
        published=published,
    )
    return filters.eval()


def as_filters(filters: Filters | str | Path) -> Filters:
    """Filters in hand, or loaded by what `load` takes."""
    return filters if isinstance(filters, Filters) else load(filters)


def embed(filters: Filters | str | Path, pictures: Any, **options: Any) -> Embeddings:
    """`filters.embed(pictures)`, where filters may also be a name to load."""
    return as_filters(filters).embed(pictures, **options)
