"""What is drawn: confusions, filters, contact sheets, curves, and the page that tells a result."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from drawing import NAMES, border
from PIL import Image, ImageColor
from zoo_quickstart.page import PageBar, PageBars, PageCommand, PageContent, PageFigure, PageTable, write_page
from zoo_saliency.plot import HeatColumn, HeatRow, draw_saliency

from zoo.errors import UsageError
from zoo.plots.channels import ChannelRow, MapRow, draw_channels, draw_maps
from zoo.plots.confusion import draw_confusion
from zoo.plots.contact_sheet import draw_neighbours, draw_sheet
from zoo.plots.curves import draw_curves
from zoo.plots.drift import DriftBar, draw_drift
from zoo.plots.grid import draw_filters
from zoo.plots.style import ACCENT, INK, WARM, fit_text, text_width


def _has(image: Image.Image, colour: str) -> bool:
    return bool((np.asarray(image) == ImageColor.getrgb(colour)).all(axis=-1).any())


# ------------------------------------------------------------------------------------------------ confusion


@pytest.mark.parametrize("classes", [1, 2, 10, 15, 24, 121])
def test_a_confusion_of_any_size_keeps_its_text_inside(classes: int) -> None:
    matrix = np.eye(classes, dtype=np.int64) * 8 + np.random.default_rng(0).integers(0, 2, (classes, classes))
    names = [f"a_rather_long_name_of_a_kind_{number}" for number in range(classes)]
    image = draw_confusion(matrix, names, title="label, test pictures, and a title that is quite long as well")
    assert image.mode == "RGB"
    assert max(image.size) < 2600
    assert (border(image) == 255).all()


def test_names_of_121_classes_have_a_line_each() -> None:
    image = draw_confusion(np.eye(121, dtype=np.int64), [f"class {number}" for number in range(121)])
    dark = np.asarray(image.convert("L"))[:, 60:120].min(axis=1) < 120
    lines = int((np.diff(dark.astype(int)) == 1).sum())
    assert lines >= 121


def test_what_is_right_and_what_is_wrong_differ_in_colour() -> None:
    right = draw_confusion(np.array([[5, 0], [0, 5]]), ["a", "b"])
    wrong = draw_confusion(np.array([[0, 5], [5, 0]]), ["a", "b"])
    assert _has(right, ACCENT)
    assert not _has(right, WARM)
    assert _has(wrong, WARM)
    assert not _has(wrong, ACCENT)


def test_rows_are_coloured_by_their_own_share_however_few_pictures_they_have() -> None:
    image = np.asarray(draw_confusion(np.array([[1000, 0], [0, 1]]), ["a", "b"]))
    full = (image == ImageColor.getrgb(ACCENT)).all(axis=-1)
    halves = np.flatnonzero(full.any(axis=1))
    assert len(halves) > 200  # both cells are full, one below the other


def test_classes_without_pictures_and_names_like_formulas_are_drawn() -> None:
    draw_confusion(np.zeros((3, 3), dtype=np.int64), ["$x_1$", "\\frac", "<b>"], title="$\\broken{$")


@pytest.mark.parametrize(("shape", "names"), [((2, 3), 2), ((3, 3), 2), ((0, 0), 0)])
def test_a_confusion_that_does_not_fit_its_names_is_refused(shape: tuple[int, int], names: int) -> None:
    with pytest.raises(UsageError, match=r"must be .* not .* Give the matrix and the names of the same head"):
        draw_confusion(np.zeros(shape, dtype=np.int64), ["x"] * names)


# -------------------------------------------------------------------------------------------------- filters


def test_each_filter_is_stretched_to_its_own_range() -> None:
    bank = np.random.default_rng(0).normal(size=(4, 1, 3, 3)) * np.array([1e-6, 1, 1e3, 5]).reshape(4, 1, 1, 1)
    image = np.asarray(draw_filters(bank))
    side = 54  # three weights of 18 pixels
    for row in (12, 12 + side + 4):
        for column in (12, 12 + side + 4):
            tile = image[row : row + side, column : column + side]
            assert (tile.min(), tile.max()) == (0, 255)


def test_three_channels_are_colour_and_others_grey() -> None:
    weights = np.random.default_rng(0).normal(size=(9, 3, 5, 5))
    coloured, grey = np.asarray(draw_filters(weights)), np.asarray(draw_filters(weights[:, :2]))
    assert (coloured[..., 0] != coloured[..., 1]).any()
    assert (grey[..., 0] == grey[..., 1]).all()


def test_a_filter_without_range_and_weights_that_are_no_numbers_are_drawn() -> None:
    bank = np.zeros((2, 3, 3, 3))
    bank[1, 0, 0, 0] = np.nan
    assert np.asarray(draw_filters(bank))[20, 20].tolist() == [128, 128, 128]


@pytest.mark.parametrize(("count", "side"), [(1, 3), (7, 3), (64, 3), (96, 11), (768, 16), (5000, 3)])
def test_a_bank_of_any_size_fits_on_a_page(count: int, side: int) -> None:
    image = draw_filters(np.random.default_rng(0).normal(size=(count, 3, side, side)))
    assert image.width <= 2400
    assert image.height <= 2400
    assert (border(image) == 255).all()


def test_weights_that_are_no_filters_are_refused() -> None:
    with pytest.raises(UsageError, match=r"must be \(K, C, h, w\), but were given \(3, 3\)\. Draw a convolution's"):
        draw_filters(np.zeros((3, 3)))


# --------------------------------------------------------------------------------------------------- sheets

PICTURES = [np.full((30, 20 + 40 * number, 3), 60 * number, dtype=np.uint8) for number in range(4)]


def test_frames_say_whether_the_label_agrees() -> None:
    captions = [["copepod", "copepod 0.91", "copepod 0.90"]]
    rows = [PICTURES[1:3]]
    right = draw_neighbours(PICTURES[:1], rows, captions=captions, agree=[[True, True]])
    mixed = draw_neighbours(PICTURES[:1], rows, captions=captions, agree=[[True, False]])
    unknown = draw_neighbours(PICTURES[:1], rows, captions=captions)
    assert [_has(right, colour) for colour in (INK, ACCENT, WARM)] == [True, True, False]
    assert [_has(mixed, colour) for colour in (INK, ACCENT, WARM)] == [True, True, True]
    assert [_has(unknown, colour) for colour in (INK, ACCENT, WARM)] == [True, False, False]


def test_a_sheet_grows_by_a_row_a_query() -> None:
    one, three = (
        draw_neighbours(PICTURES[:n], [PICTURES[:2]] * n, captions=[["a", "b", "c"]] * n, agree=[[True, False]] * n)
        for n in (1, 3)
    )
    assert one.width == three.width
    assert three.height > 2 * one.height


def test_a_picture_that_is_missing_is_said_to_be_in_its_frame() -> None:
    blank = np.full((8, 8, 3), 200, dtype=np.uint8)
    frame = (24, 24, 208, 208)
    missing, there = (np.asarray(draw_sheet([one], ["copepod"]).crop(frame)) for one in (None, blank))
    assert (missing[80:104, 40:140].min(axis=2) < 150).any()
    assert (missing != there).any()


def test_long_captions_stay_inside_the_sheet() -> None:
    image = draw_sheet(PICTURES[:1], ["a caption that is far longer than its picture is wide 0.93"])
    assert image.width == 232
    assert (border(image) == 255).all()


def test_a_picture_keeps_its_proportions() -> None:
    sheet = np.asarray(draw_sheet([np.zeros((40, 80, 3), dtype=np.uint8)]))
    black = (sheet == 0).all(axis=-1)
    height, width = black.any(axis=1).sum(), black.any(axis=0).sum()
    assert width == 172
    assert height == 86


def test_grey_pictures_and_opened_files_are_taken_too() -> None:
    draw_sheet([np.zeros((9, 9), dtype=np.uint8), Image.new("RGBA", (9, 9)), Image.new("1", (900, 2))], columns=2)


def test_a_sheet_with_too_few_captions_is_refused() -> None:
    with pytest.raises(UsageError, match=r"2 pictures with 1 captions in 6 columns .* Give at least one picture"):
        draw_sheet(PICTURES[:2], ["one"])


@pytest.mark.parametrize(
    ("queries", "near", "captions", "agree"),
    [(0, 0, 0, 0), (1, 2, 2, 2), (1, 2, 3, 1)],
)
def test_neighbours_that_do_not_fit_their_captions_are_refused(
    queries: int, near: int, captions: int, agree: int
) -> None:
    with pytest.raises(UsageError, match=r"do not fit each other\. Give each query a row of k neighbours"):
        draw_neighbours(
            PICTURES[:queries],
            [PICTURES[:near]] * queries,
            captions=[["x"] * captions] * queries,
            agree=[[True] * agree] * queries,
        )


def test_text_is_cut_with_an_ellipsis_to_the_room_it_has() -> None:
    cut = fit_text("hydromedusae solmaris", 20, 100)
    assert cut == "hydr…ris"
    assert text_width(cut, 20) <= 100
    assert fit_text("$", 20, 0) == "…"
    assert fit_text("short", 20, 100) == "short"


# --------------------------------------------------------------------------------------------------- curves


def _epoch(stage: str, epoch: int, **figures: float) -> dict[str, object]:
    loss = None if epoch == 0 else 1 / epoch
    return {"stage": stage, "epoch": epoch, "train_loss": loss, "validation": {"classify": figures}, "best": True}


def test_curves_are_drawn_over_all_stages() -> None:
    history = [_epoch("heads", n, log_loss=2.0 - n / 4, accuracy=n / 8) for n in range(4)]
    history += [_epoch("upper $blocks", n, log_loss=1.0 - n / 9, accuracy=0.5 + n / 20) for n in range(1, 6)]
    image = draw_curves(history)
    assert image.size == (1500, 570)
    assert _has(image, ACCENT)
    assert (border(image, 2) == 255).all()


@pytest.mark.parametrize(
    "history",
    [
        [_epoch("heads", 0, log_loss=2.0, accuracy=0.1)],
        [_epoch("heads", 1)],
        [_epoch("heads", 1, mae=3.0), _epoch("heads", 2, mae=float("nan"))],
        [{"stage": "all", "epoch": n, "train_loss": 1.0, "validation": {}} for n in (1, 2)],
        [
            {"stage": "all", "epoch": n, "train_loss": 1.0, "validation": {"a": {"accuracy": 0.5}, "b": {"iou": 0.4}}}
            for n in (1, 2)
        ],
    ],
    ids=["before training", "no figures", "no number", "no heads", "two heads"],
)
def test_a_short_or_strange_history_is_drawn(history: list[dict[str, object]]) -> None:
    assert draw_curves(history).size == (1500, 570)


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(UsageError, match=r"There are no epochs to draw: the history is empty\. Train first"):
        draw_curves([])


def test_drawing_never_imports_pyplot() -> None:
    code = (
        "import sys, numpy as np\n"
        "from zoo.plots.confusion import draw_confusion\n"
        "import zoo.plots.grid, zoo.plots.contact_sheet, zoo.plots.curves\n"
        "assert 'matplotlib' not in sys.modules\n"
        "draw_confusion(np.eye(2, dtype=int), ['a', 'b'])\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -------------------------------------------------------------------------------------------------- reports


class _Page(HTMLParser):
    """All tags with their attributes, all text, and what is left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


