"""`zoo plugins available`, `install`, `remove`, `freeze`, `restore`: packages of plugins, by pip or uv."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from zoo import __version__
from zoo.cli.console import PATH, fields_of, format_count, json_option, out_option, print_json, print_table, say
from zoo.errors import FileError, UnknownNameError, UsageError, ZooError
from zoo.files import as_file_error, write_atomically, zoo_home
from zoo.plugins import CORE, clear_plugin_cache, installed_plugins, normalize
from zoo.store import FrozenPackage, freeze_plugins, known_packages, package_of, parse_frozen

LARGEST = 1_000_000  # bytes of a list of packages

_yes = click.option("--yes", is_flag=True, help="Do not ask, for programs.")
_upgrade = click.option("-U", "--upgrade", is_flag=True, help=f"Take the newest versions that fit this {CORE}.")
_names = click.argument("names", nargs=-1, required=True, metavar="NAME...")


@click.command()
@json_option
def available(as_json: bool) -> None:
    """List the packages of plugins that registries know and that are not installed."""
    problems: list[ZooError] = []
    here = installed_plugins()
    found = [one for one in known_packages(problems=problems).values() if normalize(one.name) not in here]
    if as_json:
        print_json([fields_of(one, "name", "summary", "brings", "origin") for one in found])
    elif found:
        told = ["; ".join(f"{kind} {', '.join(names)}" for kind, names in one.brings.items()) for one in found]
        rows = [(one.name, brings, one.summary) for one, brings in zip(found, told, strict=True)]
        print_table(("package", "brings", "summary"), rows)
        say("Next: zoo plugins install PACKAGE")
    else:
        say("All packages that the registries know are installed.")
    say(*(f"Passed over: {problem}" for problem in problems))


@click.command()
@_names
@_upgrade
@_yes
def install(names: Sequence[str], upgrade: bool, yes: bool) -> None:
    """Install packages of plugins by the pip command that is shown; the core stays at its version.

    NAME is a package, zoo-whales or zoo-whales==0.1.0, or a folder, ./zoo-whales.
    """
    unknown = {package_of(name) for name in names} - {None, *map(normalize, known_packages(problems=[]))}
    say(*(f"No registry here knows {name}: make sure that you mean just this package." for name in unknown))
    _change(install_command(names, upgrade=upgrade), yes=yes)
    if Path(sys.prefix, "uv-receipt.toml").is_file():
        say("`uv tool upgrade` removes what it did not install itself; `zoo plugins restore` brings it back.")


@click.command()
@_names
@_yes
def remove(names: Sequence[str], yes: bool) -> None:
    """Uninstall packages of plugins by the pip command that is shown."""
    here = installed_plugins().keys() - {CORE}
    for name in names:
        if normalize(name) not in here:
            raise UnknownNameError("installed package of plugins", name, here, listing="zoo plugins")
    _change(remove_command(names), yes=yes)


@click.command()
@out_option("-o", "--out", help="The file to write, in the form of pip's requirements; stdout by default.")
def freeze(out: Path | None) -> None:
    """Write down the installed packages of plugins, their versions and where they came from, for `restore`."""
    kept, lost = freeze_plugins()
    if out is None:
        say(*(one.line for one in kept), out=True)
    else:
        _write(out, kept)
        say(f"{format_count(len(kept), 'package')} in {out}")
    say(*(f"{one.name} can be restored only where {one.path} is." for one in kept if one.path))
    say(*(f"{name} cannot be restored: {cause}." for name, cause in lost.items()))


@click.command()
@click.argument("file", type=PATH, required=False)
@_upgrade
@_yes
def restore(file: Path | None, upgrade: bool, yes: bool) -> None:
    """Install what `zoo plugins freeze` wrote into FILE, in another environment or after an upgrade.

    Without FILE: what was here after the last `zoo plugins install`, `remove` or `restore`.
    """
    kept, _ = freeze_plugins()
    wanted = [one for one in _read(file or _memory()) if one not in kept]
    gone = [one for one in wanted if one.path and not one.path.exists()]
    words = [word for one in wanted if one not in gone for word in one.words(newest=upgrade)]
    if words:
        _change(install_command(words, upgrade=upgrade), yes=yes)
    else:
        say("Nothing is left to install.")
    if gone:
        said = ", ".join(f"{one.name} from {one.path}" for one in gone)
        raise ZooError(f"Not restored, for the files are not here: {said}.", "Install these from where they are now.")


def lost_packages() -> list[str]:
    """The packages that were here when `zoo plugins` last changed something, and are not any more."""
    try:
        return [one.name for one in _read(_memory()) if normalize(one.name) not in installed_plugins()]
    except ZooError:
        return []


def _memory() -> Path:
    return zoo_home() / "plugins.txt"


def _write(path: Path, kept: Sequence[FrozenPackage]) -> None:
    head = f"# For {CORE} {__version__}; `zoo plugins restore` installs these."
    write_atomically(path, "\n".join([head, *(one.line for one in kept)]) + "\n")


def _read(path: Path) -> list[FrozenPackage]:
    try:
        return parse_frozen(path.read_bytes()[:LARGEST].decode())
    except OSError as error:
        raise as_file_error(error, path) from error
    except (UnicodeDecodeError, UsageError) as error:
        said = getattr(error, "problem", "it is not UTF-8 text").rstrip(".")
        raise FileError(path, said, "Name what `zoo plugins freeze` wrote.") from error


def install_command(words: Sequence[str], *, upgrade: bool = False) -> list[str]:
    """What installs into the running environment, the core left at its version. Raises ZooError: nothing does."""
    program, place = _installer()
    return [*program, "install", *place, *["--upgrade"] * upgrade, *words, f"{CORE}=={__version__}"]


def remove_command(names: Sequence[str]) -> list[str]:
    """What removes packages from it, without asking. Raises ZooError: nothing does."""
    program, place = _installer()
    return [*program, "uninstall", *(place or ["-y"]), *names]


def _installer() -> tuple[list[str], list[str]]:
    """The program, and how it is told of the running environment."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"], []
    if uv := shutil.which("uv"):
        return [uv, "pip"], ["--python", sys.executable]
    raise ZooError("There is neither pip nor uv here, which install packages.", "Run `python -m ensurepip`.")


def _change(command: Sequence[str], *, yes: bool) -> None:
    """Show a command, ask, run it, say what changed, and remember what is there now."""
    say(shlex.join(command))
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("Nothing was changed, for there is nobody to ask.", "Say `yes=True`.")
        click.confirm("Run this?", abort=True, err=True)
    before = installed_plugins()
    done = subprocess.run(command, stdout=2, check=False)
    clear_plugin_cache()
    if done.returncode:
        remedy = f"Where versions do not fit {CORE} {__version__} try `upgrade=True`."
        raise ZooError(f"The command ended with status {done.returncode}; what it says stands above.", remedy)
    now = installed_plugins()
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            say(f"{name}: {now[name]}" if name in now else f"{name} is removed.", out=True)
    if before == now:
        say("No package of plugins came or went.")
    _write(_memory(), freeze_plugins()[0])
