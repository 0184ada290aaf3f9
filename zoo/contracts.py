"""What a plugin author implements: the one page to read.

Seven kinds of plugin, each announced by a pip package as an entry point:

    [project.entry-points."zoo.datasets"]    whales = "zoo_whales:Whales"      a `Dataset`, or a family of them
    [project.entry-points."zoo.heads"]       count  = "zoo_whales:Count"       a `Head`
    [project.entry-points."zoo.backbones"]   whales = "zoo_whales:Networks"    a `Backbones` family
    [project.entry-points."zoo.balancers"]   even   = "zoo_whales:Even"        a `Balancer`
    [project.entry-points."zoo.registries"]  whales = "zoo_whales"             a package with a registry.toml
    [project.entry-points."zoo.commands"]    count  = "zoo_whales:count"       a click command, `zoo count`
    [project.entry-points."zoo.formats"]     coco   = "zoo_whales:Coco"        a `Format`

The contract's version is the core's: a package says which it is made for, `dependencies = ["filterzoo>=0.2,<0.3"]`,
and is not imported by another. Options of datasets, heads and formats are keyword-only arguments with defaults and type
hints: what the command line and recipes take, and their error messages, are derived from the signature.
`zoo plugins check NAME` and `zoo.testing` say whether it keeps what this page asks; docs/plugins.md has examples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from zoo.progress import Progress, silent

if TYPE_CHECKING:  # torchmetrics imports torchvision: three seconds that loading filters need not pay
    from torchmetrics import MetricCollection

# ------------------------------------------------------------------------------------------------ targets


@dataclass(frozen=True, slots=True)
class Categories:
    """One of several classes a picture. In a sample: an int, the index into `names`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """One box a picture, or none. In a sample: float (4,) x1, y1, x2, y2 in pixels of the sample's image."""


@dataclass(frozen=True, slots=True)
class Number:
    """One real number a picture, in `unit`. In a sample: a float."""

    unit: str = ""


@dataclass(frozen=True, slots=True)
class Multilabel:
    """Any number of labels a picture. In a sample: float (len(names),) of zeros and ones."""

    names: tuple[str, ...]


Target = Categories | Box | Number | Multilabel
TARGETS: Mapping[str, type[Target]] = {one.__name__.lower(): one for one in (Categories, Box, Number, Multilabel)}

# ------------------------------------------------------------------------------------------------ datasets


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A picture and what is known of it."""

    image: Tensor  # uint8 (3, H, W), RGB; every picture may have its own size
    targets: Mapping[str, Any] = field(default_factory=dict)  # by target name; a missing one adds no loss
    group: str | None = None  # the boat, the camera, the haul: a group is never divided between splits
    path: str | None = None  # where it came from, for messages and predictions
    metadata: Mapping[str, str] = field(default_factory=dict)  # what else a table says of it, by column


SPLITS = {name: name for name in ("train", "val", "test", "unlabelled")} | {"valid": "val", "validation": "val"}
"""What folders and tables call splits, and what the core calls them."""


class Dataset(ABC):
    """Pictures with named targets.

    A dataset is made from its options alone; `prepare` then ties it to a folder and fills `targets`. The
    core decodes every sample once, resizes it and keeps it in a cache: nothing here needs to be fast.
    """

    targets: Mapping[str, Target]
    """The targets by name; filled by `prepare` at the latest."""

    symmetry: ClassVar[Literal["none", "mirror", "turns"]] = "mirror"
    """What preserves a picture's meaning: nothing (digits), left for right, or any turn and mirror (plankton)."""

    needs_folder: ClassVar[bool] = False
    """True where the user must say `root`; False where `prepare` can fill an empty folder by itself."""

    family: ClassVar[Sequence[str] | None] = None
    """The names of several datasets in one, `whales/humpbacks`, made as `Whales("humpbacks", **options)`; (): any."""

    archives: ClassVar[Sequence[str]] = ()
    """How files end that `root` may be in place of a folder, `.zip`, in lower case; `prepare` is given the file."""

    license: str = ""
    """The pictures' licence, a word of the Hub's (`cc0-1.0` for drawn ones); empty: unknown, the publisher says it."""

    title: str = ""
    """What cards and reports call the pictures; empty: their folder's name where the user must say it, else ours."""

    @abstractmethod
    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Fill an empty folder (draw, unpack), or check what lies there; the second call is free.

        Args:
            root: the folder that the user named, else one of the dataset's own, which may be empty.
            progress: called with how far the work is.

        Raises:
            FileError: what lies there is not this dataset.
        """

    def download(self, root: Path, progress: Progress = silent) -> None:  # noqa: B027
        """Fetch what a folder lacks, whole; called by `zoo data make` alone, before `prepare`. Raises FetchError."""

    @abstractmethod
    def __len__(self) -> int:
        """How many pictures there are, after `prepare`."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Decode one picture; called from several threads at once. Raises FileError, as `zoo.read_image` does."""

    def files(self) -> Iterable[tuple[Path, Any]] | None:
        """Every picture's file, in order, and what is known of it (label, group, split), as JSON can say it.

        By this and the files' content a run knows its pictures again. None: by every file of the folder.
        """
        return None

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """Indices by split: `train`, `val`, `test`, `unlabelled`. Whatever is missing the core draws by group."""
        return {}


