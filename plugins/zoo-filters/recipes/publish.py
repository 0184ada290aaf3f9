"""Push every set of filters of this package to the Hub, and write where they lie into the core's registry.

    make publish OWNER=name DRY=1    # check all, send nothing
    make publish OWNER=name          # with a token: HF_TOKEN, or the stored login

Each goes to OWNER/NAME as one commit with a tag. Afterwards the entry of NAME in registry.toml begins with
`hf://OWNER/NAME@COMMIT`; `package:zoo_filters/NAME` stays behind it, for when the Hub cannot be reached.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import click

import zoo
from zoo.cli import PATH, progress_bars, say
from zoo.errors import IntegrityError, ZooError
from zoo.files import parse_toml
from zoo.store import Artifact, RegistryEntry, add_entry, open_artifact

PACKAGE = Path(__file__).parents[1] / "zoo_filters"
REGISTRY = Path(__file__).parents[3] / "registry.toml"


@click.command()
@click.argument("owner")
@click.option("--tag", default=f"v{version('zoo-filters')}", show_default=True, help="For the new commits.")
@click.option("--package", type=PATH, default=PACKAGE, help="The folder of the filters' folders.")
@click.option("--registry", type=PATH, default=REGISTRY, help="The registry.toml to write into.")
@click.option("--private", is_flag=True, help="Create the repositories as private.")
@click.option("--dry-run", is_flag=True, help="Check all and say what would be sent; send nothing.")
def publish(owner: str, tag: str, package: Path, registry: Path, private: bool, dry_run: bool) -> None:
    """Push all filters of the package to OWNER/NAME on the Hub, and register them."""
    filters = find_filters(package, registry)
    with progress_bars() as progress:
        for send in (False, True)[: 1 if dry_run else 2]:  # nothing is sent before all could be
            for one in filters:
                name, repo = one.manifest.name, f"{owner}/{one.manifest.name}"
                what = {"tag": tag, "private": private or None, "dry_run": not send}
                result = zoo.push(one, repo=repo, progress=progress, **what)
                if result.digest != one.digest:
                    raise IntegrityError(f"{name} would change on its way to the Hub.", "Say its licences in full.")
                size = f"{result.size:,} bytes"
                if not send:
                    say(f"{name}: {size} to send to {result.url}", *result.notes)
                    continue
                register(result.entry, registry, package.name)
                say(f"{name}: {size} sent, {result.entry.sources[0]}, tag {tag}")
    if dry_run:
        say("Nothing was sent. Next: the same without DRY=1.")
    else:
        say(f"Next: commit {registry}, and release the core with it.")


def find_filters(package: Path, registry: Path) -> list[Artifact]:
    """The published folders of a package.

    Raises:
        IntegrityError: a registry promises another hash than the folder's manifest has, or the package's has no entry.
    """
    found = [open_artifact(path.parent.resolve().as_uri()) for path in sorted(package.glob("*/config.json"))]
    for path in (package / "registry.toml", registry):
        entries = parse_toml(path.read_text(encoding="utf-8")).get("filters", {})
        for one in found:
            entry = entries.get(one.manifest.name, {"manifest": one.digest} if path == registry else {})
            if entry.get("manifest") != one.digest:
                raise IntegrityError(
                    f"{path} promises {entry.get('manifest')} of {one.manifest.name}, and its folder has {one.digest}.",
                    "Correct the entry, or make the filters again.",
                )
    return found


def register(entry: RegistryEntry, registry: Path, package: str) -> None:
    """Write an entry into the core's registry: the Hub first, then all other sources that it had, and the package."""
    had = parse_toml(registry.read_text(encoding="utf-8")).get("filters", {}).get(entry.name, {}).get("sources", ())
    sources = (*entry.sources, *had, f"package:{package}/{entry.name}")
    older = {one for one in had if one.startswith("hf://")} - {*entry.sources}
    add_entry(replace(entry, sources=tuple(dict.fromkeys(one for one in sources if one not in older))), registry)


if __name__ == "__main__":
    try:
        publish.main(standalone_mode=False)
    except (ZooError, click.ClickException) as error:
        sys.exit(f"Error: {error}")
