"""The head for a number: it learns at any scale, says it in the unit, and all commands take it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from command_line import CommandLine
from PIL import Image
from zoo_number import NumberHead

import zoo
from zoo.plugins import find_plugin
from zoo.testing import check_plugin

SHAPE = zoo.FeatureShape(channels=6, height=4, width=4)


def head_for(**options) -> NumberHead:
    torch.manual_seed(0)
    return NumberHead(SHAPE, zoo.Number("mm"), **options)


def drawn(scale: float, offset: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps (200, 6, 4, 4), and numbers that their first two channels say."""
    maps = torch.randn(200, 6, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 4, 4)
    return maps, offset + scale * (maps[:, 0, 0, 0] - 0.5 * maps[:, 1, 0, 0])


def learnt(head: NumberHead, maps: torch.Tensor, numbers: torch.Tensor) -> dict[str, float]:
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.05)
    for step in range(150):
        rows = torch.arange(32 * step, 32 * step + 32) % 150
        optimizer.zero_grad()
        head.loss(head(head.reduce(maps[rows])), numbers[rows]).backward()
        optimizer.step()
    metrics = head.eval().metrics()
    metrics.update(head.predict(head(head.reduce(maps[150:]))).detach(), numbers[150:])
    return {name: float(value) for name, value in metrics.compute().items()}


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (3e-6, 2e-4), (5e4, 1e6)])
def test_it_learns_at_any_scale_as_well(scale, offset):
    found = learnt(head_for(), *drawn(scale, offset))
    assert found["r2"] > 0.99
    assert found["mean_absolute_error"] < 0.1 * scale
    assert found["mean_absolute_error"] <= found["root_mean_square_error"]


def test_the_logarithm_learns_what_spans_orders_of_magnitude():
    maps, exponents = drawn(2.0, 0.0)
    found = learnt(head_for(log=True), maps, exponents.exp())
    spread = float(exponents[150:].exp().std())
    assert found["root_mean_square_error"] < 0.3 * spread


def test_a_logarithm_of_nothing_is_refused_with_the_remedy():
    with pytest.raises(zoo.ZooError, match=r"A number is 0, which has no logarithm. Leave out `log`."):
        head_for(log=True).loss(torch.zeros(2), torch.tensor([0.0, 2.0]))


def test_the_mean_and_deviation_are_those_of_all_that_was_seen():
    head, numbers = head_for(), torch.arange(60.0) ** 2
    for part in numbers.split(6):
        head.loss(torch.zeros(6), part)
    assert float(head.mean) == pytest.approx(float(numbers.mean()), rel=1e-5)
    assert float(head.square) == pytest.approx(float(numbers.var(unbiased=False)), rel=1e-5)
    before = head.mean.clone()
    head.eval().loss(torch.zeros(6), numbers[:6])
    assert torch.equal(head.mean, before)


def test_numbers_that_are_all_alike_give_finite_losses_and_no_share():
    head = head_for()
    loss = head.loss(head(torch.randn(8, 6)), torch.full((8,), 7.0))
    loss.backward()
    assert torch.isfinite(loss)
    metrics = head.metrics()
    metrics.update(torch.rand(4), torch.full((4,), 7.0))
    assert torch.isnan(metrics.compute()["r2"])


@pytest.fixture
def table(tmp_path):
    """Sixty pictures of discs with their widths in mm, a tenth of a millimetre a pixel; of some nothing is known."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    rows = [["path", "length", "haul"]]
    y, x = np.mgrid[:32, :32]
    for number in range(60):
        radius = rng.uniform(2, 14)
        disc = ((x - 16) ** 2 + (y - 16) ** 2 < radius**2)[..., None] * 180
        Image.fromarray((disc + rng.integers(0, 40, (32, 32, 3))).astype(np.uint8)).save(folder / f"{number}.png")
        rows.append([f"{number}.png", "NA" if number % 10 == 9 else f"{0.2 * radius:.3f}", f"haul {number // 6}"])
    with (folder / "lengths.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def test_lengths_of_a_table_are_learnt_predicted_and_published(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    command, run, said = CommandLine(monkeypatch, capsys), tmp_path / "run", tmp_path / "said.csv"

    columns = [f"--set={one}" for one in ("labels=lengths.csv", "number=length", "unit=mm", "group=haul")]
    start = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", "32", "--seed", "0")
    few = ("--epochs", "12", "--rate", "0.01", "--batch", "16", "--out", str(run))
    assert (
        command("train", "image-folder", "--data", str(table), *columns, *start, *few).status == 0
    )  # the head is picked by the target
    figures = json.loads((run / "metrics.json").read_text())["test"]["number"]
    assert figures["r2"] > 0.5
    assert command("evaluate", str(run)).status == 0
    assert command("predict", str(run), str(table), "-o", str(said)).status == 0
    with said.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]][:2] == ["image", "length"]
    assert max(float(row["length"]) for row in rows) > 1.5 * min(float(row["length"]) for row in rows)
    assert (
        command("push", str(run), "--to", str(tmp_path / "card"), "--license", "cc0-1.0", "--no-pictures").status == 0
    )
    again = zoo.load_model(tmp_path / "card")
    assert again.head("number").target == zoo.Number("mm")


def test_the_head_is_found_and_keeps_its_contract():
    assert list(check_plugin(find_plugin("head", "number")))
