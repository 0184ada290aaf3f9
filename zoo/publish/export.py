"""A run -> a published folder: weights, heads, golden features, recipe, metrics, pictures, model card, manifest."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zoo.errors import FileError, UsageError, ZooError, ZooWarning
from zoo.files import as_path, check_output, file_errors, locked, sha256_of, write_atomically, write_json
from zoo.models import GOLDEN_FILE, Model, compute_golden_features, fetch, merge_factors
from zoo.plots import draw_run_plots
from zoo.plugins import installed_versions
from zoo.progress import Progress, silent
from zoo.publish.cards import README as CARD, ExportOptions, crop_name, scalar_metrics, write_card
from zoo.publish.lineage import without_folders
from zoo.publish.run_plots import draw_filter_plots
from zoo.publish.updates import Update, find_update
from zoo.store import (
    HEADS_FILE,
    MANIFEST_FILE,
    MANIFEST_FORMAT,
    MODEL_FILE,
    NOTICE_FILE,
    Artifact,
    CropEntry,
    FileEntry,
    Manifest,
    RunRecord,
    as_json,
    manifest_to_bytes,
    open_artifact,
    read_manifest,
    write_tensors,
)
from zoo.training import Run, recipe_text

NOTICE_LIMIT = 2**16  # bytes
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def move_into_place(part: Path, folder: Path, *, progress: Progress = silent) -> Artifact:
    """Rename a staged folder to its final place, and verify it there.

    Raises:
        FileError: it cannot be written there.
        IntegrityError: it is not what was written.
    """
    with file_errors(folder):
        part.chmod(0o755)
        _replace_folder(part, folder)
    return fetch(folder.as_uri(), progress=progress)


def check_target_folder(folder: Path, run: Path, *, overwrite: bool) -> None:
    """Only published filters are ever replaced, and only where that was asked for. Raises FileError."""
    if folder == run or folder in run.parents or run in folder.parents:
        raise FileError(folder, "it is the own folder of what is published, or holds it", "Choose a folder of its own.")
    with file_errors(folder), locked(folder):
        _restore(folder)
    check_output(folder, overwrite=overwrite, folder=True, argument="to")
    try:
        if folder.exists() and any(folder.iterdir()):
            read_manifest((folder / MANIFEST_FILE).read_bytes(), str(folder))
    except (OSError, ZooError) as error:
        raise FileError(
            folder, "it holds something else than published filters", "Choose another folder; nothing was changed."
        ) from error


def export_run(part: Path, run: Run, options: ExportOptions, *, progress: Progress = silent) -> Manifest:
    """Write all that is published of a run into an empty folder; gives back what its `config.json` says.

    Raises:
        FileError: the run is not done; the disk is full.
        MissingPluginError: a head or the backbone comes from a package that is not installed.
    """
    model = run.load_model()
    with file_errors(part):
        return _export_run(part, run, model, options, progress)


def _export_run(part: Path, run: Run, model: Model, options: ExportOptions, progress: Progress) -> Manifest:
    crop = _crop_entry(run.record, options)
    title = f"publishing {options.name}"
    progress(title, 0, 4, "weights")
    update = None if options.merged else find_update(run, model.filters)
    headers = _write_weights(part, model, options, update)
    progress(title, 1, 4, "golden features")
    write_tensors(part / GOLDEN_FILE, compute_golden_features(model.filters), {})
    progress(title, 2, 4, "pictures")
    _write_recipe_and_metrics(part, run, options)
    _write_notice(part, run, options, strict=update is not None)
    draw_run_plots(part, run, model)
    if options.pictures != "none":
        show = options.pictures == "all"
        for note in draw_filter_plots(run, model.filters, part, show_pictures=show, progress=progress).notes:
            warnings.warn(note, ZooWarning, stacklevel=2)
    progress(title, 3, 4, "card")
    write_card(part / CARD, run, model, options, base=update.entry.base if update else None)
    manifest = _manifest(part, run, options, headers, crop, update)
    write_atomically(part / MANIFEST_FILE, manifest_to_bytes(manifest))
    progress(title, 4, 4)
    return manifest


def _write_weights(part: Path, model: Model, options: ExportOptions, update: Update | None) -> dict[str, str]:
    """The weights, or their update, in the published precision, which the model then has too. Gives headers' hashes."""
    weights, dtype = update.factors if update else model.filters.module.state_dict(), DTYPES[options.dtype]
    tensors = {name: one.to(dtype) if one.is_floating_point() else one for name, one in weights.items()}
    headers = {"header_sha256": write_tensors(part / MODEL_FILE, tensors, {"zoo.name": options.name}).digest}
    model.filters.module.load_state_dict(merge_factors(update.base, tensors) if update else tensors)
    if options.heads:
        heads = dict(model.heads.state_dict())
        headers["heads_header_sha256"] = write_tensors(part / HEADS_FILE, heads, {"zoo.name": options.name}).digest
    return headers


