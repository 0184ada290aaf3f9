"""Pictures with annotations, whatever table they come from, as a dataset: which box counts, and what is cut out."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

import zoo
from zoo.data import find_window
from zoo.errors import FileError, UsageError
from zoo.progress import Progress, silent
from zoo_coco.boxes import Corners, area_of
from zoo_coco.problems import Problems

Boxes = Literal["largest", "each"]

ALIKE = 0.02  # how far two shapes of pictures, width over height, may differ and still be one picture resized

MANY = "the picture has several boxes; the largest counts (`options={'boxes': 'each'}` takes all)"
BOXLESS = "the picture has boxes, and things without one beside them, which were set aside"
SEVERAL_KINDS = "the picture has several kinds and no box to tell them apart; it was left out"
CONTRADICTED = "the picture is said to be empty and not to be; what is in it counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One thing in a picture, or the word that there is none."""

    label: str | None  # None: not known
    box: Corners | None = None  # None: not known
    is_nothing: bool = False  # the picture is empty
    facts: Mapping[str, Any] = field(default_factory=dict)  # what else the table says


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatedPicture:
    """One picture and all that is said of it; without annotations nothing is known."""

    path: str  # relative to the dataset's folder, with forward slashes
    annotations: Sequence[Annotation]
    group: str | None = None
    split: str | None = None
    size: tuple[float, float] | None = None  # width and height that the boxes were measured by, pixels
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxedSample:
    """A picture, and the one thing of it that counts."""

    picture: AnnotatedPicture
    label: str | None = None
    box: Corners | None = None
    box_known: bool = False  # without a box: it is known that there is none
    facts: Mapping[str, Any] = field(default_factory=dict)


