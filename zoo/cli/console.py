"""What commands share: tables, JSON, progress bars, options."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from zoo.cli.flags import in_flags
from zoo.errors import UsageError, mask_secrets, one_line
from zoo.files import check_output, format_json
from zoo.progress import Progress, silent

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def print_json(content: Any) -> None:
    """To stdout, for programs."""
    click.echo(mask_secrets(format_json(content)))


def say(*lines: object, out: bool = False) -> None:
    """Write lines for people to stderr, or data to stdout; Python arguments in them are rewritten as flags.

    What stands in them may be anybody's: nothing in a line can end it or steer the terminal.
    """
    for line in lines:
        click.echo(one_line(in_flags(line)), err=not out)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Columns padded to their widest cell, to stdout.

    Args:
        columns: the headings.
        rows: the cells.
        right: headings of the columns that are set flush right.
    """
    lines = [[one_line(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        parts = [
            cell.rjust(width) if heading in right else cell.ljust(width)
            for cell, width, heading in zip(line, widths, columns, strict=True)
        ]
        text = "  ".join(parts).rstrip()
        click.echo(click.style(text, bold=True) if number == 0 and _uses_colour(sys.stdout) else text)


@contextlib.contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[Progress]:
    """A `Progress` that draws bars on stderr, one for each task; silent where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress as Bars, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
    layout = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with Bars(*layout, console=console, refresh_per_second=8) as bars:
        tasks: dict[str, TaskID] = {}
        drawn: dict[str, float] = {}

        def listen(what: str, done: int, total: int | None = None, note: str = "") -> None:
            what, note = one_line(what), one_line(note)
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or 1, note=note)
            now = time.monotonic()
            if done == total or now - drawn.get(what, 0.0) > 0.1:
                bars.update(tasks[what], completed=done, total=total or max(done, 1), note=note)
                drawn[what] = now
            if done == total:
                del tasks[what]

        yield listen


def print_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Print one `title  text` a line to stdout, the texts aligned."""
    width = max(len(title) for title, _ in facts) + 2
    for title, text in facts:
        say(f"{title:<{width}}{text}", out=True)


def fields_of(content: object, *names: str) -> dict[str, Any]:
    """Some attributes by name, as they stand in JSON."""
    return {name: getattr(content, name) for name in names}


def say_skipped(skipped: Sequence[str], *, most: int = 20) -> None:
    """List the pictures that could not be read and were left out, on stderr."""
    for line in skipped[:most]:
        say(f"left out: {line}")
    if len(skipped) > most:
        say(f"left out: {len(skipped) - most} more")


def format_metrics(metrics: Mapping[str, Any]) -> str:
    """The scalar metrics of a head: `log loss 0.5123  accuracy 0.8611`."""
    return "  ".join(f"{key.replace('_', ' ')} {one:.4f}" for key, one in metrics.items() if isinstance(one, float))


def format_size(size: int) -> str:
    """Bytes for people: `512 B`, `1.2 kB`, `553.4 MB`."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def format_count(number: int, what: str) -> str:
    """`1 file`, `2 files`, `12,000 files`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def parse_pairs(values: Sequence[str], *, option: str) -> dict[str, str]:
    """`key=value` texts -> a mapping. Raises UsageError."""
    pairs = {}
    for value in values:
        key, equals, content = value.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} takes key=value, not {value!r}.")
        pairs[key] = content
    return pairs


def json_option(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout, for programs.")(function)


def quiet_option(function: F) -> F:
    """`--quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help="Show no progress bars.")(function)


def device_option(function: F) -> F:
    """`--device`."""
    return click.option("--device", metavar="NAME", help="cuda, cuda:1, mps or cpu; a GPU by default, if any.")(
        function
    )


def output_options(function: F) -> F:
    """`--device`, `--json` and `--quiet`."""
    return device_option(json_option(quiet_option(function)))


def overwrite_option(function: F, **details: Any) -> F:
    """`--overwrite`."""
    return click.option("--overwrite", is_flag=True, help="Replace what is there already.", **details)(function)


def out_option(*names: str, folder: bool = False, **details: Any) -> Callable[[F], F]:
    """An option that names output, and `--overwrite`: what is there already is refused before anything is done."""

    def check(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
        if path is not None:
            check_output(path, overwrite=ctx.meta["overwrite"], folder=folder, argument=param.name or "")
        return path

    def decorate(function: F) -> F:
        keep = {"callback": lambda ctx, _, value: ctx.meta.update(overwrite=value), "expose_value": False}
        function = overwrite_option(function, is_eager=True, **keep)
        return click.option(*names, type=PATH, callback=check, **details)(function)

    return decorate


def data_options(function: F) -> F:
    """`--data DIR`, `--set key=value`, and `--exclude FILE`, which a command is given among the latter."""

    @functools.wraps(function)
    def call(*words: Any, exclude: Path | None, settings: tuple[str, ...], **given: Any) -> Any:
        listed = () if exclude is None else (f"exclude={exclude.expanduser().resolve()}",)
        return function(*words, settings=(*settings, *listed), **given)

    decorated = click.option(
        "--exclude",
        type=PATH,
        metavar="FILE",
        help="Leave out the pictures in a CSV's column `path`, such as `zoo data check -o` writes.",
    )(call)
    decorated = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the dataset (`zoo data list` names them). Repeatable.",
    )(decorated)
    data = click.option("--data", "root", metavar="DIR", help="The folder that the dataset reads, if any.")
    return cast(F, data(decorated))


def source_options(function: F) -> F:
    """`--revision`, `--cache-dir`, `--token`, `--offline`."""
    function = click.option("--offline", is_flag=True, help="Do not use the network, only what is on this disk.")(
        function
    )
    function = click.option("--token", metavar="TOKEN", help="A Hub access token; HF_TOKEN or the login by default.")(
        function
    )
    function = click.option("--cache-dir", metavar="DIR", help="The cache of downloads; HF_HUB_CACHE by default.")(
        function
    )
    return click.option("--revision", metavar="REV", help="A branch, tag or commit on the Hub; main by default.")(
        function
    )


def pop_source(given: dict[str, Any]) -> dict[str, Any]:
    """What `source_options` added, taken out of a command's other options."""
    return {name: given.pop(name) for name in ("revision", "cache_dir", "token", "offline")}


def _uses_colour(stream: Any) -> bool:
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR")
