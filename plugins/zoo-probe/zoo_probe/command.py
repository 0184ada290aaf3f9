"""`zoo probe` and `zoo rank`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.cli import (
    data_options,
    default_filters,
    out_option,
    output_options,
    parse_pairs,
    print_json,
    print_table,
    progress_bars,
    say,
)
from zoo.errors import UsageError
from zoo.files import output_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_probe.candidates import CandidateScore
    from zoo_probe.probing import Probe
    from zoo_probe.ranking import Ranking

F = TypeVar("F", bound="Callable[..., Any]")


def scoring_options(function: F) -> F:
    """Add the options of scoring that both commands take."""
    for option in (
        click.option("--skip-unreadable", is_flag=True, help="Leave out pictures that cannot be read."),
        click.option(
            "--precision",
            type=click.Choice(["auto", "bf16", "fp32"]),
            default="auto",
            help="Number format of the computation; auto: bf16 where it is fast, else fp32.",
        ),
        click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, help="The seed of the folds."),
        click.option("--neighbours", type=int, metavar="K", help="k of k-NN; 1 to 20 by default, by the class size."),
        click.option("--folds", type=int, default=5, help="Folds of the cross-validation."),
        click.option("--per-class", type=click.IntRange(2), metavar="N", help="Pictures of a class, at most (100)."),
        click.option("--target", help="The dataset's target (labels, numbers) to score for; its first by default."),
        click.option(
            "--size", type=click.IntRange(16, 2048), help="The pictures' side in pixels; as in training by default."
        ),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("dataset")
@data_options
@click.option("--backbone", help="The network to probe; see `zoo backbones`.")
@click.option("--weights", help="Its weights: imagenet (default), random, a safetensors file, a folder or hf://….")
@click.option(
    "--filters", "name", help="Or published filters: a name of `zoo list`, owner/name …; vgg16-imagenet by default."
)
@click.option("--cut", "cuts", multiple=True, help="Score only this block or node. Repeatable; all by default.")
@scoring_options
@out_option("-o", "--out", folder=True, metavar="DIR", help="Write probe.png and probe.json there.")
@output_options
def probe(
    dataset: str,
    root: str | None,
    settings: tuple[str, ...],
    backbone: str | None,
    weights: str | None,
    name: str | None,
    cuts: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **how: Any,
) -> None:
    """Find where to cut: score every cut on DATASET (a name of `zoo data list`) without training; recommend one.

    A cut is a place where the network is cut off. Its score is the cross-validated mean accuracy of k-NN and LDA (two
    simple classifiers) on its pooled features. LogME, the log evidence of a linear model on the same features (higher
    is better), is shown for comparison only. See docs/glossary.md.

    \b
    zoo probe image-folder --data photos/
    zoo probe image-folder --data photos/ --backbone vgg16 -o probe/
    """
    if name and backbone:
        raise UsageError("Say what to cut: --backbone vgg16, or --filters NAME; not both.")
    if weights and not backbone:
        raise UsageError("Say either --filters, which have weights, or --backbone with --weights.")
    from zoo.data import open_dataset
    from zoo_probe.probing import probe as score_cuts

    if not backbone and not name:
        name = default_filters(f"zoo probe {dataset}", cut="")
    how = {key: value for key, value in how.items() if value is not None}
    with progress_bars(quiet=quiet) as progress:
        data = open_dataset(dataset, root, options=parse_pairs(settings, option="--set"), progress=progress)
        found = score_cuts(
            data, name, backbone=backbone, weights=weights or "imagenet", cuts=cuts or None, progress=progress, **how
        )
    if out:
        _write(found, out)
    if as_json:
        print_json(found.as_dict())
        return
    _print_probe(found)
    if out:
        say(f"Written: {out / 'probe.png'}, {out / 'probe.json'}")


@click.command()
@click.argument("dataset")
@data_options
@click.option(
    "--filters",
    "names",
    multiple=True,
    metavar="NAME",
    help="Filters to compare. Repeatable; by default all of `zoo list` on this disk.",
)
@scoring_options
@output_options
def rank(
    dataset: str,
    root: str | None,
    settings: tuple[str, ...],
    names: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **how: Any,
) -> None:
    """Find which filters suit DATASET (a name of `zoo data list`): each is scored at its best cut, and ranked.

    Scores are those of `zoo probe`. Filters that cannot be told apart share a rank. Without --filters nothing is
    downloaded.

    \b
    zoo rank plankton --filters vgg16-plankton --filters owner/name
    """
    from zoo.data import open_dataset
    from zoo_probe.ranking import rank as score_filters

    how = {key: value for key, value in how.items() if value is not None}
    with progress_bars(quiet=quiet) as progress:
        data = open_dataset(dataset, root, options=parse_pairs(settings, option="--set"), progress=progress)
        found = score_filters(data, names or None, progress=progress, **how)
    if as_json:
        print_json(found.as_dict())
        return
    _print_ranking(found)


# ------------------------------------------------------------------------------------------------ printing


def _write(found: Probe, out: Path) -> None:
    from zoo.plots import save_png
    from zoo_probe.plot import draw_probe

    with output_folder(out, overwrite=True) as part:
        save_png(draw_probe(found), part / "probe.png")
        found.save(part / "probe.json")


def _columns(measure: str) -> tuple[str, ...]:
    return (
        ("score", "95% interval", "k-NN", "LDA", "LogME") if measure == "accuracy" else ("R²", "95% interval", "LogME")
    )


def _score_cells(one: CandidateScore, measure: str) -> tuple[str, ...]:
    between = f"{one.low:.3f} to {one.high:.3f}"
    if measure == "accuracy":
        return (f"{one.score:.3f}", between, f"{one.knn or 0:.3f}", f"{one.lda or 0:.3f}", f"{one.logme:.3f}")
    return (f"{one.score:.3f}", between, f"{one.logme:.3f}")


def _costs(one: CandidateScore) -> tuple[str, ...]:
    """Parameters, MB, GFLOP, MB to fetch."""
    if one.cut is None:
        return ("-", "-", "-", "-")
    fetch = f"{one.fetch_megabytes:.2f}" if one.fetch_megabytes else "-"
    return (f"{one.cut.parameters:,}", f"{one.cut.megabytes:.2f}", f"{one.cut.gflop:.2f}", fetch)


def _print_probe(found: Probe) -> None:
    from zoo_probe.summary import describe_leak

    scores = _columns(found.measure)
    costs = ("parameters", "MB", "GFLOP", "fetch MB")
    rows = [
        (
            f"* {one.title}" if one.title == found.recommended else f"  {one.title}",
            *_score_cells(one, found.measure),
            *_costs(one),
        )
        for one in (*found.cuts, *found.baselines)
    ]
    print_table(("  cut", *scores, *costs), rows, right=(*scores, *costs))
    k = f", k = {found.neighbours}" if found.neighbours else ""
    classes = f" of {found.classes} classes" if found.classes else ""
    way = f"{found.folds}{k}; intervals: {found.intervals}"
    say(f"{found.pictures:,} pictures{classes} at {found.size} px, {found.target!r}, {way}.")
    for note in found.notes:
        say(f"note: {note}")
    say(f"Recommended: {found.recommended}. {found.why}", found.verdict, out=True)
    if found.leak:
        say(
            describe_leak(found.leak, found.recommended, found.result(found.recommended).score, found.measure), out=True
        )
    say(f"{found.seconds:.1f} s")
    say(f"Next: {found.train}", out=True)


def _print_ranking(found: Ranking) -> None:
    scores = _columns(found.measure)
    last = ("behind", "GFLOP", "fetch MB")
    rows = []
    for place in found.places:
        cut, gap = place.best.cut, place.behind
        behind = "-" if gap is None else f"{gap.difference:.3f} ({gap.low:.3f} to {gap.high:.3f})"
        shared = sum(other.rank == place.rank for other in found.places) > 1
        _, _, gflop, fetch = _costs(place.best)
        rows.append(
            (
                f"{place.rank}{'=' if shared else ''}",
                place.filters,
                cut.name if cut else "-",
                place.size,
                *_score_cells(place.best, found.measure),
                behind,
                gflop,
                fetch,
            )
        )
    for one in found.floor:
        _, _, gflop, _ = _costs(one)
        rows.append(("floor", one.title, "-", "-", *_score_cells(one, found.measure), "-", gflop, "-"))
    print_table(("rank", "filters", "cut", "px", *scores, *last), rows, right=("px", *scores, *last))
    k = f", k = {found.neighbours}" if found.neighbours else ""
    way = f"{found.folds}{k}; intervals: {found.intervals}"
    say(f"{found.pictures:,} pictures, {found.target!r}, {way}. = tied: the interval contains 0.")
    for name, why in found.passed_over.items():
        say(f"passed over: {name}: {why}")
    for note in found.notes:
        say(f"note: {note}")
    say(found.verdict, out=True)
    say(f"{found.seconds:.1f} s")