# ------------------------------------------------------------------------------------ heads and balancers


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureShape:
    """The features that a head is given for one picture: channels, rows, columns."""

    channels: int
    height: int
    width: int


class Head(nn.Module, ABC):
    """What is trained on top of filters for one target; built as `Head(shape, target, **options)`.

    Args:
        shape: of the features of one picture.
        target: what it is trained on; an instance of `learns`.
    """

    learns: ClassVar[type[Target]] = Categories

    def __init__(self, shape: FeatureShape, target: Target) -> None:
        super().__init__()
        self.shape, self.target = shape, target

    def reduce(self, features: Tensor) -> Tensor:
        """What this head needs of the features, without parameters (a mean over the map).

        While the filters are frozen the core keeps only this in memory, one row a picture.

        Shapes: features (N, C, H, W) float -> (N, …) float.
        """
        return features

    @abstractmethod
    def forward(self, reduced: Tensor) -> Tensor:
        """Shapes: what `reduce` gave, (N, …) float -> the raw output, (N, …) float."""

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean loss, a scalar. Only rows whose target is known are given.

        Shapes: output (N, …); target (N,) int64 for categories, (N, 4) float in 0 to 1 of the picture's width
        and height for a box (NaN: there is none), (N,) float for a number, (N, K) float for multilabel.
        """

    @abstractmethod
    def predict(self, output: Tensor) -> Tensor:
        """The answer in the target's own terms: probabilities (N, K), boxes (N, 4), numbers (N,).

        Boxes are x1, y1, x2, y2 in 0 to 1; a fifth column may say how likely it is that there is one at all.
        Without parameters of its own: it may be called on another device than the head's.
        """

    @abstractmethod
    def metrics(self) -> MetricCollection:
        """Fresh torchmetrics, updated with (prediction, target)."""

    def summary(self, answers: np.ndarray) -> Mapping[str, Sequence[str | float]] | None:
        """What tables say first, by column; None: the two likeliest classes, if any. Shapes: float32 (N, K) -> (N,)."""
        return None

    watch: ClassVar[str] = ""
    """The metric that picks the best epoch, `log_loss`; empty: the loss itself, on the validation pictures."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"
    """Whether that metric is better when higher or lower."""

    gives_logits: ClassVar[bool] = False
    """True where the output is one logit a class, which may be divided by a temperature fitted after training."""


