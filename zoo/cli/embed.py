"""`zoo embed`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import (
    data_options,
    fields_of,
    output_options,
    parse_pairs,
    pop_source,
    print_json,
    progress_bars,
    say,
    say_skipped,
    source_options,
)
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from zoo.data import ImageSource
    from zoo.embedding import EmbeddingSummary


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATHS]…", type=click.Path(path_type=Path))
@click.option("--filters", "name", required=True, help="A name, a folder, owner/name or hf://….")
@click.option("--cut", help="Stop earlier than the filters were published: block2.")
@click.option(
    "--pool",
    type=click.Choice(["mean", "gem", "max", "map"]),
    default="mean",
    show_default=True,
    help="How a feature map is pooled to a vector; map: not at all.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default="embeddings.parquet",
    show_default=True,
    help="A .parquet, .npy or .safetensors file.",
)
@click.option("--resume", is_flag=True, help="Go on with an embedding that was stopped.")
@click.option("--skip-unreadable", is_flag=True, help="List pictures that cannot be read in FILE.unreadable.txt.")
@click.option("--null", is_flag=True, help="The list on stdin is separated by NUL, as `find -print0` writes it.")
@click.option("--dataset", metavar="NAME[:SPLIT]", help="The pictures of a dataset, with labels and groups.")
@click.option("--seed", type=int, default=0, help="Of a split that the dataset does not have itself; 0 by default.")
@data_options
@click.option("--size", type=int, help="The side that pictures are resized to; the filters' own by default.")
@click.option("--batch", type=int, help="Pictures that go through the network at once.")
@source_options
@output_options
def embed(
    paths: tuple[Path, ...],
    name: str,
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
    """A vector for every picture of PATHS, in a file.

    PATHS are files, folders, patterns in quotes ('photos/**/*.jpg'), or - for a list on stdin, one path a line. In a
    folder of folders a picture's label is its folder's name.
    """
    _check_usage(paths, dataset, root, settings, null=null)
    from zoo.embedding import check_suffix
    from zoo.models import load

    check_suffix(out)
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
            say("What is done is kept for --resume, but for the last seconds.")
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
    return DatasetImages(data.dataset, indices, name=name, root=data.root, identity=data.fingerprint())


def _name_and_split(text: str) -> tuple[str, str | None]:
    """`digits:test` -> digits, test. A package may stand before the name (`zoo-digits:digits`): it is no split."""
    from zoo.plugins import find_plugin

    try:
        find_plugin("dataset", text)
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
    click.echo(written.path)
    width = written.space.width
    resumed = f", {written.resumed} of the pictures were there already" if written.resumed else ""
    say(f"{written.pictures} vectors of {width} numbers{resumed}")
    say(f"Next: zoo similar PICTURE --in {written.path} --sheet similar.png")
