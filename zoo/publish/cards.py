"""The card of published filters: README.md with the Hub's metadata on top, and a checksum that shows edits."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.contracts import Box, Categories, Multilabel
from zoo.errors import printable
from zoo.files import write_atomically
from zoo.hub import CardMetadata, EvaluationResult, format_front_matter
from zoo.models import Model
from zoo.plots import escape_markdown, markdown_code, render_page
from zoo.publish.lineage import without_folders
from zoo.store import CARD_FILE, NOTICE_FILE, Metrics, RunRecord, bare_card
from zoo.training import Run

README = CARD_FILE
CARD_TAG = "feature-filters"  # the tag that `zoo search` looks for
CARD_TAGS = ("zoo", CARD_TAG)
TASKS = {Categories: "image-classification", Multilabel: "image-classification", Box: "object-detection"}

CHECKSUM = "<!-- zoo wrote this card {}; once it is edited, `zoo push` leaves it alone -->"

_CHECKSUM = re.compile(rf"\n{CHECKSUM.format('([0-9a-f]{16})')}\n\Z")
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n.*?^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_DATASET = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9](?:[\w.-]*\w)?")


PICTURES = ("confusion", "curves", "patches", "dreams", "activations", "drift", "filters")  # that a card shows
PicturePolicy = Literal["none", "open", "all"]  # which patches of pictures: none, those of an open licence, all


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Name, licences and options of an export."""

    name: str = ""
    license: str = ""
    about: str = ""
    use: str = ""  # the argument of zoo.load in the card's example; the name where not given
    base_repo: str | None = None  # "owner/name" of the Hub, where the weights began
    base_license: str | None = None
    dataset_license: str | None = None
    dtype: str = "float32"
    heads: bool = True
    merged: bool = False  # publish the whole weights of a run with an adapter, not its update alone
    repeats: tuple[Run, ...] = ()  # of the same recipe with other seeds
    pictures: PicturePolicy = "open"
    notice: Path | str | None = None  # a file of attributions to go along, beside those of the base


def write_card(path: Path, run: Run, model: Model, options: ExportOptions, *, base: str | None = None) -> None:
    """Write the card of a run; every number in it comes from the run, its pictures lie beside it.

    Args:
        base: what the published weights are an update of; None where they are whole.
    """
    text = f"{format_front_matter(_metadata(run, model, options))}\n{_body(path.parent, run, model, options, base)}"
    text = printable(text)  # the metadata have no escapes for bidi overrides
    write_atomically(path, f"{text}\n{CHECKSUM.format(_digest(text))}\n")


def is_generated_card(content: bytes) -> bool:
    """Whether a README is a card as zoo wrote it: with its checksum, and not edited since."""
    text = bare_card(content).decode("utf-8", "replace")
    seal = _CHECKSUM.search(text)
    return bool(seal and seal[1] == _digest(text[: seal.start()]))


def has_body(content: bytes) -> bool:
    """Whether a README says anything below its metadata; those that the Hub itself makes do not."""
    return bool(_FRONT_MATTER.sub("", content.decode("utf-8", "replace"), count=1).strip())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _metadata(run: Run, model: Model, options: ExportOptions) -> CardMetadata:
    dataset = run.record.dataset.called
    return CardMetadata(
        name=options.name,
        license=options.license,
        library="zoo",
        tags=CARD_TAGS,
        task="image-feature-extraction",
        base_model=options.base_repo,
        datasets=(dataset,) if not run.record.dataset.title and _can_be_dataset(dataset) else (),
        results=() if run.uses_true_boxes else tuple(_results(run, model, dataset)),
        own={"backbone": model.filters.backbone.rpartition("/")[2], "cut": model.filters.cut.name},
    )


def _results(run: Run, model: Model, dataset: str) -> Iterator[EvaluationResult]:
    for split, by_head in run.metrics.items():
        for head, metrics in by_head.items():
            task = TASKS.get(type(model.head(head).target), "other") if head in model.heads else "other"
            for metric, value in metrics.items():
                if isinstance(value, float) and math.isfinite(value):
                    yield EvaluationResult(
                        task=task, head=head, dataset=dataset, split=split, metric=metric, value=value
                    )


def _can_be_dataset(name: str) -> bool:
    """Whether the Hub takes the text for a dataset's name; it refuses the whole card for one that cannot be."""
    fits = _DATASET.fullmatch(name) is not None and len(name) <= 96
    return fits and "--" not in name and ".." not in name and not name.endswith(".git")


def _body(folder: Path, run: Run, model: Model, options: ExportOptions, base: str | None) -> str:
    scores = {
        f"{split}, {head}{f', seed {one.recipe.seed}' if options.repeats else ''}": metrics
        for one in (run, *options.repeats)
        for split, by_head in scalar_metrics(one).items()
        for head, metrics in by_head.items()
    }
    targets = {name: model.head(name).target for name in model.heads} if options.heads else {}
    text = render_page(
        "card.md.j2",
        package="zoo.publish",
        run=run,
        record=run.record,
        model=model,
        options=options,
        backbone=model.filters.backbone.rpartition("/")[2],
        cut=model.filters.cut,
        base=base,
        parameters=sum(parameter.numel() for parameter in model.filters.module.parameters()),
        origin=_describe_origin(run.record, options),
        crop=_describe_crop(run.record),
        scores=scores,
        columns=list(dict.fromkeys(column for figures in scores.values() for column in figures)),
        classes={name: one.names for name, one in targets.items() if isinstance(one, Categories)},
        notice=(folder / NOTICE_FILE).is_file(),
        shown=list(_pictures_to_show(folder)),
    )
    return text.rstrip() + "\n"


def scalar_metrics(run: Run) -> Metrics:
    """A run's metrics without those that are tables."""
    return {
        split: {
            head: {key: value for key, value in metrics.items() if isinstance(value, float)}
            for head, metrics in by_head.items()
        }
        for split, by_head in run.metrics.items()
    }


def _pictures_to_show(folder: Path) -> Iterator[tuple[str, str, str]]:
    """What the card has to show: kind, layer and file; files that it does not know stay unmentioned."""
    files = sorted(found.name for found in folder.glob("*.png"))
    for kind in PICTURES:
        pattern = rf"{kind}-(.+)\.png" if kind in ("patches", "dreams") else rf"{kind}()\.png"
        yield from ((kind, found[1], file) for file in files if (found := re.fullmatch(pattern, file)))


def _describe_origin(record: RunRecord, options: ExportOptions) -> str:
    """`were fine-tuned from ...`, and where that is not on the Hub, which the metadata can name, that it is not."""
    repo = options.base_repo and markdown_code(options.base_repo)
    if record.base:
        what = f"were fine-tuned from {markdown_code(record.base.name)}"
        what += f" ({repo})" if repo else ", which has no repository of its own on the Hub"
    elif record.weights == "random":
        return "began as random numbers"
    else:
        what = f"began with {markdown_code(without_folders(record.weights))} weights"
        what += f" ({repo})" if repo else ""
    return what + (f", licence {escape_markdown(options.base_license)}" if options.base_license else "")


def _describe_crop(record: RunRecord) -> str:
    facts = record.crop
    if facts is None:
        return ""
    what = f"the boxes of {markdown_code(crop_name(record))}" if facts.weights else "their true boxes"
    return f"cropped first to {what}, with a margin of {facts.margin:g}"


def crop_name(record: RunRecord) -> str | None:
    """What `crop` named, without the author's folders."""
    facts = record.crop
    if facts is None:
        return None
    return facts.by if facts.source else Path(facts.by).name
