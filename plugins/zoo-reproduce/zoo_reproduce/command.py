"""`zoo reproduce`, which `zoo verify --reproduce` is too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import PATH, output_options, print_json, print_table, progress_bars, say, source_options
from zoo.errors import FileError, UsageError
from zoo.files import parse_json, temporary_folder

if TYPE_CHECKING:
    from zoo.progress import Progress
    from zoo.store import Artifact, Metrics
    from zoo.training import Recipe, Run
    from zoo_reproduce.comparison import MetricComparison

METRICS_LIMIT = 16 * 2**20  # bytes
# Between two trainings that count as one recipe's.
MAY_DIFFER: Any = {"seed": True, "filters": True, "data": {"root"}, "training": {"memory", "checkpoint_seconds"}}


@click.command()
@click.argument("name")
@click.option("-o", "--out", type=PATH, help="Keep the run in this folder; the same command goes on with it.")
@click.option("--data", "root", metavar="DIR", help="The folder of the pictures that the filters learnt from, if any.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Another seed; the recipe's own by default.")
@source_options
@output_options
def reproduce(
    name: str,
    out: Path | None,
    root: str | None,
    seed: int | None,
    device: str | None,
    as_json: bool,
    quiet: bool,
    **where: Any,
) -> None:
    """Train the filters NAME again by their recipe, and compare the test metrics with the published ones.

    A metric agrees where it lies in the 95% interval of the trainings that were published (`zoo push --repeat`), or, of
    one training alone, in the binomial interval of the test pictures. The exit status is 1 where one does not.
    """
    from zoo.store import open_artifact
    from zoo.training import read_published_recipe

    published = open_artifact(name, **where)
    recipe = read_published_recipe(published)
    data = recipe.data.model_copy(update={"root": str(Path(root).expanduser().resolve()) if root else recipe.data.root})
    recipe = recipe.model_copy(update={"data": data, "seed": recipe.seed if seed is None else seed})
    compared = _compare_with(published, {})
    if all(one.low is None for one in compared):
        problem = f"{name} was published without a share of right answers on test pictures, and without repeats"
        raise UsageError(f"{problem}: nothing says how far apart two trainings may lie.", f"See `zoo info {name}`.")
    if compared[0].seeds == 1:
        say("No repeats were published: compared with the binomial interval of the test pictures.")
    with progress_bars(quiet=quiet) as progress, temporary_folder() as part:
        notes = list(find_differences(published, recipe, progress))
        for note in notes:
            say(note)
        run = _train(recipe, out or part / "run", keep=out is not None, device=device, quiet=quiet, progress=progress)
        compared = _compare_with(published, run.metrics)
    within = all(one.is_within is not False for one in compared)
    if as_json:
        rows = [{**asdict(one), "within": one.is_within} for one in compared]
        kept = {"name": name, "manifest": published.digest, "run": str(out) if out else None, "seed": run.recipe.seed}
        print_json({**kept, "differences": notes, "metrics": rows, "within": within})
    else:
        _report(name, compared, within=within)
    if not within:
        raise SystemExit(1)


def find_differences(published: Artifact, recipe: Recipe, progress: Progress) -> Iterator[str]:
    """Lines of what is not here as it was when the filters were trained: what they started from, their pictures."""
    from zoo.data import open_dataset
    from zoo.store import open_artifact

    name, lineage, start = published.manifest.name, published.manifest.lineage, recipe.filters.name
    if start and open_artifact(start).digest != lineage.base_manifest:
        yield f"{name} started from other filters than those that are called {start} here."
    data = open_dataset(recipe.data.dataset, recipe.data.root, options=recipe.data.options, progress=progress)
    if recipe.data.crop is None:
        size = recipe.size or published.manifest.input.size
        decoded = data.decode(size, skip_unreadable=recipe.data.skip_unreadable, progress=progress)
        if data.fingerprint(decoded.files) != lineage.dataset_fingerprint:
            yield f"{name} was trained on other pictures than those in {data.root}; --data names another folder."


def _train(recipe: Recipe, folder: Path, *, keep: bool, device: str | None, quiet: bool, progress: Progress) -> Run:
    """A new run, or the one that lies there, gone on with where it is not done."""
    from zoo.training import StoppedError, discard_message, open_run, resume, train_recipe

    options: dict[str, Any] = {"device": device, "progress": progress, "tell": discard_message if quiet else say}
    try:
        if not (folder / "run.json").is_file():
            return train_recipe(recipe, folder, **options)
        found = open_run(folder).recipe
        if found.model_dump(exclude=MAY_DIFFER) != recipe.model_dump(exclude=MAY_DIFFER):
            raise UsageError(f"{folder} holds a run of another recipe.", "Choose another `out=`.")
        return resume(folder, root=recipe.data.root, **options)
    except StoppedError as stopped:
        say(
            "Stopped. The same command goes on."
            if keep
            else "Stopped, and nothing is kept; --out FOLDER would keep it."
        )
        raise SystemExit(130) from stopped


def _compare_with(published: Artifact, metrics: Metrics) -> list[MetricComparison]:
    from zoo_reproduce.comparison import compare

    try:
        return compare(
            parse_json(published.read_file("metrics.json", limit=METRICS_LIMIT) or "{}", finite=False), metrics
        )
    except ValueError as error:
        where = f"{published.source.text}/metrics.json"
        raise FileError(where, f"it cannot be read ({error})", "Name filters that were published.") from error


def _report(name: str, compared: Sequence[MetricComparison], *, within: bool) -> None:
    rows = []
    for one in compared:
        spread = "" if one.deviation is None else f"{one.mean:.4f} ± {one.deviation:.4f}"
        between = "" if one.low is None else f"{one.low:.4f} to {one.high:.4f}"
        now = "-" if one.now is None else f"{one.now:.4f}"
        verdict = {None: "", True: "within", False: "OUTSIDE"}[one.is_within]
        called = f"{one.head} {one.metric.replace('_', ' ')}"
        rows.append((called, f"{one.published:.4f}", spread, between, now, verdict))
    seeds = compared[0].seeds
    heading = f"over {seeds} seeds" if seeds > 1 else "over seeds"
    print_table(("test", "published", heading, "95%", "now", "verdict"), rows, right=("published", "now"))
    say(f"{name} is reproduced." if within else f"{name} is not reproduced: a metric lies outside.")
