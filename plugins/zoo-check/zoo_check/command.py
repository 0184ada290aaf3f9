"""`zoo data check`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli import (
    PATH,
    data_options,
    in_flags,
    json_option,
    out_option,
    parse_pairs,
    print_json,
    print_table,
    progress_bars,
    quiet_option,
    say,
)
from zoo.files import check_output

if TYPE_CHECKING:
    from zoo_check.report import DatasetReport

MOST_ROWS, FIRST_ROWS = 30, 12  # classes that are listed, and of more the largest and as many of the smallest


@click.command()
@click.argument("name")
@data_options
@click.option("--seed", type=int, default=0, help="The seed of folds and draws.")
@click.option("--page", type=PATH, help="Write a page with the pictures of every finding, an HTML file.")
@out_option("-o", "--out", help="Write the list of pictures to leave out, a CSV that --exclude takes.")
@json_option
@quiet_option
@click.pass_context
def check(
    ctx: click.Context,
    name: str,
    root: str | None,
    settings: tuple[str, ...],
    seed: int,
    page: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read every picture of the dataset NAME and say what is wrong: copies, contradictions, leaks, shortcuts, faults.

    Exit status 1 if there are faults. Every command that takes --data takes --exclude FILE too, and leaves out what the
    list names.

    \b
    zoo data check image-folder --data photos/ --page check.html -o exclude.csv
    zoo train image-folder --data photos/ --exclude exclude.csv
    """
    from zoo_check.examination import examine_dataset
    from zoo_check.page import write_page
    from zoo_check.report import write_list

    if page is not None:
        check_output(page, overwrite=ctx.meta["overwrite"], argument="page")
    options = parse_pairs(settings, option="--set")
    with progress_bars(quiet=quiet) as progress:
        report = examine_dataset(name, root, options=options, seed=seed, progress=progress)
        if page is not None:
            write_page(report, page, wording=in_flags, progress=progress)
    listed = write_list(report, out) if out is not None else 0
    if as_json:
        lines = {kind: [in_flags(line) for line in getattr(report, kind)] for kind in ("faults", "warnings", "notes")}
        print_json({**report.as_dict(), **lines})
    else:
        _print_report(report)
        told = [one for one in settings if out is None or not one.startswith("exclude=")]  # they are in the new list
        where = [name, *(["--data", root] if root else []), *(word for one in told for word in ("--set", one))]
        _say_next(report, shlex.join(where), page, out, listed)
    if report.faults:
        raise SystemExit(1)


def _print_report(report: DatasetReport) -> None:
    groups = f"{report.groups} groups" if report.groups else "no groups"
    say(f"{report.pictures} pictures, {groups}; splits: {report.splits or 'none of its own'}", out=True)
    say(f"sizes: {report.smallest} to {report.largest} pixels", out=True)
    for target, counts in report.classes.items():
        say("", f"target {target}: {len(counts)} classes", out=True)
        rows = [(name, str(counts[name])) for name in sorted(counts, key=lambda name: counts[name], reverse=True)]
        if len(rows) > MOST_ROWS:
            rows = [*rows[:FIRST_ROWS], ("…", "…"), *rows[-FIRST_ROWS:]]
        print_table(("class", "pictures"), rows, right=("pictures",))
    say("", out=True)
    for finding in report.findings:  # the worst first
        say(f"{finding.severity}: {finding.line}", out=True)
    if not report.faults:
        say("No faults.", out=True)


def _say_next(report: DatasetReport, where: str, page: Path | None, out: Path | None, listed: int) -> None:
    """What was written, and what to type to see the pictures and to leave them out."""
    if page is not None:
        say(f"The pictures: {page}")
    if out is not None:
        say(f"The list of {listed} to leave out: {out}")
        say(f"Next: zoo train {where} --exclude {shlex.quote(str(out))}")
    elif report.excluded:
        say(f"Next: zoo data check {where} --page check.html -o exclude.csv")
