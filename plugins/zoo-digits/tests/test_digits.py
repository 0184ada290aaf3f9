"""The digits and their network, as the core sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from zoo_digits import DigitNets, Digits

import zoo
from zoo.networks.tracing import on_meta
from zoo.networks.truncation import describe_cut, find_cuts
from zoo.testing import check_backbones, check_dataset

NAME = "mnist-convnet"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    dataset = Digits()
    dataset.prepare(tmp_path_factory.mktemp("digits"))
    return dataset


def test_the_dataset_keeps_the_contract(tmp_path: Path) -> None:
    assert "1797 pictures" in check_dataset(Digits(), tmp_path)


def test_preparing_leaves_the_folder_empty(tmp_path: Path) -> None:
    Digits().prepare(tmp_path)
    assert not any(tmp_path.iterdir())


def test_grey_levels_reach_from_black_to_white(digits: Digits) -> None:
    image = digits[0].image
    assert image.shape == (3, 8, 8)
    assert image.dtype == torch.uint8
    assert (image.min(), image.max()) == (0, 239)  # 15 of 16 levels in this one
    assert max(int(digits[index].image.max()) for index in range(50)) == 255


def test_samples_do_not_share_memory(digits: Digits) -> None:
    before = digits[3].image.clone()
    digits[3].image.zero_()
    assert torch.equal(digits[3].image, before)


def test_every_digit_is_on_both_sides_of_a_split_that_never_changes(digits: Digits) -> None:
    train, test = digits.splits["train"], digits.splits["test"]
    assert (len(train), len(test), len({*train, *test})) == (1437, 360, 1797)
    assert test[:5] == [21, 24, 28, 34, 35]
    counts = Counter(digits[index].targets["label"] for index in test)
    assert sorted(counts) == list(range(10))
    assert min(counts.values()) >= 35


def test_a_mirrored_digit_is_another_sign() -> None:
    assert Digits.symmetry == "none"


def test_the_family_keeps_the_contract() -> None:
    assert check_backbones(DigitNets())[0] == "1 network"


def test_the_cuts_are_those_that_tracing_finds() -> None:
    family = DigitNets()
    with on_meta():
        traced = find_cuts(family.build(NAME), size=family.input(NAME).size)
    told = family.cuts(NAME)
    fields = ("name", "node", "channels", "stride", "parameters", "layout")
    assert [[getattr(cut, field) for field in fields] for cut in told] == [
        [getattr(cut, field) for field in fields] for cut in traced
    ]
    assert [cut.gflop for cut in told] == pytest.approx([cut.gflop for cut in traced], rel=0.01)


@pytest.mark.parametrize("cut", DigitNets().cuts(NAME), ids=lambda cut: cut.name)
def test_a_truncated_network_is_the_whole_one_up_to_the_cut(cut: zoo.Cut) -> None:
    family = DigitNets()
    whole, part = family.build(NAME).eval(), family.truncated(NAME, cut)
    assert part is not None
    weights = whole.state_dict()
    part.load_state_dict({name: weights[name] for name in part.state_dict()})
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = part(images)
    assert features.shape == (2, cut.channels, 64 // cut.stride, 64 // cut.stride)
    rest = whole.features[int(cut.node.rpartition(".")[2]) + 1 :]
    assert torch.equal(whole.classifier(rest(features)), whole(images))
    assert sum(parameter.numel() for parameter in part.parameters()) == cut.parameters


def test_any_layer_of_the_features_is_a_cut_and_others_are_left_to_the_core() -> None:
    family = DigitNets()
    with on_meta():
        network = family.build(NAME)
    inner = family.truncated(NAME, describe_cut(network, "features.1", size=64))
    assert inner is not None
    assert list(inner.state_dict()) == ["features.0.weight", "features.0.bias"]
    assert family.truncated(NAME, zoo.Cut(name="classifier.0", node="classifier.0", channels=128, stride=4)) is None


@pytest.mark.slow
def test_plankton_filters_read_digits(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [sys.executable, "-m", "zoo", "train", "digits", "--filters", "vgg16-plankton", "--out", str(out)]
    subprocess.run([*words, "--size", "32", "--epochs", "6"], check=True)
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["test"]["classify"]["accuracy"] >= 0.97
