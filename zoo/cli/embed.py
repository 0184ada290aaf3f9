"""`zoo embed`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import (
    PATH,
    data_options,
    fields_of,
    output_options,
    overwrite_option,
    parse_pairs,
    pop_source,
    print_json,
    progress_bars,
    say,
    say_skipped,
    source_options,
)
from zoo.cli.recipes import DEFAULT_CUT, default_filters
from zoo.errors import UnknownNameError, UsageError
from zoo.files import check_output

if TYPE_CHECKING:
    from zoo.data import ImageSource
    from zoo.embedding import EmbeddingSummary


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATHS]…", type=PATH)
@click.option(
    "--filters",
    "name",
    help="A name of `zoo list`, a folder, owner/name or hf://…; vgg16-imagenet up to block4 by default.",
)
@click.option("--cut", help="Use only the layers up to this block, such as block2; all by default.")
@click.option(
    "--pool",
    type=click.Choice(["mean", "gem", "max", "map"]),
    default="mean",
    help="How a feature map becomes a vector: mean, gem (generalised mean), max; map: not pooled.",
)
@click.option(
    "-o", "--out", type=PATH, default="embeddings.parquet", help="The file to write: .parquet, .npy or .safetensors."
)
@click.option("--resume", is_flag=True, help="Continue an embedding that was stopped.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out unreadable pictures; FILE.unreadable.txt lists them.")
@click.option("--null", is_flag=True, help="Paths on stdin are separated by NUL, as `find -print0` writes them.")
@click.option("--dataset", metavar="NAME[:SPLIT]", help="Embed a dataset, with labels and groups, instead of PATHS.")
@click.option("--seed", type=int, default=0, help="The seed of the split, if the dataset has none itself.")
@data_options
@click.option("--size", type=int, help="Resize pictures to this side, in pixels; as in training by default.")
@click.option("--batch", type=int, help="Pictures that go through the network at once; by size and device by default.")
@overwrite_option
@source_options
@output_options
def embed(
    paths: tuple[Path, ...],
    name: str | None,
    cut: str | None,
    out: Path,
    null: bool,
    dataset: str | None,
    seed: int,
    root: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Compute a feature vector (embedding) for every picture of PATHS, and write them to a file.

    PATHS are files, folders, patterns in quotes ('photos/**/*.jpg'), or - for a list on stdin, one path a line. In a
    folder of folders a picture's label is its folder's name.

    \b
    zoo embed photos/ -o photos.parquet
    zoo embed --dataset plankton:test --filters vgg16-plankton
    """
    _check_usage(paths, dataset, root, settings, null=null)
    from zoo.embedding import check_suffix
    from zoo.models import load

    check_suffix(out)
    if not options["resume"]:
        check_output(out, overwrite=options["overwrite"])
    if name is None:
        name, cut = default_filters("zoo embed"), cut or DEFAULT_CUT
    filters = load(name, cut=cut, **pop_source(options))
    with progress_bars(quiet=quiet) as progress:
        if dataset:
            size, skip = options["size"] or filters.input.size, options["skip_unreadable"]
            drawing = {"seed": seed, "size": size, "skip_unreadable": skip, "progress": progress}
            images = _from_dataset(dataset, root, settings, drawing)
        else:
            images = _listed(paths, out, null=null)
        try:
            written = filters.embed_into(out, images, progress=progress, **options)
        except KeyboardInterrupt:
            say("Stopped. The same command with --resume continues it; only the last seconds are lost.")
            raise
    if as_json:
        print_json(_facts(written))
    else:
        _report(written)


def _check_usage(
    paths: tuple[Path, ...], dataset: str | None, root: str | None, settings: tuple[str, ...], *, null: bool
) -> None:
    if bool(paths) == bool(dataset):
        raise UsageError("Name either pictures (files, folders, patterns, -) or --dataset, and not both.")
    if not dataset and (root or settings):
        raise UsageError("--data and --set belong to --dataset NAME. Name one, or leave them out.")
    if null and Path("-") not in paths:
        raise UsageError("--null says how the list on stdin is separated. Name - among the pictures, or leave it out.")


def _listed(paths: tuple[Path, ...], out: Path, *, null: bool) -> ImageSource:
    """The pictures that were named, listed beside the output."""
    from zoo.data import ImageFiles, Listing

    listing = Listing(out.parent if out.parent.is_dir() else None)
    for path in paths:
        if path == Path("-"):
            listing.add_lines(sys.stdin.buffer, separator=b"\0" if null else b"\n")
        else:
            listing.add_named([path])
    return ImageFiles(listing)


def _from_dataset(text: str, root: str | None, settings: tuple[str, ...], drawing: dict[str, Any]) -> ImageSource:
    """A dataset's pictures, all or those of a split; a split that it does not have is drawn as `zoo train` draws it."""
    from zoo.cli.datasets import choose_split
    from zoo.data import DatasetImages, open_dataset

    name, split = _name_and_split(text)
    data = open_dataset(name, root, options=parse_pairs(settings, option="--set"), progress=drawing["progress"])
    indices = choose_split(data, split, **drawing)
    return DatasetImages(data.dataset, indices, name=name, root=data.root, identity=data.stamp())


def _name_and_split(text: str) -> tuple[str, str | None]:
    """`digits:test` -> digits, test. A package may stand before the name (`zoo-digits:digits`): it is no split."""
    from zoo.data import find_dataset

    try:
        find_dataset(text)
    except UnknownNameError:
        name, colon, split = text.rpartition(":")
        return (name, split) if colon else (text, None)
    return text, None


def _facts(written: EmbeddingSummary) -> dict[str, Any]:
    space = written.space
    return {
        "file": str(written.path),
        "pictures": written.pictures,
        **fields_of(space, "width", "filters", "manifest", "cut", "pool", "size"),
        "resumed": written.resumed,
        "unreadable": written.unreadable,
        "unreadable_file": str(written.unreadable_file) if written.unreadable_file else None,
    }


def _report(written: EmbeddingSummary) -> None:
    say_skipped(written.skipped)
    if written.unreadable_file:
        many = "1 picture" if written.unreadable == 1 else f"{written.unreadable} pictures"
        say(f"{many} cannot be read, as listed in {written.unreadable_file}")
    say(written.path, out=True)
    width = written.space.width
    resumed = f", {written.resumed} of the pictures were there already" if written.resumed else ""
    say(f"{written.pictures} vectors of {width} numbers{resumed}")
    say(f"Next: zoo similar PICTURE --in {written.path} --sheet similar.png")
