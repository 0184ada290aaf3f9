"""How long a command takes to start: `zoo` beside a bare click program and `hf`, whole processes.

The bare program (written to a temporary file) has as many commands as `zoo`; its `list` reads the entry points of
one group. All is then measured once more with 1,000 more packages and a registry of 10,000 entries.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from common import Promise, Table, describe_machine, interleave, median, parser, ratio, seconds_of, tell

from zoo.cli.main import SECTIONS
from zoo.store.registry_editing import format_entry
from zoo.store.registry_file import RegistryEntry

SCRIPTS = Path(sys.executable).parent
ENTRIES = 10_000
FAKES = 1_000
EVERY = 20  # one fake package in so many has a plugin of ours

BARE = """
import click


@click.group()
def cli():
    "A bare program."


@cli.command("list")
def list_points():
    "List one group."
    from importlib.metadata import entry_points

    for point in entry_points(group="zoo.datasets"):
        click.echo(f"{{point.name}} {{point.dist.name}} {{point.dist.version}}")

{commands}

cli()
"""
COMMAND = """
@cli.command("command{number}")
@click.option("--flag", help="A flag.")
def command{number}(flag):
    "Command {number} of a bare program."
"""


def write_bare(path: Path) -> None:
    """A click program with as many commands as `zoo`."""
    count = sum(len(section) for section in SECTIONS.values())
    path.write_text(BARE.format(commands="".join(COMMAND.format(number=number) for number in range(count - 1))))


def write_packages(folder: Path) -> None:
    """Metadata of `FAKES` installed packages, each with a script; one in `EVERY` has a dataset for us."""
    for number in range(FAKES):
        info = folder / f"fake_{number}-1.{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: fake-{number}\nVersion: 1.{number}\n")
        points = f"[console_scripts]\nfake{number} = fake_{number}:main\n"
        if number % EVERY == 0:
            points += f"\n[zoo.datasets]\nfake{number} = fake_{number}:Fake\n"
        (info / "entry_points.txt").write_text(points)


def write_registry(path: Path) -> None:
    """`ENTRIES` names, each pinned."""
    entries = (
        RegistryEntry(
            name=f"filters-{number:05}",
            sources=(f"hf://owner/filters-{number:05}@{number:040x}",),
            manifest=f"sha256:{number:064x}",
            backbone="vgg16",
            cut="block4",
            about="Filters that do not exist",
            license="apache-2.0",
        )
        for number in range(ENTRIES)
    )
    path.write_text("format = 1\n\n" + "\n".join(map(format_entry, entries)))


def measure(bare: Path, env: dict[str, str], *, rounds: int, hf: bool) -> dict[str, list[float]]:
    """Seconds of every command."""
    zoo, python = str(SCRIPTS / "zoo"), sys.executable
    commands = {
        "python -c pass": [python, "-c", "pass"],
        "bare click --help": [python, str(bare), "--help"],
        "bare click list": [python, str(bare), "list"],
        "zoo --help": [zoo, "--help"],
        "zoo list": [zoo, "list"],
        "zoo plugins": [zoo, "plugins"],
    }
    if hf:
        commands["hf --help"] = [str(SCRIPTS / "hf"), "--help"]
    contenders: dict[str, Callable[[], float]] = {
        name: partial(seconds_of, words, env=env) for name, words in commands.items()
    }
    return interleave(contenders, rounds=rounds)


def table_of(title: str, runs: dict[str, list[float]]) -> Table:
    """Medians, and the ratios that matter."""
    base = {"zoo --help": "bare click --help", "zoo list": "bare click list", "zoo plugins": "bare click list"}
    rows = []
    for name, seconds in runs.items():
        beside = f"{ratio(seconds, runs[base[name]]):.2f}" if name in base else ""
        faster = f"{ratio(runs['hf --help'], seconds):.1f}" if name in base and "hf --help" in runs else ""
        rows.append((name, median(seconds) * 1000, min(seconds) * 1000, beside, faster))
    columns = ("command", "median ms", "fastest ms", "zoo / bare click", "hf --help / zoo")
    return Table(title=title, columns=columns, rows=tuple(rows))


def main() -> None:
    """Measure and tell."""
    arguments = parser(__doc__, rounds=11).parse_args()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        bare, registry, packages = folder / "bare.py", folder / "registry.toml", folder / "packages"
        write_bare(bare)
        write_registry(registry)
        write_packages(packages)
        env = {**os.environ, "ZOO_HOME": str(folder / "home"), "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
        env.pop("ZOO_REGISTRY", None)
        usual = measure(bare, env, rounds=arguments.rounds, hf=True)
        full = {**env, "PYTHONPATH": str(packages), "ZOO_REGISTRY": str(registry)}
        many = measure(bare, full, rounds=arguments.rounds, hf=False)
    promises = []
    for command, beside in (("--help", "--help"), ("list", "list"), ("plugins", "list")):
        ours, base = usual[f"zoo {command}"], usual[f"bare click {beside}"]
        text = f"`zoo {command}` over bare click's `{beside}`"
        promises.append(Promise(text=text, wanted=1.5, measured=ratio(ours, base), most=True))
        text = f"`hf --help` over `zoo {command}`"
        promises.append(Promise(text=text, wanted=4, measured=ratio(usual["hf --help"], ours)))
    for command in ("--help", "list", "plugins"):
        text = f"`zoo {command}` with {FAKES:,} packages and {ENTRIES:,} entries, s"
        promises.append(Promise(text=text, wanted=0.4, measured=median(many[f"zoo {command}"]), most=True))
    tables = [
        table_of("As installed", usual),
        table_of(f"With {FAKES:,} more packages and {ENTRIES:,} registry entries", many),
    ]
    tell(tables, promises, machine=machine, raw={"usual": usual, "many": many}, path=arguments.json)


if __name__ == "__main__":
    main()
