"""What filters are, in facts and figures: from manifest and metrics.json, or a run. Untrusted input."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError, ZooError, one_line
from zoo.files import parse_json
from zoo.models import Filters
from zoo.training import Run

LARGEST_FILE = 16 * 2**20  # bytes of a file that is read for a page
MOST_CLASSES = 60  # classes that are named
_REPOSITORY = re.compile(r"(hf://)?[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMetrics:
    """The figures of one head on one split."""

    split: str
    head: str
    figures: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FiltersDescription:
    """What a page says of filters."""

    name: str
    about: str
    facts: tuple[tuple[str, str], ...]  # title and text
    classes: tuple[str, ...]  # of the first head that has any
    scores: tuple[HeadMetrics, ...]
    headline: str  # "93.0%", empty where nothing was measured
    meaning: str  # what that figure says
    use: str  # what zoo.load is given
    cut: str | None  # where it is not the published one
    width: int  # D, how many numbers a vector has
    notes: tuple[str, ...] = ()  # what could not be read


def describe_filters(filters: Filters, *, use: str = "", run: Run | None = None) -> FiltersDescription:
    """Gather what is known of filters.

    Args:
        filters: to describe.
        use: what they were loaded by; a path is never shown, the published name stands for it.
        run: the training that they come from, for its figures.

    Raises:
        UsageError: the run trained another backbone or cut.
    """
    manifest, notes = filters.manifest, list[str]()
    if run is not None:
        _check_run(filters, run)
    metrics = dict(run.metrics) if run is not None else {}
    counts: Mapping[str, Any] = run.record.splits.model_dump() if run is not None else {}
    if run is None:
        metrics, counts = _read_artifact_metrics(filters, notes)
    scores = tuple(_collect_metrics(metrics))
    heads = manifest.heads if manifest else ()
    classes = next((head.target.names for head in heads if head.target.names), ())
    headline, meaning = _headline(scores, counts, len(classes))
    return FiltersDescription(
        name=one_line(filters.name),
        about=one_line(manifest.about) if manifest else "",
        facts=tuple((title, one_line(text)) for title, text in _facts(filters, classes) if text),
        classes=tuple(one_line(name) for name in classes),
        scores=scores,
        headline=headline,
        meaning=meaning,
        use=use if _NAME.fullmatch(use) or _REPOSITORY.fullmatch(use) else filters.name,
        cut=filters.cut.name if manifest and manifest.cut.name != filters.cut.name else None,
        width=filters.cut.channels,
        notes=tuple(notes),
    )


def _facts(filters: Filters, classes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    manifest, cut = filters.manifest, filters.cut
    yield "Backbone", filters.backbone.rpartition("/")[2]
    yield "Cut", f"{cut.name} ({cut.node})" if cut.name != cut.node else cut.name
    yield "Vector", f"{cut.channels} numbers, one cell for {cut.stride} × {cut.stride} pixels"
    yield "Input", f"{filters.input.size} × {filters.input.size} pixels"
    parameters = sum(parameter.numel() for parameter in filters.module.parameters())
    stored = f", {manifest.files['model.safetensors'].size / 1e6:.1f} MB as {manifest.dtype}" if manifest else ""
    yield "Size", f"{parameters / 1e6:.2f} million weights{stored}"
    yield "Classes", f"{len(classes)}" if classes else ""
    if manifest:
        lineage = manifest.lineage
        began = lineage.base or lineage.weights
        yield "Started from", {"random": "random weights"}.get(began, began)
        yield "Learnt from", lineage.dataset or ""
        yield "Licence", manifest.license


def _read_artifact_metrics(filters: Filters, notes: list[str]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    try:
        raw = filters.published.read_file("metrics.json", limit=LARGEST_FILE) if filters.published else None
        content = parse_json(raw) if raw else {}
        figures, splits = content.get("figures", content), content.get("splits", {})
        return (figures if isinstance(figures, dict) else {}), (splits if isinstance(splits, dict) else {})
    except (ZooError, ValueError, AttributeError):
        notes.append("metrics.json cannot be read: no figures are shown.")
        return {}, {}


def _collect_metrics(metrics: Mapping[str, Any]) -> Iterator[HeadMetrics]:
    for split, heads in metrics.items():
        for head, figures in heads.items() if isinstance(heads, dict) else ():
            single = tuple(
                (one_line(key.replace("_", " ")), float(value))
                for key, value in (figures.items() if isinstance(figures, dict) else ())
                if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            )
            if single:
                yield HeadMetrics(split=one_line(split), head=one_line(head), figures=single)


def _headline(scores: tuple[HeadMetrics, ...], counts: Mapping[str, Any], classes: int) -> tuple[str, str]:
    """The accuracy on test pictures, else on validation pictures."""
    for split, key in (("test", "test"), ("validation", "val")):
        for score in scores:
            accuracy = dict(score.figures).get("accuracy")
            if score.split == split and accuracy is not None and 0 <= accuracy <= 1:
                count = counts.get(key)
                many = f"{count:,} " if isinstance(count, int) and not isinstance(count, bool) else ""
                among = f", among {classes} classes" if classes else ""
                return f"{100 * accuracy:.1f}%", f"of {many}{split} pictures are named rightly{among}"
    return "", ""


def _check_run(filters: Filters, run: Run) -> None:
    described = run.record.model
    mine = (filters.backbone, filters.cut.node)
    theirs = (described.backbone, described.cut.node)
    if mine != theirs:
        raise UsageError(
            f"{run.folder} trained {theirs[0]} at {theirs[1]}, but {filters.name} is {mine[0]} at {mine[1]}. "
            "Name the run that these filters come from."
        )
