"""`zoo push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.console import (
    PATH,
    fields_of,
    format_count,
    format_size,
    json_option,
    print_json,
    print_table,
    progress_bars,
    quiet_option,
    say,
)
from zoo.cli.flags import in_flags
from zoo.errors import UsageError
from zoo.store import add_entry, check_name_is_free, format_entry

if TYPE_CHECKING:
    from zoo.publish import PushResult
    from zoo.store import Artifact


@click.command()
@click.argument("run", metavar="RUN|NAME")
@click.option("--repo", metavar="OWNER/NAME", help="The repository on the Hub; created if it is missing.")
@click.option("--to", type=PATH, help="A folder to publish into, beside or instead of the Hub.")
@click.option("--name", help="The name of the filters; by default that of the repository or folder.")
@click.option(
    "--license", help="The licence in the Hub's words, such as cc-by-4.0; that of the start weights by default."
)
@click.option("--about", default="", show_default=False, help="A sentence about the filters, for `zoo list`.")
@click.option("--dataset-license", help="The licence of the training pictures, if the dataset does not give it.")
@click.option("--base-license", help="The licence of the start weights, if it is not known.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    help="Number format of the published weights.",
)
@click.option(
    "--repeat",
    "repeats",
    metavar="RUN",
    multiple=True,
    help="A run of the same recipe with another seed; the spread of their metrics is published. Repeatable.",
)
@click.option("--notice", type=PATH, help="A file of attributions to publish as NOTICE; the base's own is kept.")
@click.option("--merged", is_flag=True, help="Of a run with --adapt publish the whole weights, not the update alone.")
@click.option("--no-heads", is_flag=True, help="Publish the filters without their heads.")
@click.option("--show-pictures", is_flag=True, help="Publish patches of pictures even if their licence is not open.")
@click.option("--no-pictures", is_flag=True, help="Publish no pictures (feature visualisations, patches, maps, drift).")
@click.option("--private", is_flag=True, help="Create the repository as private.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing to the branch.")
@click.option("--revision", metavar="BRANCH", help="The branch, created if it is missing; main by default.")
@click.option("--tag", help="A tag for the new commit, such as v1.")
@click.option("--message", help="The commit's message; made from the name by default.")
@click.option("--token", metavar="TOKEN", help="A Hub access token; HF_TOKEN or the stored login by default.")
@click.option("--allow", metavar="TEXT", multiple=True, help="Publish this text although it looks private. Repeatable.")
@click.option("--register", type=PATH, help="Add the published name to this registry.toml.")
@click.option("--dry-run", is_flag=True, help="Check everything and list what would change; send nothing.")
@click.option(
    "--overwrite", "--yes", "overwrite", is_flag=True, help="Replace what is there, even a README written by hand."
)
@json_option
@quiet_option
def push(
    run: str,
    register: Path | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    no_heads: bool,
    show_pictures: bool,
    no_pictures: bool,
    **options: Any,
) -> None:
    """Publish the finished RUN to the Hub, as a folder, or both: weights, heads, model card, pictures, hashes.

    RUN may also be a folder of published filters, a name of `zoo list`, owner/name or hf://…: they are copied byte for
    byte, with their licence and lineage, and the card says from where.

    \b
    zoo push runs/plankton --to filters/ --license apache-2.0
    zoo push runs/plankton --repo owner/name --license apache-2.0 --dry-run
    zoo push hf://other/name@v1 --repo owner/mirror
    """
    from zoo.publish import push as publish
    from zoo.store import Artifact

    if show_pictures and no_pictures:
        raise UsageError("--show-pictures and --no-pictures exclude each other. Leave one out.")
    options["pictures"] = "none" if no_pictures else "all" if show_pictures else "open"
    if register and options["repo"]:
        repo = options["repo"].removeprefix("hf://")
        check_name_is_free(options["name"] or repo.rpartition("/")[2], register, overwrite=overwrite, newer_of=repo)
    with progress_bars(quiet=quiet) as progress:
        done = publish(run, heads=not no_heads, overwrite=overwrite, progress=progress, **options)
    if isinstance(done, Artifact):
        _report_folder(done, options["to"], register, overwrite=overwrite, as_json=as_json)
    elif options["dry_run"]:
        _report_plan(done, as_json=as_json)
    else:
        _report_push(done, register, as_json=as_json)
        if register:
            add_entry(done.entry, register, overwrite=overwrite, newer_of=done.repo)
            if not as_json:
                say(f"It is in {register}.")


def _report_folder(published: Artifact, to: Path, register: Path | None, *, overwrite: bool, as_json: bool) -> None:
    from zoo.store import entry_of

    manifest = published.manifest
    entry = entry_of(manifest, published.digest, str(to.resolve()))
    if register:
        add_entry(entry, register, overwrite=overwrite)
    if as_json:
        print_json({"name": manifest.name, "folder": str(to), "manifest": published.digest})
        return
    say(to, out=True)
    say(f"{manifest.name}: {len(manifest.files) + 1} files. Its entry for a registry.toml:", "")
    say(*format_entry(entry).split("\n"))
    if register:
        say(f"It is in {register}.")
    else:
        say(f"Next: zoo registry add {manifest.name} {to} && zoo verify {manifest.name}")


def _report_plan(plan: PushResult, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(plan))
        return
    print_table(
        ("file", "bytes", "change"), [(one.name, f"{one.size:,}", one.what) for one in plan.changes], right=("bytes",)
    )
    _print_notes(plan)
    say(f"{plan.size:,} bytes would be sent to {plan.url}. Nothing was sent.")
    say("Next: the same without --dry-run")


def _report_push(pushed: PushResult, register: Path | None, *, as_json: bool) -> None:
    """What went up and where; said before the registry is written, which may fail."""
    if as_json:
        print_json(_facts(pushed) | {"registry": str(register) if register else None})
        return
    say(pushed.url, out=True)
    _print_notes(pushed)
    if pushed.is_changed:
        sent = sum(one.what in ("new", "changed") for one in pushed.changes)
        went = f"{format_count(sent, 'file')}, {format_size(pushed.size)}"
        said = f"{went}, in one commit {str(pushed.commit)[:12]}; every hash read back."
    else:
        said = f"Nothing to change: commit {str(pushed.commit)[:12]} has these files already; every hash read back."
    say(f"{said} Its entry for a registry.toml:", "", *format_entry(pushed.entry).split("\n"))
    if pushed.published:
        say(f"The same files are in {pushed.published.folder}.")
    branch = f"@{pushed.commit}" if pushed.pull_request else f"@{pushed.branch}" if pushed.branch != "main" else ""
    say(f"Next: zoo fetch {pushed.repo}{branch}")


def _print_notes(pushed: PushResult) -> None:
    for note in pushed.notes:
        say(note)


def _facts(pushed: PushResult) -> dict[str, Any]:
    return {
        "name": pushed.manifest.name,
        "repo": pushed.repo,
        "url": pushed.url,
        "revision": pushed.branch,
        "commit": pushed.commit,
        "pull_request": pushed.pull_request,
        "tag": pushed.tag,
        "manifest": pushed.digest,
        "changed": pushed.is_changed,
        "bytes": pushed.size,
        "files": [{"name": one.name, "bytes": one.size, "change": one.what} for one in pushed.changes],
        "entry": fields_of(pushed.entry, "name", "sources", "manifest", "backbone", "cut", "about", "license"),
        "folder": str(pushed.published.folder) if pushed.published else None,
        "notes": [in_flags(note) for note in pushed.notes],
    }
