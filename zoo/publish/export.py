"""A run -> a published folder: weights, heads, golden features, recipe, metrics, pictures, model card, manifest."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import torch

from zoo.errors import FileError, UsageError, ZooError, ZooWarning
from zoo.files import as_file_error, sha256_of, write_atomically
from zoo.models import GOLDEN_FILE, Model, compute_golden_features, describe_head, fetch
from zoo.plots import draw_run_plots
from zoo.progress import Progress, silent
from zoo.publish.cards import README as CARD, ModelCard, write_card
from zoo.publish.run_plots import draw_filter_plots
from zoo.store import (
    HEADS_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    Artifact,
    CropEntry,
    FileEntry,
    Lineage,
    Manifest,
    manifest_to_bytes,
    read_manifest,
    write_tensors,
)
from zoo.training import Run, RunRecord, as_json, recipe_text

PicturePolicy = Literal["none", "open", "all"]  # which patches of pictures: none, those of an open licence, all
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


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
    pictures: PicturePolicy = "open"


@contextlib.contextmanager
def staging_folder(folder: Path | None) -> Iterator[Path]:
    """An empty folder to write into: beside the folder that it will become, else the system's; removed at the end."""
    parent = folder.parent if folder else Path(tempfile.gettempdir())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name if folder else 'zoo'}.", dir=parent))
    except OSError as error:
        raise as_file_error(error, folder or parent) from error
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def move_into_place(part: Path, folder: Path, *, progress: Progress = silent) -> Artifact:
    """Rename a staged folder to its final place, and verify it there.

    Raises:
        FileError: it cannot be written there.
        IntegrityError: it is not what was written.
    """
    try:
        part.chmod(0o755)
        _replace_folder(part, folder)
    except OSError as error:
        raise as_file_error(error, folder) from error
    return fetch(folder.as_uri(), progress=progress)


def check_target_folder(folder: Path, run: Path, *, replace_existing: bool) -> None:
    """Only published filters are ever replaced, and only where that was asked for. Raises FileError."""
    if folder == run or folder in run.parents or run in folder.parents:
        raise FileError(folder, "it is the run's own folder, or holds it", "Choose a folder of its own.")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not replace_existing:
        raise FileError(
            folder, "it is there already and is not empty", "Choose another folder, or pass `replace_existing=True`."
        )
    try:
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
    try:
        return _export_run(part, run, model, options, progress)
    except OSError as error:
        raise as_file_error(error, part) from error


def _export_run(part: Path, run: Run, model: Model, options: ExportOptions, progress: Progress) -> Manifest:
    crop = _crop_entry(run.record, options)
    steps = ("weights", "golden features", "pictures", "card")
    for number, step in enumerate(steps):
        progress(f"publishing {options.name}", number, len(steps), step)
        if step == "weights":
            headers = _write_weights(part, model, options)
        elif step == "golden features":
            write_tensors(part / GOLDEN_FILE, compute_golden_features(model.filters), {})
        elif step == "pictures":
            _write_recipe_and_metrics(part, run)
            draw_run_plots(part, run, model)
            if options.pictures != "none":
                _draw_filter_sheets(part, run, model, show_pictures=options.pictures == "all", progress=progress)
        else:
            write_card(part / CARD, _card(run, model, options))
    manifest = _manifest(part, run, model, options, headers, crop)
    write_atomically(part / MANIFEST_FILE, manifest_to_bytes(manifest))
    progress(f"publishing {options.name}", len(steps), len(steps))
    return manifest


def _write_weights(part: Path, model: Model, options: ExportOptions) -> dict[str, str]:
    """The weights in the published precision, which the model then has too. Returns the headers' hashes."""
    dtype = DTYPES[options.dtype]
    state = model.filters.module.state_dict()
    tensors = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    headers = {"header_sha256": write_tensors(part / MODEL_FILE, tensors, {"zoo.name": options.name}).digest}
    model.filters.module.load_state_dict(tensors)
    if options.heads:
        heads = dict(model.heads.state_dict())
        headers["heads_header_sha256"] = write_tensors(part / HEADS_FILE, heads, {"zoo.name": options.name}).digest
    return headers


def _write_recipe_and_metrics(part: Path, run: Run) -> None:
    """The recipe without the author's paths, and the metrics with what they depend on."""
    recipe = run.recipe
    data = recipe.data.model_copy(update={"root": None, "crop": _crop_name(run.record)})
    filters = recipe.filters
    private = {
        key: Path(text).name for key in ("name", "weights") if Path(text := getattr(filters, key) or "").is_absolute()
    }
    filters = filters.model_copy(update=private)
    write_atomically(part / "recipe.toml", recipe_text(recipe.model_copy(update={"data": data, "filters": filters})))
    said = as_json(run.record)
    facts = {key: said[key] for key in ("dataset", "fingerprint", "splits", "device", "versions", "seconds")}
    content = {"figures": run.metrics, "seed": recipe.seed, **facts, "history": run.history}
    write_atomically(part / "metrics.json", json.dumps(content, indent=1) + "\n")


