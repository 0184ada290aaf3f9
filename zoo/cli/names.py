"""`zoo list`, `info`, `fetch`, `verify`, `registry`: filters by name. None of them imports torch but `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.console import (
    PATH,
    fields_of,
    format_metrics,
    json_option,
    print_facts,
    print_json,
    print_table,
    progress_bars,
    quiet_option,
    say,
    source_options,
)
from zoo.errors import FetchError, FileError, IntegrityError, MissingFileError, ZooError
from zoo.files import parse_json
from zoo.store import RegistryEntry, add_entry, all_entries, missing_package, remove_entry, user_registry


@click.command("list")
@click.argument("kind", type=click.Choice(["filters", "heads", "datasets", "backbones", "formats"]), default="filters")
@json_option
def list_names(kind: str, as_json: bool) -> None:
    """List the published filters known by name on this machine, or the installed heads, datasets, ….

    Names of filters come from registries: of installed packages, and your own (`zoo registry add`).
    """
    if kind != "filters":
        _list_plugins(kind, as_json=as_json)
        return
    problems: list[ZooError] = []
    entries = sorted(all_entries(problems=problems).values(), key=lambda entry: entry.name)
    if as_json:
        print_json([_entry_facts(entry) for entry in entries])
    elif entries:
        rows = [(one.name, one.backbone, one.cut, one.license, _about(one)) for one in entries]
        print_table(("name", "backbone", "cut", "licence", "about"), rows)
    else:
        say("No filters have a name here. Run `pip install zoo-filters`, or `zoo registry add NAME FOLDER`.")
    for problem in problems:
        say(f"Passed over: {problem}")
    for entry in entries:
        if entry.shadows and not as_json:
            say(f"{entry.name}: {entry.origin} goes before {', '.join(entry.shadows)}, which pins other filters.")


def _about(entry: RegistryEntry) -> str:
    package = missing_package(entry)
    notes = (f"(pip install {package})" if package else "", "" if entry.manifest else "(unpinned)", entry.about)
    return " ".join(filter(None, notes))


def _list_plugins(kind: str, *, as_json: bool) -> None:
    from zoo.plugins import find_plugins

    found = find_plugins(kind if kind == "backbones" else kind.removesuffix("s"))
    if as_json:
        print_json([{"name": plugin.name, "package": plugin.package, "version": plugin.version} for plugin in found])
    else:
        print_table(("name", "package", "version"), [(one.name, one.package, one.version) for one in found])


def _entry_facts(entry: RegistryEntry) -> dict[str, Any]:
    facts = fields_of(entry, "name", "sources", "manifest", "backbone", "cut", "license", "about")
    return {**facts, "registry": entry.origin, "missing_package": missing_package(entry)}


@click.command()
@click.argument("name")
@source_options
@json_option
def info(name: str, as_json: bool, **where: Any) -> None:
    """Describe the filters NAME: backbone, cut, classes, scores, licence. No weights are downloaded.

    NAME is a name of `zoo list`, a folder, or owner/name on the Hub. For a repository of the Hub without filters its
    safetensors files are listed: `zoo train --weights` can start from them.
    """
    from zoo.cli.repository import ask_or_say, hub_facts, hub_lines
    from zoo.store import open_artifact

    try:
        published = open_artifact(name, **where)
    except (FetchError, IntegrityError) as error:
        unreachable = isinstance(error, FetchError) and not isinstance(error.__cause__, MissingFileError)
        if unreachable or not _show_other_repository(name, as_json=as_json, **where):
            raise
        return
    manifest = published.manifest
    answer = ask_or_say(published.source)
    if as_json:
        facts = {"source": published.source.text, "manifest": published.digest, **manifest.model_dump(mode="json")}
        print_json({**facts, "hub": hub_facts(answer) if answer else None})
        return
    lineage, cut = manifest.lineage, manifest.cut
    lines = [
        ("name", manifest.name),
        ("about", manifest.about),
        ("source", published.source.text),
        ("manifest", published.digest),
        ("backbone", f"{manifest.backbone} (package {manifest.backbone_package})"),
        ("cut", f"{cut.name} ({cut.node}), {cut.channels} channels, stride {cut.stride}"),
        ("input", f"{manifest.input.size} x {manifest.input.size} pixels"),
        ("weights", f"{manifest.files['model.safetensors'].size / 1e6:.2f} MB, {manifest.dtype}"),
        ("update of", manifest.delta.base if manifest.delta else ""),
        ("started from", lineage.base or lineage.weights),
        ("data", lineage.dataset or "-"),
        ("licence", manifest.license or "-"),
    ]
    lines += [(f"head {head.name}", _head_text(head)) for head in manifest.heads]
    if manifest.crop is not None:
        lines.append(("pictures", f"of the heads: cropped first by {manifest.crop.locator or 'their true boxes'}"))
    lines += [(f"{split} {head}", figures) for split, head, figures in _scores(published)]
    lines += hub_lines(answer) if answer else []
    print_facts([(title, text) for title, text in lines if text])
    say(f"Next: zoo fetch {_with_revision(name, where)}")


def _with_revision(name: str, where: dict[str, Any]) -> str:
    """The name with the requested revision."""
    revision = where.get("revision")
    return f"{name}@{revision}" if revision and "/" in name and "@" not in name else name


def _show_other_repository(name: str, *, as_json: bool, offline: bool, **where: Any) -> bool:
    """Whether NAME is a repository without filters of ours; what is known of it is printed then."""
    from zoo.cli.repository import find_other_repository, show_other_repository

    answer = None if offline else find_other_repository(name, **where)
    if answer is not None:
        show_other_repository(answer, as_json=as_json)
    return answer is not None


def _head_text(head: Any) -> str:
    names = head.target.names
    listed = f": {', '.join(names[:6])}{', …' if len(names) > 6 else ''}" if names else ""
    beside = f", with {' and '.join(one.name for one in head.numbers)}" if head.numbers else ""
    return f"{head.target_name}, {head.target.kind}{beside}" + (f", {len(names)} classes{listed}" if names else "")


def _scores(published: Any) -> list[tuple[str, str, str]]:
    """Metrics by split and head; none where metrics.json, which may come from anywhere, has them in another form."""

    try:
        content = parse_json(published.read_file("metrics.json", limit=16 * 2**20) or "{}")
        return [
            (split, head, format_metrics(figures))
            for split, heads in content.get("figures", content).items()
            for head, figures in heads.items()
        ]
    except FetchError as error:  # the rest may be here all the same
        say(f"The scores are left out. {error}")
        return []
    except (IntegrityError, ValueError, TypeError, AttributeError):
        say(f"{published.source.text}: its metrics.json cannot be read, and is passed over.")
        return []


@click.command()
@click.argument("name")
@click.option("--cut", help="Download only the layers up to this block, such as block2.")
@source_options
@json_option
@quiet_option
def fetch(name: str, cut: str | None, as_json: bool, quiet: bool, **where: Any) -> None:
    """Download the filters NAME and verify them; print their folder, or with --cut their source.

    NAME is a name of `zoo list`, a folder, or owner/name on the Hub.

    \b
    zoo fetch owner/filters
    zoo fetch owner/filters --cut block2
    """
    from zoo.models import fetch as fetch_published

    with progress_bars(quiet=quiet) as progress:
        published = fetch_published(name, cut=cut, progress=progress, **where)
    manifest, name = published.manifest, _with_revision(name, where)
    if cut and published.folder is None:
        _report_part(published, name, cut, as_json=as_json)
        return
    size = sum(entry.size for entry in manifest.files.values())
    if as_json:
        print_json(
            {"name": manifest.name, "folder": str(published.folder), "manifest": published.digest, "bytes": size}
        )
        return
    say(published.folder, out=True)
    say(f"{manifest.name}: {len(manifest.files) + 1} files, {size / 1e6:.1f} MB, every hash verified.")
    stop, python = (f" --cut {cut}", f', cut="{cut}"') if cut else ("", "")
    say(f'Next: zoo embed photos/ --filters {name}{stop} -o photos.parquet, or in Python zoo.load("{name}"{python})')


def _report_part(published: Any, name: str, cut: str, *, as_json: bool) -> None:
    manifest, source = published.manifest, published.source
    came, whole = source.received, manifest.files["model.safetensors"].size
    facts = {"name": manifest.name, "source": source.text, "cut": cut, "manifest": published.digest}
    if as_json:
        print_json({**facts, "folder": None, "bytes": came, "whole": whole})
        return
    say(source.text, out=True)
    brought = f"{came / 1e6:.1f} of {whole / 1e6:.1f} MB came" if came else "all of it was here"
    say(f"{manifest.name} up to {cut}: {brought}, every tensor verified.")
    say(f"Next: zoo embed photos/ --filters {name} --cut {cut} -o photos.parquet")


@click.command()
@click.argument("name")
@click.option("--reproduce", is_flag=True, expose_value=False, help="Train their recipe again: zoo reproduce NAME.")
@source_options
@json_option
@quiet_option
def verify(name: str, as_json: bool, quiet: bool, **where: Any) -> None:
    """Compare every file of the filters NAME with its hash, and recompute their golden features.

    Golden features are what the filters gave for a small test picture when they were published.
    """
    from zoo.errors import MissingPluginError
    from zoo.models import GOLDEN_FILE, check_golden, fetch as fetch_published, load
    from zoo.store import verify as verify_published

    with progress_bars(quiet=quiet) as progress:
        published = fetch_published(name, progress=progress, **where)
        lines = verify_published(published, progress=progress)
        try:
            if GOLDEN_FILE in published.manifest.files:
                error = check_golden(load(name, **where))
                lines.append(f"golden features: recomputed, {error:.1e} of the largest off")
            else:
                lines.append("golden features: there are none; `zoo push` makes those of a run")
        except MissingPluginError as missing:
            lines.append(f"golden features: not recomputed. {missing}")
    if as_json:
        print_json({"name": published.manifest.name, "manifest": published.digest, "report": lines})
        return
    for line in lines:
        say(line, out=True)


@click.group()
def registry() -> None:
    """Give filters a name of your own, in a registry.toml like this one:
    \b
    format = 1
    [filters.NAME]
    sources  = ["hf://owner/name@COMMIT", "/a/folder"]   where the filters are, tried in this order
    manifest = "sha256:…"                                the hash that their config.json must have
    backbone, cut, about, license: texts that `zoo list` shows
    """


@registry.command("add")
@click.argument("name")
@click.argument("source")
@click.option("--file", "path", type=PATH, help="The registry.toml; that of `zoo registry path` by default.")
@click.option(
    "--overwrite", "--yes", "--replace", "overwrite", is_flag=True, help="Replace the name if it is of other filters."
)
@source_options
def add_name(name: str, source: str, path: Path | None, overwrite: bool, **where: Any) -> None:
    """Name the filters at SOURCE, pinned to the hash that their manifest (config.json) has now.

    SOURCE is a folder, owner/name, hf://owner/name@revision or package:module/folder.

    \b
    zoo registry add reef-fish owner/reef-fish
    """
    from zoo.store import entry_of, open_artifact

    if Path(source).exists() and not Path(source).is_dir():
        raise FileError(source, "this is a file", "Name the folder of published filters.")
    published = open_artifact(source, **where)
    entry = entry_of(published.manifest, published.digest, published.source.text, name=name)
    written = add_entry(entry, path, overwrite=overwrite)
    say(f"{name} is in {written}, pinned to {published.digest[:19]}…")
    say(f"Next: zoo fetch {name}")


@registry.command("remove")
@click.argument("name")
@click.option("--file", "path", type=PATH, help="The registry.toml; that of `zoo registry path` by default.")
def remove_name(name: str, path: Path | None) -> None:
    """Remove NAME from the registry; the filters themselves stay where they are."""
    say(f"{name} is removed from {remove_entry(name, path)}.")


@registry.command("path")
def show_path() -> None:
    """Print the path of your own registry.toml."""
    say(user_registry(), out=True)