NASTY = "<script>alert('x')</script> & \"quoted\" {braces}"


def _nasty_report() -> PageContent:
    """Every text is one that must be escaped."""
    return PageContent(
        title=NASTY,
        headline=NASTY,
        meaning=NASTY,
        paragraphs=(NASTY, NASTY),
        bars=PageBars(title=NASTY, bars=(PageBar(label=NASTY, value=0.9, text=NASTY, ours=True),), caption=NASTY),
        table=PageTable(title=NASTY, columns=(NASTY, "b"), rows=((NASTY, "1"),), caption=NASTY, right=("b",), ours=0),
        figures=(PageFigure(picture=Image.new("RGB", (900, 20), "red"), title=NASTY, caption=NASTY),),
        commands=(PageCommand(text=NASTY, about=NASTY),),
        footer=NASTY,
    )


def _written(folder: Path, report: PageContent) -> _Page:
    write_page(folder / "report.html", report)
    page = _Page((folder / "report.html").read_text(encoding="utf-8"))
    assert not page.open
    return page


def test_all_text_of_a_report_is_escaped(tmp_path: Path) -> None:
    page = _written(tmp_path, _nasty_report())
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(NASTY) == 19
    assert next(attributes["alt"] for tag, attributes in page.tags if tag == "img") == NASTY


