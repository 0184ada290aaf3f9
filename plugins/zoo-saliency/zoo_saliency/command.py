"""`zoo saliency`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import device_option, json_option, out_option, print_json, print_table, progress_bars, quiet_option, say
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo_saliency.comparison import MeanEstimate, RunSaliency, Saliency


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN [OTHER …]", type=click.Path(path_type=Path))
@click.option("--head", metavar="NAME", help="Whose classes; the first head with classes by default.")
@click.option("--box", metavar="TARGET", help="The dataset's box, where it has several.")
@click.option("--split", type=click.Choice(["test", "seen", "val", "train"]), default="test", show_default=True)
@click.option(
    "--of",
    type=click.Choice(["true", "predicted"]),
    default="true",
    show_default=True,
    help="What speaks for the true class, or for the one that each run predicts.",
)
@click.option("--pictures", type=click.IntRange(0), default=200, show_default=True, help="At most; 0: all.")
@click.option("--show", type=click.IntRange(1, 100), default=12, show_default=True, help="Pictures on the sheet.")
@out_option("-o", "--out", metavar="FILE.png", help="Draw the sheet into this PNG.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the choice of pictures.")
@click.option("--data", "root", metavar="DIR", help="Another folder of the same dataset.")
@device_option
@json_option
@quiet_option
def saliency(
    runs: tuple[Path, ...],
    head: str | None,
    box: str | None,
    split: str,
    of: str,
    pictures: int,
    show: int,
    out: Path | None,
    seed: int,
    root: str | None,
    device: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Saliency of finished runs (Grad-CAM), and how much of it lies inside the true box.

    Over the same pictures for every RUN, at the filters' last feature map. `even` is what a map without any
    preference would have in the box, `at most` what one of so few cells could have.

    \b
    zoo saliency runs/plain runs/both -o where.png
    """
    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(f"{out}: the sheet is a PNG. Call it {out.with_suffix('.png')}.")
    from zoo_saliency.comparison import saliency

    with progress_bars(quiet=quiet) as progress:
        found = saliency(
            runs,
            head=head,
            box=box,
            split=split,
            of="predicted" if of == "predicted" else "true",
            pictures=pictures,
            seed=seed,
            root=root,
            device=device,
            progress=progress,
        )
        if out is not None:
            _draw(found, out, show)
    if as_json:
        print_json(_facts(found))
    else:
        _print(found)
    if out is not None:
        say(f"Drawn into {out}: {min(show, len(found))} of the {len(found)} pictures, chosen at random.")


def _print(found: Saliency) -> None:
    say(f"{_title(found)}{_left_out(found)}")
    rows = [
        (
            result.name,
            _number(result.share),
            _ends(result.share),
            f"{found.even:.3f}",
            "-" if result.times_even is None else f"{result.times_even:.1f}",
            f"{result.inside.most.mean():.3f}",
            _number(result.pointing),
            _ends(result.pointing),
            f"{result.heat.shape[1]} x {result.heat.shape[2]}",
        )
        for result in found.results
    ]
    columns = ("run", "in the box", "95%", "even", "times even", "at most", "points into it", "95% ", "cells")
    print_table(columns, rows, right=columns[1:])
    if found.differences:
        click.echo()
        less = [
            (
                f"{one.one} less {one.other}",
                _number(one.share, sign="+"),
                _ends(one.share, sign="+"),
                _number(one.pointing, sign="+"),
                _ends(one.pointing, sign="+"),
                one.pictures,
            )
            for one in found.differences
        ]
        titles = ("difference", "in the box", "95%", "points into it", "95% ", "pictures")
        print_table(titles, less, right=titles[1:])
        say("The intervals are over pictures. One training each: another seed may look elsewhere.")
    for result in found.results:
        if result.blank:
            say(f"{result.name}: in {result.blank} pictures nothing speaks for the class; they count in no share.")


def _title(found: Saliency) -> str:
    asked = "the true class" if found.of == "true" else "the class that each run predicts"
    heads = " and ".join(dict.fromkeys(result.head for result in found.results))
    pictures = found.dataset.title or found.dataset.name
    return f"{len(found)} pictures of {pictures}, {found.split}: what speaks for {asked} ({heads})."


