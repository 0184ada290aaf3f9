"""The plots of a run for its model card: bounded in time and bytes, and with nothing private in them.

They are kept in the run's folder, so that a second push publishes the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch

from zoo.data import TensorImages, spread
from zoo.errors import ZooError
from zoo.files import locked, read_sealed, temporary_folder, write_sealed
from zoo.models import Filters, load
from zoo.networks import describe_cut
from zoo.plots import LARGEST_PNG, FilterSheetOptions, FilterSheets, show_filters
from zoo.progress import Progress, silent
from zoo.publish.licences import forbids_derivatives
from zoo.store import FILTERS_FILE
from zoo.training import Run, check_pictures, reopen_dataset

# The feature visualisations take about eight seconds of a core.
CARD_SHEETS = FilterSheetOptions(channels=6, steps=64, max_gflop=700.0, title="", largest=LARGEST_PNG, device="cpu")
MOST_PICTURES = 256  # that are searched for patches, where they cost no more than
SEARCH_GFLOP = 400.0  # GFLOP
CACHE_FOLDER = ".card-pictures"  # in the run's folder
UNKNOWN_LICENCES = ("", "unknown", "other")  # licences that allow nobody anything


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlots:
    """What was drawn of a run, and what was not."""

    files: tuple[str, ...]
    notes: tuple[str, ...]


def draw_filter_plots(
    run: Run, filters: Filters, folder: Path, *, show_pictures: bool = False, progress: Progress = silent
) -> RunPlots:
    """Draw the plots of filters into the folder that is published: the last layer, the maps, the drift from the base.

    Of the run's validation pictures patches and maps are drawn only where the dataset says an open licence. Other
    pictures only give the feature visualisations their colours, and nothing of them is drawn.

    Args:
        show_pictures: draw patches and maps of pictures of any licence.
    """
    licence = str(run.record.dataset.license or "").lower()
    is_open = licence not in UNKNOWN_LICENCES and not forbids_derivatives(licence)
    may_show = is_open or show_pictures
    key = _cache_key(run, filters, may_show_pictures=may_show)
    kept = run.folder / CACHE_FOLDER / key
    try:
        kept.parent.mkdir(exist_ok=True)
    except OSError:  # a run that cannot be written to is drawn anew every time
        return _draw_plots(run, filters, folder, may_show_pictures=may_show, progress=progress)
    said = read_sealed(kept / "portrait.json")
    if said is None:
        run_plots = _draw_into_cache(run, filters, kept, may_show_pictures=may_show, progress=progress)
    else:
        run_plots = RunPlots(files=tuple(said["files"]), notes=tuple(said["notes"]))
    for name in run_plots.files:
        shutil.copyfile(kept / name, folder / name)
    return run_plots


def _draw_into_cache(
    run: Run, filters: Filters, kept: Path, *, may_show_pictures: bool, progress: Progress
) -> RunPlots:
    """Draw into the run's own folder, whole or not at all."""
    with temporary_folder(kept.parent) as part:
        run_plots = _draw_plots(run, filters, part, may_show_pictures=may_show_pictures, progress=progress)
        write_sealed(part / "portrait.json", {"files": run_plots.files, "notes": run_plots.notes})
        with locked(kept):
            if read_sealed(kept / "portrait.json") is None:  # else another process was quicker
                shutil.rmtree(kept, ignore_errors=True)
                part.replace(kept)
    return run_plots


def _draw_plots(run: Run, filters: Filters, part: Path, *, may_show_pictures: bool, progress: Progress) -> RunPlots:
    notes: list[str] = []
    cost = describe_cut(filters.module, filters.cut.node, size=filters.input.size).gflop
    limit = min(MOST_PICTURES, max(16, int(SEARCH_GFLOP / max(cost, 1e-9))))
    images = validation_pictures(run, filters, notes, limit=limit, progress=progress)
    if images is not None and not may_show_pictures:
        dataset = run.record.dataset.called
        notes.append(
            f"No licence of the pictures of {dataset!r} is known that lets them be shown: the card has no patches of "
            "them. Pass `pictures='all'` if everybody may see them."
        )
    options = replace(CARD_SHEETS, layers=(filters.cut.name,), may_show_pictures=may_show_pictures)
    base = load_base(run, notes)
    try:
        with _one_thread():
            shown = show_filters(
                filters, part, options=options, images=images, base=base, overwrite=True, progress=progress
            )
    except ZooError as error:
        return RunPlots(files=(), notes=(*notes, f"What the filters see could not be drawn: {error}"))
    return RunPlots(files=_worth_publishing(shown), notes=(*notes, *shown.notes))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Inside, torch computes with one thread.

    The gradient steps are small: two threads save little, wait for each other on a busy machine (75 seconds in place
    of 12 were seen), and give other bits than one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _worth_publishing(shown: FilterSheets) -> tuple[str, ...]:
    """All but the feature visualisations that another file shows beside their patches."""
    beside = {name.replace("patches-", "dreams-", 1) for name in shown.files if name.startswith("patches-")}
    return tuple(name for name in shown.files if name not in beside)


def validation_pictures(
    run: Run, filters: Filters, notes: list[str], *, limit: int, progress: Progress = silent
) -> TensorImages | None:
    """Some of the pictures that the run validated with, from its decoded cache.

    Args:
        notes: a line why there are none is added.
        limit: at most so many, evenly spread; 0: all.

    Returns:
        None where the pictures are gone, or are others now.
    """
    try:
        data = reopen_dataset(run, progress=progress)
        skip = run.recipe.data.skip_unreadable
        decoded = data.decode(filters.input.size, skip_unreadable=skip, progress=progress)
        check_pictures(run, data, decoded, remedy="")
        rows = run.recipe.split(data, decoded).val
    except ZooError as error:
        notes.append(f"The run's pictures cannot be had, so that none is looked at: {error}")
        return None
    return TensorImages(decoded.images, rows[spread(len(rows), limit)])


def load_base(run: Run, notes: list[str]) -> Filters | None:
    """The filters that the run started from, where they are on this disk; else `notes` gets a line."""
    digest = run.record.base_manifest
    named = run.recipe.filters.name
    if not digest or not named:
        return None
    try:
        base = load(named, cut=run.recipe.filters.cut, offline=True)
    except ZooError as error:
        notes.append(f"The base filters are not on this disk, so that no drift is drawn: {error}")
        return None
    return base if base.published and base.published.digest == digest else None


def _cache_key(run: Run, filters: Filters, *, may_show_pictures: bool) -> str:
    status = (run.folder / FILTERS_FILE).stat()
    dtype = str(next(filters.module.parameters()).dtype)
    # Tells weights that were rounded for publishing from those that were not.
    total = float(sum(parameter.detach().double().abs().sum() for parameter in filters.module.parameters()))
    facts = [version("filterzoo"), status.st_size, status.st_mtime_ns, dtype, total, may_show_pictures]
    facts += [CARD_SHEETS.channels, CARD_SHEETS.steps, CARD_SHEETS.max_gflop, MOST_PICTURES, SEARCH_GFLOP]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
