"""The card of published filters: README.md with the Hub's metadata on top, and a checksum that shows edits."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.contracts import Box, Categories, Cut, Multilabel, Target
from zoo.files import write_atomically
from zoo.hub import CardMetadata, EvaluationResult, format_front_matter
from zoo.plots import render_page
from zoo.store import CARD_FILE
from zoo.training import DatasetRecord, SplitsRecord

README = CARD_FILE
CARD_TAG = "feature-filters"  # the tag that `zoo search` looks for
CARD_TAGS = ("zoo", CARD_TAG)
TASKS = {Categories: "image-classification", Multilabel: "image-classification", Box: "object-detection"}

_CHECKSUM = re.compile(
    r"\n<!-- zoo wrote this card ([0-9a-f]{16}); once it is edited, `zoo push` leaves it alone -->\n\Z"
)
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n.*?^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_DATASET = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9](?:[\w.-]*\w)?")


PICTURES = ("confusion", "curves", "patches", "dreams", "activations", "drift", "filters")  # that a card shows


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The content of a model card."""

    name: str
    license: str
    about: str
    backbone: str
    cut: Cut
    size: int
    dtype: str
    parameters: int
    use: str  # the argument of zoo.load in the example: "owner/name"
    base: str | None  # published filters, by name
    base_repo: str | None  # where the weights began, "owner/name" of the Hub
    base_license: str | None
    weights: str
    dataset: DatasetRecord
    dataset_license: str | None
    splits: SplitsRecord
    device: str
    versions: Mapping[str, str]
    crop: str  # in words; empty: whole pictures
    uses_true_boxes: bool  # cropped to the true boxes: the scores do not hold for new pictures, which have none
    seed: int
    seconds: float
    heads: Mapping[str, Target]
    targets: Mapping[str, Target]  # of all heads that were trained
    figures: Mapping[str, Any]


def write_card(path: Path, card: ModelCard) -> None:
    """Write the card; every number in it comes from the run."""
    pictures = {found.name for found in path.parent.glob("*.png")}
    write_atomically(path, _with_checksum(f"{format_front_matter(_metadata(card))}\n{_body(card, pictures)}"))


def is_generated_card(content: bytes) -> bool:
    """Whether a README is a card as zoo wrote it: with its checksum, and not edited since."""
    text = content.decode("utf-8", "replace")
    seal = _CHECKSUM.search(text)
    return bool(seal and seal[1] == _digest(text[: seal.start()]))


def has_body(content: bytes) -> bool:
    """Whether a README says anything below its metadata; those that the Hub itself makes do not."""
    return bool(_FRONT_MATTER.sub("", content.decode("utf-8", "replace"), count=1).strip())


def _with_checksum(text: str) -> str:
    return f"{text}\n<!-- zoo wrote this card {_digest(text)}; once it is edited, `zoo push` leaves it alone -->\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _metadata(card: ModelCard) -> CardMetadata:
    dataset = card.dataset.name.rpartition(":")[2]
    return CardMetadata(
        name=card.name,
        license=card.license,
        library="zoo",
        tags=CARD_TAGS,
        task="image-feature-extraction",
        base_model=card.base_repo,
        datasets=(dataset,) if _can_be_dataset(dataset) else (),
        results=() if card.uses_true_boxes else tuple(_results(card, dataset)),
        own={"backbone": card.backbone.rpartition("/")[2], "cut": card.cut.name},
    )


def _results(card: ModelCard, dataset: str) -> Iterator[EvaluationResult]:
    for split, by_head in card.figures.items():
        for head, metrics in by_head.items():
            task = TASKS.get(type(card.targets[head]), "other") if head in card.targets else "other"
            for metric, value in metrics.items():
                if isinstance(value, float) and math.isfinite(value):
                    yield EvaluationResult(
                        task=task, head=head, dataset=dataset, split=split, metric=metric, value=value
                    )


def _can_be_dataset(name: str) -> bool:
    """Whether the Hub takes the text for a dataset's name; it refuses the whole card for one that cannot be."""
    fits = _DATASET.fullmatch(name) is not None and len(name) <= 96
    return fits and "--" not in name and ".." not in name and not name.endswith(".git")


def _body(card: ModelCard, pictures: set[str]) -> str:
    scores = {
        f"{split}, {head}": {key: value for key, value in metrics.items() if isinstance(value, float)}
        for split, by_head in card.figures.items()
        for head, metrics in by_head.items()
    }
    text = render_page(
        "card.md.j2",
        package="zoo.publish",
        escape=False,
        card=card,
        short=card.backbone.rpartition("/")[2],
        origin=_describe_origin(card),
        options=", ".join(f"{key} = {value}" for key, value in card.dataset.options.items()),
        scores=scores,
        columns=list(dict.fromkeys(column for figures in scores.values() for column in figures)),
        classes={name: one.names for name, one in card.heads.items() if isinstance(one, Categories)},
        shown=list(_pictures_to_show(pictures)),
    )
    return text.rstrip() + "\n"


def _pictures_to_show(pictures: set[str]) -> Iterator[tuple[str, str, str]]:
    """What the card has to show: kind, layer and file; files that it does not know stay unmentioned."""
    for kind in PICTURES:
        pattern = rf"{kind}-(.+)\.png" if kind in ("patches", "dreams") else rf"{kind}()\.png"
        yield from ((kind, found[1], file) for file in sorted(pictures) if (found := re.fullmatch(pattern, file)))


def _describe_origin(card: ModelCard) -> str:
    """`were fine-tuned from ...`, and where that is not on the Hub, which the metadata can name, that it is not."""
    if card.base:
        what = f"were fine-tuned from `{card.base}`"
        what += f" (`{card.base_repo}`)" if card.base_repo else ", which has no repository of its own on the Hub"
    elif card.weights == "random":
        return "began as random numbers"
    else:
        what = f"began with `{card.weights}` weights" + (f" (`{card.base_repo}`)" if card.base_repo else "")
    return what + (f", licence {card.base_license}" if card.base_license else "")