def _left_out(found: Saliency) -> str:
    gone = found.left_out
    parts = (
        (gone.empty, "show nothing"),
        (gone.unboxed, f"have no known {found.box}"),
        (gone.unlabelled, "have no known class"),
        (gone.elsewhere, "are not in that split for every run"),
    )
    said = ", ".join(f"{count} {what}" for count, what in parts if count)
    return f" Left out: {said}." if said else ""


def _number(value: MeanEstimate | None, *, sign: str = "") -> str:
    return "-" if value is None else f"{value.mean:{sign}.3f}"


def _ends(value: MeanEstimate | None, *, sign: str = "") -> str:
    if value is None or value.low is None or value.high is None:
        return "-"
    return f"{value.low:{sign}.3f} to {value.high:{sign}.3f}"


def _draw(found: Saliency, out: Path, show: int) -> None:
    from zoo.plots import save_png
    from zoo_saliency.plot import HeatColumn, HeatRow, draw_saliency

    columns = [
        HeatColumn(title=result.name, note=f"{_number(result.share)} ({_ends(result.share)})")
        for result in found.results
    ]
    rows = []
    for number in range(min(show, len(found))):
        x1, y1, x2, y2 = found.boxes[number].tolist()
        rows.append(
            HeatRow(
                picture=found.picture(number).permute(1, 2, 0).numpy(),
                box=(x1, y1, x2, y2),
                caption=_row_caption(found, number),
                heat=tuple(result.heat[number] for result in found.results),
                captions=tuple(_caption(found, result, number) for result in found.results),
            )
        )
    note = (
        "Below each name stands the mean share of the heat inside the box, with its 95% interval over these pictures; "
        f"an even map would have {found.even:.3f}. Of the pictures {len(rows)} are shown, chosen at random."
    )
    save_png(draw_saliency(rows, columns, title="Where does it look?", note=f"{_title(found)} {note}"), out)


def _row_caption(found: Saliency, number: int) -> str:
    even = f"even {found.results[0].inside.even[number]:.2f}"
    return f"{found.classes[int(found.results[0].asked[number])]}, {even}" if found.of == "true" else even


def _caption(found: Saliency, result: RunSaliency, number: int) -> str:
    share = float(result.inside.share[number])
    text = "nothing speaks for it" if share != share else f"{share:.2f} in the box"
    return text if found.of == "true" else f"{found.classes[int(result.asked[number])]}, {text}"


def _facts(found: Saliency) -> dict[str, Any]:
    def value(estimate: MeanEstimate | None) -> dict[str, Any] | None:
        return None if estimate is None else asdict(estimate)

    def known(number: float) -> float | None:
        return None if number != number else round(number, 6)

    return {
        "dataset": found.dataset.name,
        "split": found.split,
        "of": found.of,
        "box": found.box,
        "pictures": len(found),
        "left_out": asdict(found.left_out),
        "even": found.even,
        "runs": [
            {
                "run": str(result.folder),
                "name": result.name,
                "head": result.head,
                "size": result.size,
                "cells": list(result.heat.shape[1:]),
                "share": value(result.share),
                "times_even": result.times_even,
                "at_most": float(result.inside.most.mean()),
                "pointing": value(result.pointing),
                "blank": result.blank,
            }
            for result in found.results
        ],
        "differences": [
            {
                "run": one.one,
                "less": one.other,
                "pictures": one.pictures,
                "share": value(one.share),
                "pointing": value(one.pointing),
            }
            for one in found.differences
        ],
        "each": [
            {
                "picture": found.paths[number],
                "box": [round(side, 6) for side in found.boxes[number].tolist()],
                "even": known(float(found.results[0].inside.even[number])),
                "classes": [found.classes[int(result.asked[number])] for result in found.results],
                "shares": [known(float(result.inside.share[number])) for result in found.results],
                "hits": [known(float(result.inside.hit[number])) for result in found.results],
            }
            for number in range(len(found))
        ],
    }