class AnnotatedDataset(zoo.Dataset):
    """What the datasets of this package share: targets `label` and `box`, and how samples are made.

    Args:
        boxes: of several boxes in a picture the `largest` counts, or `each` is a sample of its own.
        margin: with `boxes=each`, what the window round a box shows beside it, a share of the box's longer side.
        whole: with `boxes=each`, the whole picture in place of a window.
        least: classes of fewer samples are not learnt.

    Raises:
        UsageError: options that mean nothing.
    """

    needs_folder: ClassVar[bool] = True

    def __init__(self, *, boxes: Boxes, margin: float, whole: bool, least: int) -> None:
        if not margin >= 0:
            raise UsageError(f"margin={margin:g} is no share of a box's side.", "Pass 0 or more, such as 0.5.")
        if least < 2:
            raise UsageError(f"least={least} is too few to learn and to test.", "Pass 2 or more.")
        self.boxes: Boxes = boxes
        self.least = least
        self.problems: tuple[str, ...] = ()
        self.targets: Mapping[str, zoo.Target] = {}
        self._margin = margin if boxes == "each" and not whole else None  # None: nothing is cut out
        self._root = Path()
        self._samples: Sequence[BoxedSample] = ()
        self._number: Mapping[str, int] = {}

    @abstractmethod
    def _read(self, root: Path, problems: Problems, progress: Progress) -> list[AnnotatedPicture]:
        """All pictures that are there. Raises FileError: a table cannot be used at all."""

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Read the tables; pictures are opened only where a box's unit cannot be told without.

        What stops nobody is a `ZooWarning` a sort; `problems` has every case.

        Raises:
            FileError: no such folder, a table that cannot be used, no pictures, or nothing to learn.
        """
        if not root.is_dir():
            raise FileError(root, "there is no such folder", "Check `root=`.")
        problems = Problems()
        pictures = self._read(root, problems, progress)
        if not pictures:
            raise FileError(
                root,
                f"none of the pictures can be used: {problems.counts() or 'the table names none'}",
                "Name their folder: `options={'images': 'DIR'}`.",
            )
        samples = [sample for picture in pictures for sample in self._choose(picture, problems)]
        counts = Counter(sample.label for sample in samples if sample.label is not None)
        rare = {name for name, count in counts.items() if count < self.least}
        for name in sorted(rare):
            problems.add(f"a class of fewer than {self.least} samples; its name is not learnt", name)
        names = sorted(counts.keys() - rare)
        has_boxes = any(sample.box is not None for sample in samples)
        if len(names) < 2 and not has_boxes:
            said = f"the only class is {names[0]}" if names else "there are no labels and no boxes"
            raise FileError(
                root,
                f"{said}: nothing can be learnt ({problems.counts() or 'nothing was set aside'})",
                "Two classes or more are needed, or boxes: check the table and the options.",
            )
        if len(names) == 1:
            problems.add("the only class, of which nothing can be learnt; the boxes are left", names[0])
        self._root = root
        self._samples = samples
        self._number = {name: number for number, name in enumerate(names)} if len(names) > 1 else {}
        targets: dict[str, zoo.Target] = {"label": zoo.Categories(tuple(names))} if len(names) > 1 else {}
        self.targets = targets | ({"box": zoo.Box()} if has_boxes else {})
        self.problems = problems.lines()
        problems.warn()

    def _choose(self, picture: AnnotatedPicture, problems: Problems) -> list[BoxedSample]:
        """The samples of one picture."""
        things = [one for one in picture.annotations if not one.is_nothing]
        nothing = [one for one in picture.annotations if one.is_nothing]
        if things and nothing:
            problems.add(CONTRADICTED, picture.path)
        if not things:
            label, facts = (nothing[0].label, nothing[0].facts) if nothing else (None, {})
            return [BoxedSample(picture=picture, label=label, box_known=bool(nothing), facts=facts)]
        boxed = [one for one in things if one.box is not None]
        if not boxed:
            labelled = {one.label: one for one in reversed(things) if one.label is not None}
            if len(labelled) > 1:
                problems.add(SEVERAL_KINDS, picture.path)
                return []
            chosen = [*labelled.values(), things[0]][:1]
        elif self.boxes == "each":
            chosen = boxed
            if len(boxed) < len(things):
                problems.add(BOXLESS, picture.path)
        else:
            chosen = [max(boxed, key=lambda one: area_of(one.box or (0, 0, 0, 0)))]
            if len(boxed) > 1:
                problems.add(MANY, picture.path)
        return [
            BoxedSample(picture=picture, label=one.label, box=one.box, box_known=one.box is not None, facts=one.facts)
            for one in chosen
        ]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> zoo.Sample:
        """Decode one picture, and cut out its window.

        Raises:
            FileError: it cannot be read, or its shape is not the one that its table measured boxes by.
        """
        sample = self._samples[index]
        image = zoo.read_image(self._root / sample.picture.path)
        height, width = image.shape[-2:]
        number = self._number.get(sample.label or "")
        targets: dict[str, Any] = {} if number is None else {"label": number}
        if "box" in self.targets and sample.box_known:
            targets["box"] = None
        if sample.box is not None:
            self._check_shape(sample.picture, width, height)
            box = torch.tensor(sample.box) * torch.tensor([width, height, width, height])
            left, top, right, bottom = (0, 0, width, height)
            if self._margin is not None:
                left, top, right, bottom = find_window(box.tolist(), width, height, margin=self._margin)
                image = image[:, top:bottom, left:right].contiguous()
            box -= torch.tensor([left, top, left, top])
            targets["box"] = box.clamp(min=0).minimum(torch.tensor([right - left, bottom - top] * 2))
        return zoo.Sample(
            image=image,
            targets=targets,
            group=sample.picture.group,
            path=sample.picture.path,
            metadata=_as_texts(sample.picture.facts, sample.facts),
        )

    def _check_shape(self, picture: AnnotatedPicture, width: int, height: int) -> None:
        if picture.size is None:
            return
        across, down = picture.size[0] * height, picture.size[1] * width
        if abs(across - down) > ALIKE * max(across, down):
            said = f"{picture.size[0]:g} x {picture.size[1]:g} pixels, and it has {width} x {height}, of another shape"
            remedy = "Correct width and height there, or leave them out; the picture may have been turned."
            raise FileError(self._root / picture.path, f"its table says {said}", remedy)

    def files(self) -> Iterator[tuple[Path, Any]]:
        """The picture of every sample, and what is known of it."""
        for one in self._samples:
            window = self._margin if one.box is not None else None
            known = [one.label, one.box_known, one.box, one.picture.group, one.picture.split, window]
            yield self._root / one.picture.path, known

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """As the tables' folders are called; what nothing is known of is `unlabelled`."""
        known: dict[str, list[int]] = {}
        for index, one in enumerate(self._samples):
            is_known = one.label in self._number or ("box" in self.targets and one.box_known)
            if (split := one.picture.split if is_known else "unlabelled") is not None:
                known.setdefault(split, []).append(index)
        return known


def _as_texts(picture: Mapping[str, Any], thing: Mapping[str, Any]) -> dict[str, str]:
    """What tables say of a picture and of the thing in it, by column; a name that both have is the picture's."""
    said = dict(picture)
    for name, value in thing.items():
        said[f"annotation_{name}" if name in said and said[name] != value else name] = value
    return {name: _as_text(value) for name, value in said.items() if value not in (None, "")}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
