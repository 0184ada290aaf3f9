"""`zoo`: commands are imported when they are run, so that help and listings cost nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from zoo import __version__
from zoo.cli.flags import in_flags
from zoo.errors import UnknownNameError, UsageError, ZooError, ZooWarning, one_line, printable

if TYPE_CHECKING:
    from zoo.plugins import Plugin

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Start here": {
        "doctor": (
            "zoo.cli.doctor:doctor",
            "Versions, devices and plugins of this installation, and what is wrong with it.",
        ),
    },
    "Published filters": {
        "list": (
            "zoo.cli.names:list_names",
            "List the published filters that the registries on this machine know by name.",
        ),
        "search": ("zoo.cli.search:search", "Search filters by words, in the registries and on the Hugging Face Hub."),
        "info": ("zoo.cli.names:info", "Describe filters: backbone, cut, classes, scores, licence."),
        "fetch": ("zoo.cli.names:fetch", "Download filters and verify them."),
        "verify": ("zoo.cli.names:verify", "Check every file's hash, and recompute the reference (golden) features."),
        "cache": ("zoo.cli.cache:cache", "List, verify or remove what was downloaded and decoded."),
        "registry": ("zoo.cli.names:registry", "Give filters a name of your own, or remove one."),
        "push": ("zoo.cli.push:push", "Publish a trained run: as a folder, to the Hub, or both."),
    },
    "Backbones": {
        "backbones": ("zoo.cli.backbones:backbones", "List the networks that filters can be made from."),
        "cuts": ("zoo.cli.backbones:cuts", "List where a backbone can be cut off, and what each cut costs."),
    },
    "Training": {
        "data": ("zoo.cli.data:data", "List, make and check datasets."),
        "train": ("zoo.cli.train:train", "Fine-tune filters on a dataset."),
        "resume": ("zoo.cli.train:resume", "Continue a run that was stopped."),
        "evaluate": ("zoo.cli.evaluate:evaluate", "Score a run on a split of its dataset."),
        "predict": ("zoo.cli.evaluate:predict", "Predict class probabilities for pictures, as CSV, Parquet or JSON."),
    },
    "Using filters": {
        "embed": ("zoo.cli.embed:embed", "Compute a feature vector for every picture."),
        "similar": ("zoo.cli.similar:similar", "Find the most similar pictures, or near-duplicates."),
        "show": ("zoo.cli.show:show", "Draw filters: patches, feature visualisations, activation maps, drift."),
    },
    "Plugins": {
        "plugins": (
            "zoo.cli.plugins:plugins",
            "List, find, install and keep plugins; write and check one of your own.",
        ),
    },
}


OPEN_GROUPS = ("data",)  # groups that packages add commands to

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


class LazyGroup(click.Group):
    """A group that knows its commands' help without importing them: the core's from a table, others' from metadata."""

    prefix = ""  # of what packages call their commands in it

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, section by section."""
        return [name for _, _, rows in self._sections() for name, _ in rows if " " not in name]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; the core's go before those of packages."""
        if own := self._find_own(ctx, cmd_name):
            return own
        from zoo.plugins import find_plugin

        try:
            return load_command(find_plugin("command", f"{self.prefix}{cmd_name}"))
        except UnknownNameError:
            return None

    def _find_own(self, ctx: click.Context, name: str) -> click.Command | None:
        for section in SECTIONS.values():
            if name in section:
                module, _, attribute = section[name][0].partition(":")
                command: click.Command = getattr(import_module(module), attribute)
                return command
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, with the nearest name, or the package to install, where there is no such command."""
        if args[:1] == ["verify"] and "--reproduce" in args:  # with the other command's own options
            args = ["reproduce", *(word for word in args[1:] if word != "--reproduce")]
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            from zoo.store import find_bringing

            group = self.prefix.replace("-", " ")
            name = f"{group}{args[0]}"
            if package := find_bringing("command", f"{self.prefix}{args[0]}"):
                raise UsageError(f"There is no command {name!r}. {_bring(package, 'command', name)}")

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"Did you mean `zoo {group}{near[0]}`?" if near else f"Run `zoo {group}--help`."
            raise UsageError(f"There is no command {name!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sections, a package's commands in one of its own."""
        for title, text, rows in self._sections():
            with formatter.section(title):
                if text:
                    formatter.write_text(text)
                    formatter.write_paragraph()
                formatter.write_dl(rows, col_max=14)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """As click does, with nothing imported."""
        from click.shell_completion import CompletionItem

        about = {name: text for _, _, rows in self._sections() for name, text in rows if " " not in name}
        return [
            *(CompletionItem(name, help=about[name]) for name in about if name.startswith(incomplete)),
            *super(click.Group, self).shell_complete(ctx, incomplete),
        ]

    def _sections(self) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
        """Title, a line about all of it, and rows of a name and its help."""
        for title, section in SECTIONS.items():
            yield title, "", [(name, text) for name, (_, text) in section.items()]
        from zoo.plugins import find_clashing_names, find_plugins

        taken = {*core_commands(), *find_clashing_names("command")}
        found: dict[str, list[str]] = {}
        about: dict[str, str] = {}
        for plugin in find_plugins("command"):
            name = plugin.full_name if plugin.name in taken else plugin.name
            group, _, inner = name.partition("-")
            found.setdefault(plugin.package, []).append(f"{group} {inner}" if group in OPEN_GROUPS else name)
            about[plugin.package] = one_line(plugin.summary) or f"From {plugin.package} {plugin.version}."
            if plugin.mismatch:
                about[plugin.package] = "Made for another version of zoo; see `zoo plugins`."
        for package, names in sorted(found.items()):
            single = len(names) == 1  # the package's summary is the command's; of several it stands above them
            yield (
                package,
                "" if single else about[package],
                [(name, about[package] if single else "") for name in names],
            )