def test_a_report_stands_by_itself(tmp_path: Path) -> None:
    page = _written(tmp_path, _nasty_report())
    assert not {tag for tag, _ in page.tags} & {"link", "script", "iframe", "object", "a", "base"}
    for tag, attributes in page.tags:
        assert not set(attributes) & {"href", "srcset", "action"}, tag
        assert (attributes.get("src") or "data:").startswith("data:"), tag
        assert not any(name.startswith("on") for name in attributes), tag
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", text)
    assert "default-src 'none'" in text


def test_pictures_of_a_report_come_out_as_they_went_in(tmp_path: Path) -> None:
    page = _written(tmp_path, _nasty_report())
    image = next(attributes for tag, attributes in page.tags if tag == "img")
    data = base64.b64decode((image["src"] or "").removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(data)).size == (900, 20)
    assert (image["width"], image["style"]) == ("600", "min-width:450px")


def test_small_pictures_stand_side_by_side_and_a_lone_one_does_not(tmp_path: Path) -> None:
    small = PageFigure(picture=Image.new("RGB", (300, 300)), title="small")
    large = PageFigure(picture=Image.new("RGB", (1500, 300)), title="large")
    page = _written(tmp_path, PageContent(title="x", figures=(small, large, small, small)))
    assert [attributes.get("class") for tag, attributes in page.tags if tag == "figure"] == [None, "wide", None, "wide"]