class Balancer(nn.Module):
    """How the losses of several heads become one step; as it stands, their weighted sum.

    Built as `Balancer(weights)`. Another scalar overrides `combine`; who works on the heads' gradients overrides
    `backward`. Its own parameters are trained along with the model's at the heads' rate; checkpoints keep them,
    and they are never published.

    Args:
        weights: what the user gave each head, by name, over 0. Heads of weight 0 are not passed to a balancer.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The scalar to minimise.

        Args:
            losses: scalars by head, not weighted yet; a head whose target no picture of the batch has is left out.
        """
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()

    def backward(self, losses: Mapping[str, Tensor], features: Tensor, shared: Sequence[nn.Parameter]) -> None:
        """Add to `.grad` of the heads' and of the shared parameters. Called only where shared parameters are trained.

        Args:
            features: what the filters handed to the heads, (N, C, H, W) float, with its graph.
            shared: the trained parameters below the features.
        """
        self.combine(losses).backward()


# ------------------------------------------------------------------------------------------------ backbones


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The input of a backbone: square RGB pictures in 0 to 1, minus the mean, divided by the standard deviation."""

    size: int = 224  # pixels
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where a backbone stops, and what leaves it."""

    name: str  # "block4", or the node itself
    node: str  # the last node of the truncated network, "features.22"
    channels: int  # 512
    stride: int  # input pixels per output cell, 8
    parameters: int = 0  # that remain
    gflop: float = 0.0  # a picture, multiply and add counted as two, at the backbone's input size
    layout: Literal["NCHW", "NHWC", "NLC"] = "NCHW"  # how the node lays its output out; NLC: tokens

    @property
    def megabytes(self) -> float:
        """The size of the weights that remain, float32, in 10^6 bytes."""
        return self.parameters * 4 / 1e6


class Backbones(ABC):
    """A family of networks; one entry point serves many names, `family/name`."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """The networks' names, without the family."""

    @abstractmethod
    def build(self, name: str) -> nn.Module:
        """The whole network with fresh weights. Under `zoo.networks.on_meta` it must allocate nothing."""

    def __contains__(self, name: object) -> bool:
        """Whether the family has that name; override it where `names` is slow."""
        return name in self.names()

    def weights(self, name: str) -> Mapping[str, str]:
        """Sources of pretrained weights in safetensors form, by tag: `{"imagenet": "hf://owner/repo"}`."""
        return {}

    def license(self, name: str, source: str) -> str:
        """The licence of the weights at one of those sources, where the Hub does not say; empty: not known."""
        return ""

    def input(self, name: str) -> Input:
        """What the network was made for."""
        return Input()

    def cuts(self, name: str) -> Sequence[Cut] | None:
        """The cuts, where tracing cannot tell them or this is faster; None: trace."""
        return None

    def truncated(self, name: str, cut: Cut) -> nn.Module | None:
        """The network up to the cut, with the whole network's parameter names; None: trace and cut."""
        return None


# ------------------------------------------------------------------------------------------------ formats


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionTable:
    """What a model says of pictures, a row each; texts as they were found (see `zoo.evaluation.for_spreadsheet`)."""

    images: tuple[str, ...]  # (N) paths as the user gave them
    names: tuple[str, ...]  # (N) what the pictures are called: below the one folder that was given, else their paths
    summary: Mapping[str, tuple[str | float, ...]]  # by column, (N): `class`, `probability`, `second`, …; see as_table
    columns: tuple[str, ...]  # (K) class names; x1, y1, x2, y2, presence of a box; `head:class` where heads are several
    values: np.ndarray  # (N, K) float32, not to be written to: probabilities in 0 to 1, boxes in pixels of the picture
    sizes: tuple[tuple[int, int], ...]  # (N) width and height of the pictures in pixels
    metadata: Mapping[str, str] = field(default_factory=dict)  # `filters`: name, `manifest`: hash, `time`, `filterzoo`


class Format(ABC):
    """A kind of file that predictions are written to, picked by its name or by the file's suffix."""

    suffixes: ClassVar[Sequence[str]] = ()
    """How its files end, `.csv` or `.csv.gz`, in lower case; empty: it must be named. The core's go first."""

    @abstractmethod
    def write(self, predictions: PredictionTable, path: Path) -> None:
        """Write one file of one picture at least.

        Args:
            path: a temporary file. The core renames it when `write` has returned: users see it whole or not at all.
        """