def _write_recipe_and_metrics(part: Path, run: Run, options: ExportOptions) -> None:
    """The recipe without the author's paths, and the metrics with what they depend on."""
    recipe = run.recipe
    listed = {key: Path(str(one)).name for key, one in recipe.data.options.items() if key == "exclude"}
    data = recipe.data.model_copy(
        update={"root": None, "crop": crop_name(run.record), "options": {**recipe.data.options, **listed}}
    )
    filters = recipe.filters
    private = {key: without_folders(text) for key in ("name", "weights") if (text := getattr(filters, key)) is not None}
    filters = filters.model_copy(update=private)
    write_atomically(part / "recipe.toml", recipe_text(recipe.model_copy(update={"data": data, "filters": filters})))
    said = as_json(run.record)
    facts = {key: said[key] for key in ("dataset", "fingerprint", "splits", "device", "versions", "seconds")}
    repeats = [{"seed": one.recipe.seed, "figures": scalar_metrics(one)} for one in options.repeats]
    content = {"figures": run.metrics, "repeats": repeats, "seed": recipe.seed, **facts, "history": run.history}
    write_json(part / "metrics.json", content)


def _write_notice(part: Path, run: Run, options: ExportOptions, *, strict: bool) -> None:
    """The base's attributions, which are to be kept, and the publisher's own.

    Raises:
        FileError: the publisher's cannot be read.
        UsageError: the base's cannot, and it is said to have some, or `strict`.
    """
    texts = []
    digest, named = run.record.base_manifest, run.recipe.filters.name
    if digest and named:
        try:
            base = open_artifact(named, offline=True)
        except ZooError as error:
            said = f"Whether the base filters have a {NOTICE_FILE} to be kept is not known: {error}"
            if strict:
                raise UsageError(said, f"Fetch them: `zoo fetch {named}`.") from error
            warnings.warn(said, ZooWarning, stacklevel=2)
        else:
            texts += _read_notice(base) if base.digest == digest else []
    if options.notice is not None:
        try:
            texts.append(as_path(options.notice).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(options.notice, f"it cannot be read ({error})", "Name a text file.") from error
    if texts:
        write_atomically(part / NOTICE_FILE, "\n\n".join(text.strip() for text in texts) + "\n")


def _read_notice(base: Artifact) -> list[str]:
    """The attributions that the base's manifest lists. Raises UsageError: they were taken away or changed."""
    try:
        kept = base.read_file(NOTICE_FILE, limit=NOTICE_LIMIT)
    except ZooError as error:
        said = (
            f"The licence of {base.manifest.name!r} asks that its {NOTICE_FILE} is kept, and it cannot be read: {error}"
        )
        raise UsageError(said, "Put it back, or fetch the filters again.") from error
    return [kept.decode("utf-8", "replace")] if kept else []


def _manifest(
    part: Path,
    run: Run,
    options: ExportOptions,
    headers: Mapping[str, Any],
    crop: CropEntry | None,
    update: Update | None,
) -> Manifest:
    described = open_artifact(run.folder.resolve()).manifest
    files = {
        path.relative_to(part).as_posix(): FileEntry(size=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(part.rglob("*"))
        if path.is_file()
    }
    lineage = {"base_license": options.base_license, "dataset_license": options.dataset_license}
    lineage["weights"] = without_folders(run.record.weights)
    record = run.record
    plugins = [record.dataset.package, record.model.backbone_package, *(head.package for head in record.model.heads)]
    if update is not None:
        headers = {**headers, "format_version": MANIFEST_FORMAT, "delta": update.entry}
    facts = {key: getattr(options, key) for key in ("name", "about", "license", "dtype")} | {
        "heads": described.heads if options.heads else (),
        "crop": crop,
        "lineage": described.lineage.model_copy(update=lineage),
        "files": files,
        "created_with": {**record.versions, **installed_versions(plugins)},
        "heads_header_sha256": None,
    }
    return described.model_copy(update={**facts, **headers})


def _crop_entry(record: RunRecord, options: ExportOptions) -> CropEntry | None:
    """What the heads' pictures are cropped to first.

    Raises:
        UsageError: to the boxes of a net that is published nowhere.
    """
    facts = record.crop
    if facts is None or not options.heads:
        return None
    if not facts.weights:
        return CropEntry(margin=facts.margin)
    source = facts.source or ""
    if not source.startswith(("hf://", "package:")):
        raise UsageError(
            f"This run's pictures are cropped by {Path(facts.by).name!r}, which is not on the Hub.",
            "Push that first and train with `crop='OWNER/NAME'`, or push the filters alone: `heads=False`.",
        )
    return CropEntry(locator=source, manifest=facts.manifest, head=facts.head, margin=facts.margin)


def _replace_folder(part: Path, folder: Path) -> None:
    """Put the new folder in the old one's place; the old one is removed only once the new one is in place."""
    with locked(folder):
        _restore(folder)
        try:
            if folder.exists():
                folder.replace(_old(folder))
            part.replace(folder)
        finally:
            _restore(folder)


def _restore(folder: Path) -> None:
    """Put the old folder back where its replacement failed or was killed, else remove it."""
    if folder.exists():
        shutil.rmtree(_old(folder), ignore_errors=True)
    elif _old(folder).exists():
        _old(folder).replace(folder)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
