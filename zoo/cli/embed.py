"""`zoo embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.console import device_option, progress_bars, quiet_option, say, say_left_out, source_options


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--filters", "name", required=True, help="A name, a folder, owner/name or hf://….")
@click.option("--cut", help="Stop earlier than the filters were published: block2.")
@click.option("-o", "--out", type=click.Path(path_type=Path), default="embeddings.parquet", show_default=True)
@click.option("--size", type=int, help="The side that pictures are squashed to; the filters' own by default.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out pictures that cannot be read.")
@source_options
@device_option
@quiet_option
def embed(
    pictures: tuple[Path, ...],
    name: str,
    cut: str | None,
    out: Path,
    size: int | None,
    skip_unreadable: bool,
    device: str | None,
    quiet: bool,
    **where: Any,
) -> None:
    """A vector for every one of PICTURES (files and folders), as Parquet or .npy."""
    from zoo.filters import load

    filters = load(name, cut=cut, **where)
    with progress_bars(quiet=quiet) as progress:
        embeddings = filters.embed(
            list(pictures), size=size, device=device, skip_unreadable=skip_unreadable, progress=progress
        )
    embeddings.save(out)
    say_left_out(embeddings.skipped)
    click.echo(out)
    say(f"{len(embeddings)} vectors of {embeddings.vectors.shape[1]} numbers")
