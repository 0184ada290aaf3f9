"""The picture of an ablation: of any number of splits, arms and seeds, with all text inside."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor
from zoo_ablation.plot import draw_ablation
from zoo_ablation.report import AblationReport, make_ablation_report

from zoo.errors import UsageError
from zoo.plots import ACCENT, WARM

KEYS = ("without", "with", "placebo", "two-stage", "oracle")


def _report(
    variants: int = 3, *, seeds: int = 6, gain: float = 0.05, splits=("seen",), title: str = "classify", **named
) -> AblationReport:
    rng = np.random.default_rng(0)
    base = rng.normal(0.6, 0.02, seeds)
    gains = (0, gain, 0, 0, 0)
    values = {
        split: {key: list(base + more + rng.normal(0, 0.004, seeds)) for key, more in zip(KEYS, gains, strict=True)}
        for split in splits
    }
    titles = {key: f"{title} {key}" for key in KEYS[:variants]}
    return make_ablation_report(
        values, variants=titles, seeds=range(seeds), head="classify", left_out="locate", **named
    )


def _count(image: Image.Image, colour: str) -> int:
    return int((np.asarray(image) == ImageColor.getrgb(colour)).all(axis=-1).sum())


def _border(image: Image.Image, pixels: int = 4) -> np.ndarray:
    whole = np.asarray(image)
    edges = (whole[:pixels], whole[-pixels:], whole[:, :pixels], whole[:, -pixels:])
    return np.concatenate([edge.reshape(-1, 3) for edge in edges])


@pytest.mark.parametrize(
    ("variants", "seeds", "splits"),
    [(5, 10, ("seen", "unseen")), (3, 3, ("test",)), (1, 1, ("test",)), (2, 40, ("seen", "unseen", "night"))],
)
def test_any_ablation_is_drawn_at_one_width_with_its_text_inside(variants, seeds, splits) -> None:
    image = draw_ablation(_report(variants, seeds=seeds, splits=splits))
    assert image.mode == "RGB"
    assert image.width == 1500
    assert (_border(image) == 255).all()


def test_titles_that_are_long_or_like_formulas_stay_inside() -> None:
    title = "$x_1$ \\frac a title of many words and averyveryverylongwordwithoutanyspaceswhatsoever and still more"
    image = draw_ablation(_report(5, splits=("seen", "unseen"), title=title, groups="$boats_{" * 30))
    assert (_border(image) == 255).all()
    assert image.size == draw_ablation(_report(5, splits=("seen", "unseen"))).size


def test_what_helps_and_what_harms_differ_in_colour() -> None:
    helps, harms = draw_ablation(_report(2, gain=0.05)), draw_ablation(_report(2, gain=-0.05))
    assert _count(helps, ACCENT) > 500
    assert _count(helps, WARM) == 0
    assert _count(harms, WARM) > 500
    assert _count(harms, ACCENT) == 0


def test_too_few_seeds_have_no_colour_of_a_verdict() -> None:
    image = draw_ablation(_report(2, seeds=5))
    assert _count(image, ACCENT) == _count(image, WARM) == 0


def test_losses_and_equal_figures_are_drawn() -> None:
    same = {"without": [1234.5] * 6, "with": [1234.5] * 6}
    report = make_ablation_report(
        {"test": same}, variants={"without": "a", "with": "b"}, seeds=range(6), head="a", left_out="b",
        metric="log_loss", better="lower", share=False,
    )  # fmt: skip
    assert (_border(draw_ablation(report)) == 255).all()


def test_an_ablation_without_arms_is_refused() -> None:
    report = AblationReport(
        head="a", metric="m", better="higher", share=True, left_out="b", groups="groups", seeds=(0,), splits=()
    )
    with pytest.raises(UsageError, match=r"nothing to draw.*Run it first"):
        draw_ablation(report)
