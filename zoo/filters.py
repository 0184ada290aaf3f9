"""Filters: a truncated backbone with weights and preprocessing; what is published, fetched and loaded."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.contracts import Cut, FeatureShape, Input
from zoo.embedding import Embeddings, embed_pictures
from zoo.errors import IntegrityError, MissingPluginError, UnknownNameError, UsageError, ZooError
from zoo.families import Backbone, find_backbone
from zoo.manifest import Manifest
from zoo.progress import Progress, silent
from zoo.published import Published, open_published, read_filters
from zoo.sources import FolderSource, parse_source
from zoo.truncation import find_cuts, to_map, truncate
from zoo.weights import check_against, read_header, read_tensors

WEIGHTS_FILE = "model.safetensors"


class Filters(nn.Module):
    """A truncated backbone that turns pictures into feature maps.

    Args:
        module: the truncated network; forward (N, 3, H, W) float, normalised -> its node's output.
        backbone: the backbone's full name, `torchvision/vgg16`.
        cut: where it stops.
        input: how pictures are fed.
        weights: where the weights came from, `random`, `imagenet`, a source.
        name: what they are called, for messages and cards.
        published: where they were loaded from, None for fresh ones.
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
        published: Published | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self.backbone, self.cut, self.input = backbone, cut, input
        self.weights = weights
        self.name = name or f"{backbone.rpartition('/')[2]}-{cut.name}"
        self.published = published
        self.register_buffer("mean", torch.tensor(input.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(input.std).view(1, 3, 1, 1), persistent=False)

    @property
    def manifest(self) -> Manifest | None:
        """What is said of them where they were published."""
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
                f"Filters take pictures (N, 3, H, W), but were given {tuple(images.shape)}. "
                "For one picture add a first axis: image.unsqueeze(0)."
            )
        return to_map(self.module(self.normalise(images)), self.cut)

    @torch.no_grad()
    def feature_shape(self, size: int | None = None) -> FeatureShape:
        """What leaves them for one picture of `size` pixels; computed without arithmetic, on the meta device."""
        side = size or self.input.size
        try:
            ghost = copy.deepcopy(self.module).to("meta").eval()
            shape = to_map(ghost(torch.empty(2, 3, side, side, device="meta")), self.cut).shape
        except RuntimeError:
            training = self.module.training
            parameter = next(self.module.parameters())
            probe = torch.zeros(1, 3, side, side, device=parameter.device, dtype=parameter.dtype)
            shape = to_map(self.module.eval()(probe), self.cut).shape
            self.module.train(training)
        return FeatureShape(channels=shape[1], height=shape[2], width=shape[3])

    def embed(
        self, pictures: Path | str | Sequence[Path | str], *, size: int | None = None, **options: Any
    ) -> Embeddings:
        """A vector for every picture: the mean of its feature map.

        Args:
            pictures: a folder (searched all the way down), a file, or a list of files.
            size: the side that pictures are squashed to; the filters' own by default.
            options: `device`, `precision`, `skip_unreadable`, `progress`; see `zoo.embedding.embed_pictures`.
        """
        return embed_pictures(
            self,
            pictures,
            size=size or self.input.size,
            name=self.name,
            digest=self.published.digest if self.published else "",
            cut=self.cut.name,
            **options,
        )


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
    published = open_published(str(name), **where)
    manifest = published.manifest
    backbone = required_backbone(manifest.backbone, package=manifest.backbone_package, needed_by=f"{manifest.name!r}")
    last = Cut(**{field: getattr(manifest.cut, field) for field in ("name", "node", "channels", "stride", "layout")})
    wanted = _earlier_cut(backbone, last, cut) if cut else last
    module = backbone.truncated(wanted, fresh=False)
    names = list(module.state_dict())
    tensors = read_filters(published, names, verify=verify)
    fill(module, tensors, where=f"{published.source.text}/{WEIGHTS_FILE}")
    feed = Input(size=manifest.input.size, mean=manifest.input.mean, std=manifest.input.std)
    filters = Filters(
        module,
        backbone=manifest.backbone,
        cut=wanted,
        input=feed,
        weights=published.source.text,
        name=manifest.name,
        published=published,
    )
    return filters.eval()