class OpenGroup(LazyGroup):
    """A group of the core that packages add to: what they call `data-check` is `zoo data check`."""

    @property
    def prefix(self) -> str:  # type: ignore[override]
        """`data-`."""
        return f"{self.name}-"

    def _find_own(self, ctx: click.Context, name: str) -> click.Command | None:
        return self.commands.get(name)

    def _sections(self) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
        from zoo.plugins import find_plugins

        own = [(name, command.get_short_help_str(200)) for name, command in self.commands.items()]
        others = {one.name: one.summary for one in find_plugins("command") if one.name.startswith(self.prefix)}
        yield (
            "Commands",
            "",
            [*own, *((name.removeprefix(self.prefix), one_line(text)) for name, text in others.items())],
        )


def core_commands() -> set[str]:
    """The names that no package can take."""
    return {name for section in SECTIONS.values() for name in section}


def load_command(plugin: Plugin) -> click.Command:
    """Import a package's command.

    Raises:
        PluginError: it does not import, is no click command, or its package asks for another version of the core.
    """
    command = plugin.load()
    if not isinstance(command, click.Command):
        raise plugin.fault("is no click command")
    return command


@click.group(cls=LazyGroup, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="zoo")
@click.option("--debug", is_flag=True, expose_value=False, help="Show an error's traceback; allowed at any position.")
def cli() -> None:
    """Feature filters by name: truncate a pretrained network (backbone), fine-tune it, publish it, fetch it.

    Filters are the first layers of such a network; docs/glossary.md explains the words used here.
    """


def main() -> None:
    """Run the command line; every error that a user can cause is one line on stderr.

    Exit status: 0 done, 1 failed, 2 misused, 130 stopped by Ctrl-C.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch on the CPU is quicker with huge pages
    sys.excepthook = _print_traceback
    _replace_closed_streams()
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        with _warnings_as_lines():
            cli.main(prog_name="zoo", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # a group without a command
            error.show()
            sys.exit(error.exit_code)
        context = getattr(error, "ctx", None)
        hint = f" Run `{context.command_path} --help`." if context else ""
        _fail(error.format_message() + hint, status=error.exit_code, debug=debug)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except ZooError as error:
        _fail(_answer(error), status=2 if isinstance(error, UsageError) else 1, debug=debug)
    except OSError as error:
        _fail(_explain(error), status=1, debug=debug)


def _answer(error: ZooError) -> str:
    """Its line; of a plugin that is not here but that a package would bring, with the command that installs it."""
    if isinstance(error, UnknownNameError):
        from zoo.store import find_bringing

        if package := find_bringing(error.kind, error.name):
            return f"{error.problem} {_bring(package, error.kind, error.name)}"
    return in_flags(error)


def _bring(package: str, kind: str, name: str) -> str:
    return f"`zoo plugins install {package}` brings the {kind} {name!r}."


def _replace_closed_streams() -> None:
    """Closed ones (`zoo list >&-`) become the null device, else the next file that is opened would get their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  # until the process ends


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Inside, our own warnings are each a line on stderr; those of other packages stay as they are."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **options: Any) -> None:
        if issubclass(category, ZooWarning):
            click.echo(f"Warning: {one_line(in_flags(message))}", err=True)
        else:
            usual(printable(message), category, *where, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ZooWarning)
        warnings.showwarning = show
        yield


def _fail(text: str, *, status: int, debug: bool) -> NoReturn:
    """One line on stderr, with the traceback before it where it is asked for."""
    if debug:
        _print_traceback(*sys.exc_info())
    click.echo(f"{_red('Error:')} {one_line(text)}", err=True)
    sys.exit(status)


def _print_traceback(*error: Any) -> None:
    """As Python does, without access tokens that a foreign error may quote."""
    import traceback

    click.echo(printable("".join(traceback.format_exception(*error))), err=True, nl=False)


def _explain(error: OSError) -> str:
    """An OSError that was not translated before: a full disk behind stdout, a folder that may not be read."""
    from pathlib import Path

    from zoo.files import as_file_error

    return str(as_file_error(error, Path(error.filename or "the output")))


def _red(text: str) -> str:
    plain = os.environ.get("NO_COLOR") or not sys.stderr.isatty()
    return text if plain else click.style(text, fg="red", bold=True)