def _draw_filter_sheets(part: Path, run: Run, model: Model, *, show_pictures: bool, progress: Progress) -> None:
    """Draw what the filters see, and warn of what could not be drawn, or may not."""
    run_plots = draw_filter_plots(run, model.filters, part, show_pictures=show_pictures, progress=progress)
    for note in run_plots.notes:
        warnings.warn(note, ZooWarning, stacklevel=2)


def _card(run: Run, model: Model, options: ExportOptions) -> ModelCard:
    record = run.record
    return ModelCard(
        name=options.name,
        license=options.license,
        about=options.about,
        backbone=model.filters.backbone,
        cut=model.filters.cut,
        size=model.size,
        dtype=options.dtype,
        parameters=sum(parameter.numel() for parameter in model.filters.module.parameters()),
        use=options.use or options.name,
        base=record.base.name if record.base else None,
        base_repo=options.base_repo,
        base_license=options.base_license,
        weights=_weights_text(record),
        dataset=record.dataset,
        dataset_license=options.dataset_license,
        splits=record.splits,
        crop=_describe_crop(record),
        uses_true_boxes=run.uses_true_boxes,
        device=record.device,
        versions=record.versions,
        seed=run.recipe.seed,
        seconds=record.seconds,
        heads={name: model.head(name).target for name in model.heads} if options.heads else {},
        targets={name: model.head(name).target for name in model.heads},
        figures=run.metrics,
    )


def _weights_text(record: RunRecord) -> str:
    """Where the weights began, without the author's paths."""
    return Path(record.weights).name if Path(record.weights).is_absolute() else record.weights


def _manifest(
    part: Path, run: Run, model: Model, options: ExportOptions, headers: Mapping[str, str], crop: CropEntry | None
) -> Manifest:
    record, filters = run.record, model.filters
    files = {
        path.relative_to(part).as_posix(): FileEntry(size=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(part.rglob("*"))
        if path.is_file()
    }
    cut = filters.cut
    return Manifest(
        name=options.name,
        about=options.about,
        license=options.license,
        backbone=filters.backbone,
        backbone_package=record.model.backbone_package,
        cut={  # type: ignore[arg-type]
            "name": cut.name,
            "node": cut.node,
            "channels": cut.channels,
            "stride": cut.stride,
            "layout": cut.layout,
        },
        input={"size": model.size, "mean": filters.input.mean, "std": filters.input.std},  # type: ignore[arg-type]
        dtype=options.dtype,  # type: ignore[arg-type]
        heads=tuple(describe_head(model, name) for name in model.heads) if options.heads else (),
        crop=crop,
        lineage=Lineage(
            base=record.base.name if record.base else None,
            base_manifest=record.base_manifest,
            base_license=options.base_license,
            weights=_weights_text(record),
            dataset=record.dataset.name,
            dataset_fingerprint=record.fingerprint,
            dataset_license=options.dataset_license,
        ),
        files=files,
        created_with={**record.versions, **_find_plugin_versions(record)},
        header_sha256=headers["header_sha256"],
        heads_header_sha256=headers.get("heads_header_sha256"),
    )


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


def _crop_name(record: RunRecord) -> str | None:
    """What `crop` named, without the author's folders."""
    facts = record.crop
    if facts is None:
        return None
    return facts.by if facts.source else Path(facts.by).name


def _describe_crop(record: RunRecord) -> str:
    facts = record.crop
    if facts is None:
        return ""
    what = f"the boxes of `{_crop_name(record)}`" if facts.weights else "their true boxes"
    return f"cropped first to {what}, with a margin of {facts.margin:g}"


def _find_plugin_versions(record: RunRecord) -> dict[str, str]:
    packages = {record.dataset.package, record.model.backbone_package}
    packages |= {head.package for head in record.model.heads}
    found = {}
    for package in sorted(packages - {""}):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _replace_folder(part: Path, folder: Path) -> None:
    """Put the new folder in the old one's place; the old one is removed only once the new one is in place."""
    if not folder.exists():
        part.replace(folder)
        return
    if not any(folder.iterdir()):
        folder.rmdir()
        part.replace(folder)
        return
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    folder.replace(old)
    part.replace(folder)
    shutil.rmtree(old, ignore_errors=True)