def embed(filters: Filters | str | Path, pictures: Path | str | Sequence[Path | str], **options: Any) -> Embeddings:
    """`filters.embed(pictures)`, where filters may also be a name to load."""
    loaded = filters if isinstance(filters, Filters) else load(filters)
    return loaded.embed(pictures, **options)


def required_backbone(name: str, *, package: str, needed_by: str) -> Backbone:
    """The backbone that published filters or a run name. Raises MissingPluginError naming its package."""
    try:
        return find_backbone(name)
    except UnknownNameError as error:
        raise MissingPluginError("backbone", name, package=package, needed_by=needed_by) from error


def _earlier_cut(backbone: Backbone, last: Cut, wanted: str) -> Cut:
    cuts = backbone.cuts()
    nodes = [cut.node for cut in cuts]
    kept = cuts[: nodes.index(last.node) + 1] if last.node in nodes else [last]
    for cut in kept:
        if wanted in (cut.name, cut.node):
            return cut
    raise UnknownNameError("cut", wanted, [cut.name for cut in kept])


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
        weights: `random`, a tag of the family's (`imagenet`), a safetensors file, a folder or an `hf://` source.
        size: the pictures' side in pixels; the backbone's own by default.
        seed: of the random weights.
        progress: told how far the reading is.

    Raises:
        FetchError: the weights cannot be reached. Nothing is ever replaced by random weights.
    """
    found = find_backbone(backbone)
    where = found.find_cut(cut)
    given = found.input
    feed = Input(size=size or given.size, mean=given.mean, std=given.std)
    if weights == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = found.truncated(where, fresh=True)
    else:
        module = found.truncated(where, fresh=False)
        source, file = _weights_source(found, weights)
        header = read_header(source, file)
        text = f"{source.text}/{file}"
        wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        optional = {name for name in wanted if name.endswith("num_batches_tracked") and name not in header.tensors}
        check_against(header, {name: shape for name, shape in wanted.items() if name not in optional}, text)
        names = [name for name in wanted if name not in optional]
        tensors = read_tensors(source, file, names, header=header, progress=progress)
        tensors |= {name: torch.tensor(0) for name in optional}
        fill(module, tensors, where=text)
    return Filters(module, backbone=found.full_name, cut=where, input=feed, weights=weights)


def _weights_source(backbone: Backbone, weights: str) -> tuple[Any, str]:
    """The source and the file in it that a `--weights` word names."""
    tags = backbone.maker.weights(backbone.name)
    path = Path(weights)
    if weights in tags:
        return parse_source(tags[weights]), WEIGHTS_FILE
    if path.suffix == ".safetensors" and not weights.startswith("hf://"):
        if not path.is_file():
            raise ZooError(f"{weights}: there is no such file. Say --weights random, {_listed(tags)}.")
        return FolderSource(path.parent), path.name
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl"):
        raise ZooError(
            f"{weights}: only safetensors are read, because a pickle can run any code. "
            "Convert it first: safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'model.safetensors')."
        )
    if "/" in weights or path.is_dir():
        return parse_source(weights), WEIGHTS_FILE
    raise UsageError(f"{backbone.full_name} has no weights called {weights!r}. Say --weights random, {_listed(tags)}.")


def _listed(tags: Mapping[str, str]) -> str:
    return ", ".join([*tags, "a safetensors file", "a folder or hf://owner/name"])


def fill(module: nn.Module, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Give a module on the meta device its tensors, in float32. Raises IntegrityError where they do not fit."""
    ready = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    try:
        module.load_state_dict(ready, strict=True, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise IntegrityError(f"{where}: the weights do not fit the network: {first} Fetch them again.") from error
    for parameter in module.parameters():
        parameter.requires_grad_(True)
