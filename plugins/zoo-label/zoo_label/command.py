"""`zoo label`."""

from __future__ import annotations

import getpass
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import (
    PATH,
    default_filters,
    device_option,
    json_option,
    parse_pairs,
    print_json,
    print_table,
    progress_bars,
    quiet_option,
    say,
    say_skipped,
)
from zoo.errors import UsageError
from zoo.files import check_output

if TYPE_CHECKING:
    from zoo_label.opening import Opened

TABLES = (".parquet", ".npy", ".safetensors")
DEFAULT_CUT = "block4"


@click.command()
@click.argument("what", metavar="PHOTOS|EMBEDDINGS", type=PATH)
@click.option(
    "--filters", "name", metavar="NAME", help="Filters to embed with; vgg16-imagenet up to block4 by default."
)
@click.option("--cut", help="Use only the layers up to this block.")
@click.option("--size", type=click.IntRange(16), help="Resize pictures to this side, in pixels, to embed them.")
@click.option(
    "--from", "run", metavar="RUN", type=PATH, help="Embed with the filters that a run trained: the next round."
)
@click.option(
    "-o", "--out", type=PATH, default="labels.csv", show_default=True, help="The labels; the journal lies beside."
)
@click.option("--person", metavar="NAME", help="Who labels; the user's name by default.")
@click.option("--second", is_flag=True, help="Begin with a second person's pass over others' labels.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at; others than loopback are open to the network.",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port; one that is free by default.")
@click.option("--no-browser", is_flag=True, help="Open no browser; the page's address is printed anyway.")
@click.option(
    "--import", "table", metavar="CSV", type=PATH, help="Take up the labels of this table (path, label) first."
)
@click.option("--export", metavar="FILE", type=PATH, help="Write the labels to this file, and open no page.")
@click.option(
    "--format", "kind", metavar="NAME", help="Of the export: one of `zoo list formats`; by its suffix by default."
)
@click.option("--report", is_flag=True, help="Print the rounds so far and how good each was, and open no page.")
@click.option(
    "--simulate", is_flag=True, help="Label EMBEDDINGS, whose labels are known, by every strategy, and open no page."
)
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="Of a simulation.")
@click.option(
    "--strategy", "strategies", multiple=True, metavar="NAME", help="Of a simulation; all by default. Repeatable."
)
@click.option("--curves", metavar="FILE", type=PATH, help="Write a simulation's curves to this JSON file.")
@click.option("--plot", metavar="FILE", type=PATH, help="Draw a simulation's curves into this PNG file.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the format, or seconds of the time model.",
)
@click.option("--overwrite", is_flag=True, help="Replace the export, the curves or the plot.")
@json_option
@device_option
@quiet_option
def label(
    what: Path,
    export: Path | None,
    kind: str | None,
    report: bool,
    simulate: bool,
    curves: Path | None,
    plot: Path | None,
    settings: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Label PHOTOS in a page on this machine: name clusters by keys, check what is doubtful, train, go on.

    Every answer is in the journal (labels.sqlite, beside labels.csv) before it is acknowledged; kill -9 loses nothing.

    \b
    zoo label photos/ -o labels.csv
    zoo train image-folder --data photos/ --set labels=labels.csv -o runs/first
    zoo label photos/ -o labels.csv --from runs/first
    """
    if sum((export is not None, report, simulate)) > 1:
        raise UsageError("--export, --report and --simulate are three things. Ask for one of them.")
    if (curves or plot or given["strategies"]) and not simulate:
        raise UsageError("--curves, --plot and --strategy belong to --simulate.")
    for path in (export, curves, plot):
        if path is not None:
            check_output(path, overwrite=overwrite)
    options = parse_pairs(settings, option="--set")
    if simulate:
        _simulate(what, options, given, curves=curves, plot=plot, as_json=as_json, quiet=quiet)
    elif export:
        _export(what, given["out"], export, kind, options)
    elif report:
        _report(given["out"], as_json=as_json)
    else:
        _serve(what, given, quiet=quiet)


def journal_path(out: Path) -> Path:
    """Where the journal of some labels lies: labels.sqlite beside labels.csv."""
    from zoo_label.tables import check_table_path

    return check_table_path(out).with_suffix(".sqlite")


# ------------------------------------------------------------------------------------------------ the page


def _serve(what: Path, given: dict[str, Any], *, quiet: bool) -> None:
    from zoo_label.guard import is_loopback
    from zoo_label.server import LabelServer, RunningServer
    from zoo_label.tables import write_csv
    from zoo_label.worker import Worker

    opened = _open(what, given)
    say_skipped(opened.labelling.pictures.skipped)
    worker = Worker(opened.labelling, opened.embed)
    running = RunningServer(
        LabelServer(opened.labelling, worker, out=given["out"]), host=given["host"], port=given["port"]
    )
    address = running.url + ("#second" if given["second"] else "")
    say(address, out=True)
    say(f"{opened.labelling.counts()['all']:,} pictures. The address is secret: it holds the key. Ctrl-C ends.")
    if not is_loopback(given["host"]):
        say("This page is open to the network, unencrypted: whoever has the address may label.")
    if not given["no_browser"]:
        webbrowser.open(address)
    worker.start()
    try:
        running.serve()
    except KeyboardInterrupt:
        pass
    finally:
        worker.stop()
        rows = write_csv(opened.labelling.journal, given["out"])
        opened.remember(given["out"])
        say(f"{rows} labels in {given['out']}")


def _open(what: Path, given: dict[str, Any]) -> Opened:
    from zoo_label.opening import check_source, open_labelling

    name, cut = given["name"], given["cut"]
    if given["run"] and (name or cut):
        raise UsageError("The filters are those of --from RUN. Leave --filters and --cut out.")
    journal = journal_path(given["out"])
    check_source(what)
    if name is None and given["run"] is None and what.suffix.lower() not in TABLES:
        name, cut = default_filters("zoo label"), cut or DEFAULT_CUT
    return open_labelling(
        what,
        journal,
        out=given["out"],
        person=given["person"] or _user(),
        filters=name,
        cut=cut,
        size=given["size"],
        run=given["run"],
        table=given["table"],
        device=given["device"],
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name is known for this user's number
        return "somebody"


# ------------------------------------------------------------------------------------------------ without a page


def _export(what: Path, out: Path, export: Path, kind: str | None, options: dict[str, str]) -> None:
    from zoo_label.opening import open_journal, open_pictures
    from zoo_label.tables import write_csv, write_format

    journal = open_journal(journal_path(out))
    if kind is None and export.suffix.lower() == ".csv":
        rows = write_csv(journal, export)
    else:
        root = open_pictures(what)[0].root
        name = next((one.name for one in reversed(journal.actions) if one.verb == "round"), "")
        rows = write_format(journal, export, root=root, filters=name, format=kind, options=options)
    say(f"{rows} labels in {export}")


def _report(out: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from zoo_label.opening import open_journal
    from zoo_label.rounds import describe_rounds

    rounds = describe_rounds(open_journal(journal_path(out)))
    if as_json:
        print_json([asdict(one) for one in rounds])
        return
    rows = []
    for one in rounds:
        believed = "-" if one.accuracy is None else f"{one.accuracy:.1%} [{one.low:.1%}, {one.high:.1%}]"
        test = "-" if one.test is None else f"{one.test:.1%}"
        rows.append((one.number, one.filters, one.answers, one.labels or "-", believed, one.checked or "-", test))
    columns = ("round", "filters", "answers", "labels", "of the rest right", "checked", "run's test")
    print_table(columns, rows, right=("round", "answers", "labels", "checked"))


def _simulate(
    what: Path,
    options: dict[str, str],
    given: dict[str, Any],
    *,
    curves: Path | None,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    from zoo.files import write_json
    from zoo.plots import save_png
    from zoo_label.curves import curves_as_json, draw_curves
    from zoo_label.opening import read_truth
    from zoo_label.simulation import simulate as run_simulation
    from zoo_label.strategies import STRATEGIES

    vectors, truth, groups, space = read_truth(what)
    with progress_bars(quiet=quiet) as progress:
        done = run_simulation(
            vectors,
            truth,
            groups,
            strategies=given["strategies"] or tuple(STRATEGIES),
            seeds=given["seeds"],
            times=time_model(options),
            progress=progress,
        )
    content = curves_as_json(done, embeddings=str(space), title=what.stem)
    if curves:
        write_json(curves, content)
    if plot:
        save_png(draw_curves(done, f"Labels for {what.stem}"), plot)
    if as_json:
        print_json(content["rows"])
        return
    columns = ("strategy", "labels", "of random's", "answers", "hours (model)", "pictures an hour (model)")
    print_table(columns, [_row(one) for one in content["rows"]], right=columns[1:])
    say(f"Needed to come within two points of all labels; {done.pictures} pictures, {done.kinds} kinds, by group.")
    say("Hours are a model's, not a measurement of people: --set look=1.2 and so on change its seconds.")


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    def said(name: str, scale: float = 1.0, digits: int = 0) -> str:
        mean, low, high = row.get(name) or (None, None, None)
        if mean is None:
            return "-"
        bounds = "" if low is None or high is None else f" [{low / scale:,.{digits}f}, {high / scale:,.{digits}f}]"
        return f"{mean / scale:,.{digits}f}{bounds}"

    ratio = said("labels_over_random", 1, 2)
    cells = (said("labels"), ratio, said("answers"), said("seconds", 3600, 2), said("pictures_an_hour"))
    return (row["strategy"], *cells)


def time_model(options: dict[str, str]) -> Any:
    """The time model with some seconds changed. Raises UsageError: no such key, or no number."""
    from zoo_label.annotator import TimeModel

    known = TimeModel().assumptions()
    if unknown := [key for key in options if key not in known]:
        raise UsageError(f"The time model has no {unknown[0]!r}.", f"It has {', '.join(known)}.")
    try:
        return TimeModel(**{key: float(value) for key, value in options.items()})
    except ValueError as error:
        raise UsageError(f"The time model's seconds are numbers ({error}).") from error