def test_an_empty_report_has_its_title_only(tmp_path: Path) -> None:
    page = _written(tmp_path, PageContent(title="nothing yet"))
    assert [tag for tag, _ in page.tags if tag in ("section", "figure", "p", "footer", "h1")] == ["h1"]


def test_a_report_suits_light_and_dark_screens_and_phones(tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", PageContent(title="x"))
    text = (tmp_path / "report.html").read_text()
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text
    assert "max-width: 44rem" in text


@pytest.mark.parametrize("value", [-0.1, 1.2, float("nan")])
def test_a_bar_beyond_its_line_is_refused(tmp_path: Path, value: float) -> None:
    bars = PageBars(title="x", bars=(PageBar(label="vgg16", value=value, text="?"),))
    with pytest.raises(UsageError, match=r"The bar 'vgg16' is .*, not in 0 to 1\. Divide it by the greatest"):
        write_page(tmp_path / "report.html", PageContent(title="x", bars=bars))
    assert not any(tmp_path.iterdir())


def test_a_row_that_is_shorter_than_the_header_is_refused(tmp_path: Path) -> None:
    table = PageTable(columns=("a", "b"), rows=(("1",),))
    with pytest.raises(UsageError, match=r"has not 2 cells\. Give one cell for each column\."):
        write_page(tmp_path / "report.html", PageContent(title="x", table=table))


# --------------------------------------------------------------------------------------------- whatever a name is


def _history(name: str, heads: int) -> list[dict[str, object]]:
    figures = {f"{name} {head}": {"log_loss": 1.0 + head, "accuracy": 0.5} for head in range(heads)}
    cosines = {"/".join(list(figures)[:2]): 0.1} if heads > 1 else {}
    entry = {"train_loss": 1.0, "validation": figures, "best": True, "cosines": cosines}
    return [{"stage": f"{stage} {name}", "epoch": n, **entry} for stage in ("heads", "all") for n in (1, 2)]


def _confusion(name: str, classes: int) -> Image.Image:
    return draw_confusion(np.eye(classes, dtype=np.int64), [f"{name} {n}" for n in range(classes)], title=name)


BANK = np.random.default_rng(0).normal(size=(4, 3, 5, 5)).astype(np.float32)
TILE = np.zeros((8, 8, 3), dtype=np.uint8)
MAPS = (BANK[0, 0],) * 3
PLOTS = {
    "curves of one head": lambda name: draw_curves(_history(name, 1)),
    "curves of four heads": lambda name: draw_curves(_history(name, 4)),
    "confusion of one class": lambda name: _confusion(name, 1),
    "confusion of 15 classes": lambda name: _confusion(name, 15),
    "drift of 5 layers": lambda name: draw_drift(
        [DriftBar(name=f"{name}.{n}", change=0.1, cka=0.9) for n in range(5)],
        BANK, BANK, captions=[name] * 4, title=name, note=name, first=name,
    ),
    "drift of 60 layers": lambda name: draw_drift(
        [DriftBar(name=f"{name}.{n}", change=0.1, cka=None) for n in range(60)],
        BANK[:0], BANK[:0], captions=[], title=name,
    ),
    "channels": lambda name: draw_channels(
        [ChannelRow(label="channel 17", visualisation=TILE, patches=(TILE,) * 2)], title=name, note=name
    ),
    "maps": lambda name: draw_maps(TILE, [MapRow(label=name, note="8", maps=MAPS, captions=(name,) * 3)], title=name),
    "sheet": lambda name: draw_sheet([TILE, None], [name, f"{name} 0.93"]),
    "neighbours": lambda name: draw_neighbours([TILE], [[TILE]], captions=[[name, f"{name} 0.93"]]),
    "saliency": lambda name: draw_saliency(
        [HeatRow(picture=TILE, box=(0.1, 0.1, 0.9, 0.9), caption=name, heat=(BANK[0, 0],), captions=(name,))],
        [HeatColumn(title=name, note=name)], title=name, note=name,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("plot", PLOTS)
def test_no_text_runs_out_of_a_plot_whatever_things_are_called(plot: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each letter that its type lacks
        image = PLOTS[plot](NAMES[name])
    assert max(image.size) < 2700
    assert (border(image, 3) == 255).all()


def test_names_that_differ_at_the_end_stay_different() -> None:
    names = [f"{NAMES['formula']}_{number}" for number in range(20)]
    assert len({fit_text(name, 20, 200) for name in names}) == 20
