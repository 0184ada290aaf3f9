"""`zoo cache`: what lies on this disk, whether it is intact, and how to remove it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
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
from zoo.errors import IntegrityError, UsageError, ZooError

if TYPE_CHECKING:
    from zoo.hub import IncompleteDownload, PartialFile, Removal
    from zoo.store import CacheContents, CachedWeights, DerivedFolder, DerivedKind

DERIVED: dict[DerivedKind, str] = {
    "decoded": "Decoded pictures",
    "datasets": "Datasets",
    "registries": "Copies of large registries",
}

cache_dir_option = click.option(
    "--cache-dir", type=PATH, metavar="DIR", help="The cache of downloads; HF_HUB_CACHE by default."
)


@click.group()
def cache() -> None:
    """List, verify or remove what was downloaded (in the Hub's cache) and decoded (under ZOO_HOME)."""


# ------------------------------------------------------------------------------------------------ list


@cache.command("list")
@cache_dir_option
@json_option
def list_cache(cache_dir: Path | None, as_json: bool) -> None:
    """List what is cached, where, how large it is, and whether it is complete.

    The Hub's cache is shared with other libraries; only what holds filters or safetensors weights is listed.
    """
    from zoo.store import list_caches

    contents = list_caches(cache_dir)
    if as_json:
        print_json(_contents_as_json(contents))
    else:
        _print_contents(contents)
    for problem in contents.problems:
        say(f"Passed over: {problem}")


def _print_contents(contents: CacheContents) -> None:
    from zoo.hub import is_download_running

    tables: list[tuple[str, Sequence[str], list[tuple[object, ...]]]] = [
        (
            f"The Hub's cache, {contents.cache}",
            ("name", "holds", "refs", "commit", "files", "size", "complete"),
            [_stored_row(one) for one in contents.stored],
        ),
        (
            "Unfinished downloads, there",
            ("name", "file", "size", "running"),
            [
                (one.repo, one.path.name[:24], format_size(one.size), "yes" if is_download_running(one) else "no")
                for one in contents.incomplete_downloads
            ],
        ),
        (
            f"Parts of files, read by ranges, {contents.home / 'parts'}",
            ("name", "file", "size"),
            [(f"{one.repo}@{one.commit[:7]}", one.name, _partial_text(one)) for one in contents.parts],
        ),
    ]
    for kind, title in DERIVED.items():
        folders = [one for one in contents.folders if one.kind == kind]
        place = folders[0].path.parent if folders else contents.home
        rows: list[tuple[object, ...]] = [
            (one.name, format_size(one.size), "unfinished" if one.unfinished else _day(one.used)) for one in folders
        ]
        tables.append((f"{title}, {place}", ("name", "size", "last used"), rows))
    shown = [table for table in tables if table[2]]
    for title, columns, rows in shown:
        say(title, out=True)
        print_table(columns, rows, right=("files", "size"))
        click.echo()
    if shown:
        say(f"{format_size(contents.size)} together", out=True)
        say("Next: zoo cache verify")
    else:
        say(f"Nothing of zoo's lies in {contents.cache} or {contents.home}. Run `zoo list` for what can be fetched.")


def _stored_row(one: CachedWeights) -> tuple[object, ...]:
    revision = one.revision
    if one.faults:
        whole = f"no: {one.faults[0]}"
    elif one.missing:
        whole = f"no: {_not_fetched(one.missing)}"
    else:
        whole = "yes"
    name = f"{revision.repo} ({', '.join(one.names)})" if one.names else revision.repo
    facts = (one.kind, ", ".join(revision.refs) or "-", revision.commit[:7])
    return (name, *facts, len(revision.files), format_size(revision.size), whole)


def _not_fetched(missing: Sequence[str]) -> str:
    return f"{format_count(len(missing), 'file')} {'was' if len(missing) == 1 else 'were'} not fetched"


def _partial_text(one: PartialFile) -> str:
    return f"{format_size(one.kept)} of {format_size(one.size)}" if one.size is not None else "damaged"


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def _contents_as_json(contents: CacheContents) -> dict[str, Any]:
    return {
        "cache": str(contents.cache),
        "home": str(contents.home),
        "bytes": contents.size,
        "stored": [_stored_as_json(one) for one in contents.stored],
        "broken_off": [_incomplete_as_json(one) for one in contents.incomplete_downloads],
        "parts": [_partial_as_json(one) for one in contents.parts],
        **{kind: [_folder_as_json(one) for one in contents.folders if one.kind == kind] for kind in DERIVED},
        "problems": list(contents.problems),
    }


def _stored_as_json(one: CachedWeights) -> dict[str, Any]:
    revision = one.revision
    return {
        **fields_of(revision, "repo", "commit"),
        "names": list(one.names),
        "refs": list(revision.refs),
        "holds": one.kind,
        "folder": str(revision.folder),
        "files": {file.name: file.size for file in revision.files},
        "bytes": revision.size,
        "used": revision.used,
        **fields_of(one, "whole", "missing", "faults"),
    }


def _incomplete_as_json(one: IncompleteDownload) -> dict[str, Any]:
    from zoo.hub import is_download_running

    return {"repo": one.repo, "path": str(one.path), "bytes": one.size, "running": is_download_running(one)}


def _partial_as_json(one: PartialFile) -> dict[str, Any]:
    said = {"repo": one.repo, "commit": one.commit, "file": one.name, "path": str(one.path)}
    return {**said, "bytes": one.kept, "of": one.size}


def _folder_as_json(one: DerivedFolder) -> dict[str, Any]:
    said = {"name": one.name, "folder": str(one.path), "bytes": one.size, "used": one.used}
    return {**said, "unfinished": one.unfinished}


# ------------------------------------------------------------------------------------------------ verify


@cache.command("verify")
@click.argument("names", nargs=-1)
@cache_dir_option
@json_option
@quiet_option
def verify_cache(names: tuple[str, ...], cache_dir: Path | None, as_json: bool, quiet: bool) -> None:
    """Compare cached files with the hashes that they should have: all of them, or those of NAMES.

    Exit status 1 if any is damaged. Files that were never downloaded do not count as damaged.
    """
    from zoo.store import list_caches, parse_selector, suggest_repair, verify_cached_weights, verify_partial_file

    wanted = [parse_selector(name) for name in names]
    contents = list_caches(cache_dir)
    stored = [one for one in contents.stored if _is_wanted(one, wanted)]
    parts = [
        one
        for one in contents.parts
        if not wanted or any(w.has(one.repo, one.commit, contents.refs_of(one)) for w in wanted)
    ]
    if wanted and not (stored or parts):
        raise UsageError(f"Nothing of {', '.join(names)} is in the cache {contents.cache}. Run `zoo cache list`.")
    report: list[dict[str, Any]] = []
    with progress_bars(quiet=quiet) as progress:
        for one in stored:
            faults = verify_cached_weights(one, progress=progress)
            heal = suggest_repair(one, faults) if faults else None
            report.append({"name": one.text, "bytes": one.revision.size, "faults": faults, "remedy": heal})
            report[-1]["missing"] = list(one.missing)
        for kept in parts:
            faults = verify_partial_file(kept)
            text = f"{kept.repo}@{kept.commit[:7]}"
            heal = "zoo cache remove --parts" if faults else None  # a name would take whole files along
            report.append({"name": f"{text}/{kept.name} (parts)", "bytes": kept.kept, "faults": faults, "remedy": heal})
    _print_verified(report, as_json=as_json)
    for problem in () if wanted else contents.problems:
        say(f"Passed over: {problem}")
    damaged = [one for one in report if one["faults"]]
    if damaged:
        raise IntegrityError(f"{len(damaged)} of {len(report)} are damaged. Run `{damaged[0]['remedy']}`.")


def _is_wanted(stored: CachedWeights, wanted: Sequence[Any]) -> bool:
    one = stored.revision
    return not wanted or any(w.has(one.repo, one.commit, one.refs) for w in wanted)


def _print_verified(report: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    for one in report:
        if one["faults"]:
            faults = "; ".join(one["faults"])
            state = f"damaged. {faults}. Repair it: {one['remedy']}"
        else:
            state = f"{format_size(one['bytes'])}, every hash is right"
            state += f"; {_not_fetched(one['missing'])}" if one.get("missing") else ""
        say(f"{one['name']}: {state}", out=True)
    if not report:
        say("Nothing is cached. Run `zoo list` for what can be fetched.")


# ------------------------------------------------------------------------------------------------ remove


@cache.command("remove")
@click.argument("names", nargs=-1)
@click.option("--incomplete", is_flag=True, help="Remove what is left of interrupted downloads.")
@click.option("--parts", is_flag=True, help="Remove the parts of files that `zoo fetch --cut` downloaded.")
@click.option("--decoded", is_flag=True, help="Remove decoded pictures; they are decoded again when needed.")
@click.option("--datasets", is_flag=True, help="Remove datasets that were generated or unpacked.")
@click.option("--registries", is_flag=True, help="Remove the copies of large registries that make `zoo list` quick.")
@click.option("--all", "everything", is_flag=True, help="Remove all of these, and all filters; others stay.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@cache_dir_option
def remove_cache(
    names: tuple[str, ...],
    everything: bool,
    yes: bool,
    dry_run: bool,
    cache_dir: Path | None,
    **kinds: bool,
) -> None:
    """Remove cached filters by NAMES, or everything of a kind.

    NAMES are names of `zoo list`, owner/name, owner/name@revision or hf://…. Weights of the Hub that are no filters are
    removed only by name. Files that another revision needs too are not removed.

    \b
    zoo cache remove owner/filters --dry-run
    zoo cache remove --decoded --parts
    """
    chosen = {kind for kind, given in kinds.items() if given or everything}
    if not (names or chosen):
        raise UsageError(f"Say what to remove: NAMES, --{', --'.join(kinds)} or --all.")
    refused: list[ZooError] = []
    plan = _plan(names, chosen, cache_dir, refused, filters=everything)
    for removal in plan:
        say(f"{removal.what}: {format_size(removal.size)}, {removal.path}", out=True)
    for refusal in refused:
        say(f"Stays: {refusal}")
    if plan and not dry_run:
        _remove_planned(plan, yes=yes)
    elif plan:
        say(f"{format_size(sum(one.size for one in plan))} would be freed. Nothing was removed.")
    elif not refused:
        say("There is nothing to remove.")
    if refused:
        raise ZooError(f"{len(refused)} things could not be removed. {refused[0]}")


def _plan(
    names: tuple[str, ...], kinds: set[str], cache_dir: Path | None, refused: list[ZooError], *, filters: bool
) -> list[Removal]:
    from zoo.store import (  # fmt: skip
        list_caches,
        parse_selector,
        plan_downloads,
        plan_filters,
        plan_folders,
        plan_named,
        plan_partial_files,
    )

    wanted = [parse_selector(name) for name in names]
    contents = list_caches(cache_dir)
    plans: dict[str, Callable[[], list[Removal]]] = {
        "incomplete": partial(plan_downloads, contents.incomplete_downloads, contents.cache, refused),
        "parts": partial(plan_partial_files, contents.parts, refused),
        **{kind: partial(plan_folders, contents, kind) for kind in DERIVED},
    }
    if filters:  # --all leaves alone what is left of other people's downloads
        plans["incomplete"] = partial(plan_filters, contents, refused)
    plan = plan_named(contents, wanted, refused)
    for kind, make in plans.items():
        plan += make() if kind in kinds else []
    return list({removal.path: removal for removal in plan}.values())


def _remove_planned(plan: Sequence[Removal], *, yes: bool) -> None:
    total = format_size(sum(removal.size for removal in plan))
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(f"{len(plan)} things would go ({total}). Pass --yes to remove them, or --dry-run.")
        if not click.confirm(f"Remove these and free {total}?", err=True):
            say("Nothing was removed.")
            return
    for removal in plan:
        removal.run()
    say(f"{total} freed.")
