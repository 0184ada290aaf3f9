"""`zoo push`."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.console import json_option, print_json, progress_bars, quiet_option, say
from zoo.registry import Entry, add_entry, format_entry


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), required=True, help="The folder to publish into.")
@click.option("--name", help="What the filters are called; the folder's name by default.")
@click.option("--license", "licence", help="An SPDX word, apache-2.0, cc-by-4.0; the base filters' own by default.")
@click.option("--about", default="", help="A sentence for listings.")
@click.option("--dataset-license", help="The pictures' licence, where known.")
@click.option("--dtype", type=click.Choice(["float32", "float16", "bfloat16"]), default="float32", show_default=True)
@click.option("--no-heads", is_flag=True, help="Publish the filters only.")
@click.option("--register", type=click.Path(path_type=Path), help="Add the entry to this registry.toml.")
@click.option("--yes", is_flag=True, help="Replace what lies in the folder.")
@json_option
@quiet_option
def push(
    run: Path,
    to: Path,
    name: str | None,
    licence: str | None,
    about: str,
    dataset_license: str | None,
    dtype: str,
    no_heads: bool,
    register: Path | None,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Publish the finished RUN as a folder: weights, heads, card, pictures, hashes."""
    from zoo.publishing import push as publish

    with progress_bars(quiet=quiet) as progress:
        published = publish(
            run,
            to,
            name=name,
            license=licence,
            about=about,
            dataset_license=dataset_license,
            dtype=dtype,
            heads=not no_heads,
            replace_existing=yes,
            progress=progress,
        )
    manifest = published.manifest
    entry = Entry(
        name=manifest.name,
        sources=(str(to.resolve()),),
        manifest=published.digest,
        backbone=manifest.backbone.rpartition("/")[2],
        cut=manifest.cut.name,
        about=manifest.about,
        license=manifest.license,
    )
    if register:
        add_entry(entry, register, replace=yes)
    if as_json:
        print_json({"name": manifest.name, "folder": str(to), "manifest": published.digest})
        return
    click.echo(to)
    say(f"{manifest.name}: {len(manifest.files) + 1} files. Its entry for a registry.toml:\n\n{format_entry(entry)}")
    if register:
        say(f"It is in {register}.")
    else:
        say(f"Next: zoo registry add {manifest.name} {to} && zoo verify {manifest.name}")
