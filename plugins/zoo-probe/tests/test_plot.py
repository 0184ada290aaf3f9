"""The plot of a probe: all text inside whatever things are called, and room for the scores."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from drawing import NAMES, border
from PIL import ImageColor
from zoo_probe.candidates import CandidateScore
from zoo_probe.plot import draw_probe
from zoo_probe.probing import Probe

import zoo
from zoo.plots import RULE


def _probe(name: str, cuts: int) -> Probe:
    titles = [f"{name}.{number}" for number in range(cuts)]
    shared = {"logme": 0.0, "knn": 0.5, "lda": 0.5, "r2": None, "fetch_megabytes": 1.0}
    scores = tuple(
        CandidateScore(
            title=title, kind="cut", score=0.5, low=0.4, high=0.6, **shared,
            cut=zoo.Cut(name=title, node=title, channels=8, stride=4),
        )
        for title in titles
    )  # fmt: skip
    pixels = CandidateScore(title="raw pixels", kind="pixels", score=0.3, low=0.2, high=0.4, cut=None, **shared)
    hand = replace(pixels, title="hand features", kind="hand")
    said = dict.fromkeys(("best", "why", "verdict", "train"), "")
    return Probe(
        dataset=name, target="label", measure="accuracy", pictures=200, classes=3, folds="5 folds", neighbours=5,
        notes=(), seconds=1.0, filters=name, size=224, cuts=scores, baselines=(pixels, hand), leak=None,
        intervals="95% over groups",
        recommended=titles[0], gaps=(),
        **said,
    )  # fmt: skip


@pytest.mark.parametrize("cuts", [1, 5, 12])
@pytest.mark.parametrize("name", NAMES)
def test_no_text_runs_out_of_the_plot_whatever_things_are_called(cuts: int, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each letter that its type lacks
        image = draw_probe(_probe(NAMES[name], cuts))
    assert max(image.size) < 2700
    assert (border(image, 3) == 255).all()


@pytest.mark.parametrize("cuts", [1, 5, 12])
@pytest.mark.parametrize("name", NAMES)
def test_the_plot_of_a_probe_keeps_its_room(cuts: int, name: str) -> None:
    image = draw_probe(_probe(NAMES[name], cuts))
    line = (np.asarray(image) == ImageColor.getrgb(RULE)).all(axis=-1).any(axis=0).nonzero()[0]
    assert line[-1] - line[0] > 0.6 * image.width
