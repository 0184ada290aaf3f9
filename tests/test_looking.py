"""What filters see: fields, strongest patches, dreams, maps, drift; on small networks and drawn pictures."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from zoo.contracts import Cut, Input
from zoo.data.image_sources import ImageReader, TensorImages, open_images, spread
from zoo.errors import UnknownNameError, UsageError, ZooError
from zoo.interpret.activations import compute_activations
from zoo.interpret.colours import PaletteEstimator, natural_palette
from zoo.interpret.drift import _hsic, measure_drift
from zoo.interpret.feature_visualisation import visualise_channels
from zoo.interpret.layers import Layer, find_layers
from zoo.interpret.noise import draw_noise
from zoo.interpret.patches import find_top_patches
from zoo.interpret.receptive_fields import ReceptiveField
from zoo.models.building import build_filters
from zoo.models.filters import Filters


@pytest.fixture(scope="module")
def filters():
    return build_filters("vgg11", cut="block2", weights="random", size=32).eval()


def measured_field(filters, layer, cell):
    """The pixels that one cell really depends on, by gradients: left, top, right, bottom."""
    images = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    maps = filters.truncate(layer.cut.name)(images)
    (slopes,) = torch.autograd.grad(maps[:, :, cell[0], cell[1]].sum(), images)
    there = slopes.abs().sum(dim=(0, 1)) > 0
    rows, columns = there.any(dim=1).nonzero().flatten(), there.any(dim=0).nonzero().flatten()
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


# ------------------------------------------------------------------------------------------------ layers, fields


def test_the_receptive_fields_of_vgg16_are_the_known_ones():
    layers = find_layers(build_filters("vgg16", cut="block5", weights="random", size=64))
    assert [(layer.field.size, layer.field.step) for layer in layers] == [(5, 1), (14, 2), (40, 4), (92, 8), (196, 16)]


@pytest.mark.parametrize(("backbone", "cut"), [("vgg11", "block3"), ("resnet18", "block2"), ("densenet121", "block1")])
def test_a_field_is_what_the_gradient_reaches(backbone, cut):
    filters = build_filters(backbone, cut=cut, weights="random", size=64).eval()
    for layer in find_layers(filters):
        cells = 64 // layer.field.step
        row, column = cells // 2, cells // 2 + 1
        assert measured_field(filters, layer, (row, column)) == layer.field.box(row, column)


class Strange(nn.Module):
    """A step that nobody knows: each cell is the mean of five rows and columns."""

    def forward(self, images):
        return nn.functional.unfold(images, 5, padding=2).view(-1, 3, 25, 32, 32).mean(2)


def test_the_field_of_an_unknown_step_is_measured():
    from zoo.interpret.receptive_fields import find_receptive_field

    module = nn.Sequential(nn.Conv2d(3, 3, 1), Strange())
    cut = Cut(name="mean", node="1.mean", channels=3, stride=1)
    filters = Filters(module, backbone="vgg11", cut=cut, input=Input(size=32))
    assert find_receptive_field(filters, cut) == ReceptiveField(size=5, step=1, start=-2)


def test_a_field_that_is_measured_does_not_hang_on_the_mode():
    from zoo.interpret.receptive_fields import find_receptive_field

    module = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), Strange())
    cut = Cut(name="mean", node="2.mean", channels=3, stride=1)
    filters = Filters(module, backbone="vgg11", cut=cut, input=Input(size=32)).train()
    assert find_receptive_field(filters, cut) == ReceptiveField(size=5, step=1, start=-2)
    assert filters.module.training


def test_a_gate_on_the_whole_picture_is_not_counted():
    filters = build_filters("mobilenet_v3_small", cut="block2", weights="random", size=64)
    assert find_layers(filters)[-1].field.size < 64


def test_layers_are_the_ends_of_blocks_unless_they_are_named(filters):
    assert [layer.name for layer in find_layers(filters)] == ["block1", "block2"]
    assert [layer.cut.node for layer in find_layers(filters, ["features.3", "block1"])] == ["features.1", "features.3"]


def test_a_layer_that_is_not_there_offers_the_nearest(filters):
    with pytest.raises(UnknownNameError, match=r"No layer of 'vgg11-block2' is called 'blok2'. Did you mean 'block2'"):
        find_layers(filters, ["blok2"])


# ------------------------------------------------------------------------------------------------ pictures


def test_unreadable_pictures_are_left_out_and_told_of(shapes, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes((shapes / "bar" / "bar-000.png").read_bytes())
    images = ImageReader(open_images(tmp_path), size=32)
    assert images.first().shape == (3, 32, 32)
    assert len(images.skipped) == 1
    assert "a.png: the file is empty" in images.skipped[0]


def test_none_that_can_be_read_is_an_error(filters, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ZooError, match="None of the 1 pictures can be read"):
        find_top_patches(filters, find_layers(filters), ImageReader(open_images(tmp_path), size=32))
    with pytest.raises(ZooError, match="None of the 1 pictures can be read"):
        ImageReader(open_images(tmp_path), size=32).first()


def test_a_limit_takes_pictures_from_all_over():
    assert spread(10, 0) == list(range(10))
    assert spread(10, 20) == list(range(10))
    assert spread(10, 3) == [0, 3, 6]


def test_grey_pictures_give_a_grey_palette():
    palette_estimator = PaletteEstimator()
    palette_estimator.add(torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8).expand(4, 3, 16, 16))
    mix = palette_estimator.palette().mix
    assert torch.allclose(mix[0], mix[1], atol=1e-4)
    assert torch.allclose(mix[1], mix[2], atol=1e-4)


def test_coloured_pictures_give_back_how_their_colours_go_together():
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(3, 40_000, generator=generator)
    colours = torch.stack([own[0], 0.5 * own[0] + own[1], own[2]]) * 20 + 128
    palette_estimator = PaletteEstimator()
    palette_estimator.add(colours.clamp(0, 255).to(torch.uint8).view(1, 3, 200, 200))
    mix = palette_estimator.palette().mix
    found = mix @ mix.T
    expected = torch.tensor([[1, 0.5, 0], [0.5, 1.25, 0], [0, 0, 1]]) / 3.25
    assert torch.allclose(found, expected, atol=0.03)


# ------------------------------------------------------------------------------------------------ patches


def one_channel(kernel, size=32):
    """Filters that are one known convolution of the red channel."""
    convolution = nn.Conv2d(3, 1, kernel.shape[-1], padding=kernel.shape[-1] // 2, bias=False)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0] = kernel
    cut = Cut(name="only", node="0", channels=1, stride=1)
    filters = Filters(nn.Sequential(convolution), backbone="vgg11", cut=cut, input=Input(size=size))
    return filters.eval(), Layer(
        cut=cut, field=ReceptiveField(size=kernel.shape[-1], step=1, start=-(kernel.shape[-1] // 2))
    )


def reading(images: torch.Tensor) -> ImageReader:
    return ImageReader(TensorImages(images), size=images.shape[-1])


def test_the_strongest_patch_is_where_the_pattern_was_put():
    kernel = torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]]) - 5 / 9
    filters, layer = one_channel(kernel)
    images = torch.full((5, 3, 32, 32), 60, dtype=torch.uint8)
    images[3, 0, 10:13, 20:23] = ((kernel > 0) * 180 + 60).to(torch.uint8)
    seen = find_top_patches(filters, [layer], reading(images), channels=1, patches=2)
    (found,) = seen.layers
    assert np.array_equal(found.patches[0, 0], images[3, :, 10:13, 20:23].permute(1, 2, 0).numpy())
    assert found.answers[0, 0] > found.answers[0, 1]
    assert seen.pictures == 5


def test_a_patch_at_the_border_is_padded_to_its_size():
    filters, layer = one_channel(torch.ones(5, 5))
    images = torch.full((2, 3, 32, 32), 60, dtype=torch.uint8)
    images[1, 0, 0, 0] = 255
    filters.module[0].weight.data[0, 0] = torch.zeros(5, 5)
    filters.module[0].weight.data[0, 0, 2, 2] = 1
    patch = find_top_patches(filters, [layer], reading(images), channels=1, patches=1).layers[0].patches[0, 0]
    assert patch.shape == (5, 5, 3)
    assert patch[2, 2, 0] == 255
    assert (patch[:2] == (243, 245, 246)).all()


def test_a_channel_takes_at_most_one_patch_of_a_picture(filters):
    images = draw_noise(32, count=12).images
    found = find_top_patches(filters, find_layers(filters), reading(images), channels=4, patches=9).layers[-1]
    assert found.patches.shape[:2] == (4, 9)
    for patches in found.patches:
        assert len({patch.tobytes() for patch in patches}) == 9


def test_one_pass_finds_what_sorting_everything_finds(filters):
    images = draw_noise(32, count=150).images
    layer = find_layers(filters)[-1]
    found = find_top_patches(filters, [layer], reading(images), channels=5, patches=9).layers[0]
    with torch.no_grad():
        answers = filters(images).amax(dim=(2, 3))
    expected = answers[:, list(found.channels)].sort(dim=0, descending=True).values[:9].T
    assert np.allclose(found.answers, expected.numpy(), rtol=0.02)  # the pass may run in bfloat16


def test_channels_that_show_the_same_are_not_shown_twice():
    convolution = nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0], convolution.weight[1, 0], convolution.weight[2, 1] = 3, 2, 1
    cut = Cut(name="only", node="0", channels=3, stride=1)
    filters = Filters(nn.Sequential(convolution), backbone="vgg11", cut=cut, input=Input(size=16)).eval()
    layer = Layer(cut=cut, field=ReceptiveField(size=1, step=1, start=0))
    images = torch.randint(0, 256, (60, 3, 1, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    reader = reading(images.expand(60, 3, 16, 16).contiguous())
    assert find_top_patches(filters, [layer], reader, channels=2, patches=1).layers[0].channels == (0, 2)


def test_a_look_without_patches_reads_no_picture_twice(filters):
    found = find_top_patches(
        filters, find_layers(filters), reading(draw_noise(32).images), channels=3, patches=0
    ).layers[-1]
    assert len(found.channels) == 3
    assert found.patches.shape[1] == 0


# ------------------------------------------------------------------------------------------------ dreams


def test_a_dream_excites_its_channel_more_than_noise_does(filters):
    layer = find_layers(filters)[-1]
    visualisations = visualise_channels(filters, layer, [3, 40], steps=48)
    with torch.no_grad():
        ordinary = filters(draw_noise(32, count=64).images)[:, [3, 40]].amax(dim=(0, 2, 3)).numpy()
    assert (visualisations.answers > ordinary).all()


def test_a_dream_shows_what_a_cell_sees(filters):
    layer = find_layers(filters)[-1]
    visualisations = visualise_channels(filters, layer, [3], steps=2)
    assert visualisations.pictures.shape == (1, layer.field.size, layer.field.size, 3)
    assert visualisations.pictures.dtype == np.uint8


def test_a_known_filter_dreams_of_itself():
    kernel = torch.ones(5, 5)
    kernel[:, 2:] = -1
    filters, layer = one_channel(kernel)
    picture = (
        visualise_channels(filters, layer, [0], steps=64, palette=natural_palette()).pictures[0, :, :, 0].astype(float)
    )
    assert picture[:, :2].mean() > picture[:, 2:].mean() + 60


def test_a_seed_gives_the_same_dreams_again_and_another_does_not(filters):
    layer = find_layers(filters)[0]
    first, again, other = (
        visualise_channels(filters, layer, [0, 1], steps=4, seed=seed).pictures for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_dreaming_leaves_the_filters_as_they_were(filters):
    before = copy.deepcopy(filters.state_dict())
    visualise_channels(filters, find_layers(filters)[0], [0], steps=3)
    assert all(torch.equal(before[name], value) for name, value in filters.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in filters.module.parameters())


def test_a_small_budget_makes_dreams_cheaper(filters):
    told = []
    layer = find_layers(filters)[-1]
    listen = lambda what, done, total=None, note="": told.append(total)  # noqa: E731
    visualise_channels(filters, layer, [0], steps=500, max_gflop=0.5, progress=listen)
    assert 32 <= told[-1] < 500


@pytest.mark.parametrize("channels", [[], [-1], [128]])
def test_a_channel_that_is_not_there_is_an_error(filters, channels):
    with pytest.raises(UsageError, match=r"has the channels 0 to 127"):
        visualise_channels(filters, find_layers(filters)[-1], channels)


def test_tokens_have_no_dreams(filters):
    layer = Layer(cut=find_layers(filters)[-1].cut, field=None)
    with pytest.raises(ZooError, match="tokens that see the whole picture"):
        visualise_channels(filters, layer, [0])


# ------------------------------------------------------------------------------------------------ maps


def test_maps_are_the_layers_own(filters):
    picture = draw_noise(32, count=1).images[0]
    first, last = compute_activations(filters, picture, find_layers(filters), strongest=4)
    with torch.no_grad():
        expected = filters(picture[None])[0]
    assert np.allclose(last.mean, expected.mean(0).numpy(), atol=1e-5)
    assert np.allclose(last.strongest[0], expected[last.channels[0]].numpy(), atol=1e-5)
    assert last.channels[0] == int(expected.amax(dim=(1, 2)).argmax())
    assert first.strongest.shape == (4, 32, 32)


# ------------------------------------------------------------------------------------------------ drift


def test_filters_have_not_drifted_from_themselves(filters):
    drift = measure_drift(filters, filters, reading(draw_noise(32, count=32).images))
    assert all(layer.change == 0 for layer in drift.layers)
    assert all(layer.cka == pytest.approx(1, abs=1e-6) for layer in drift.layers)


def test_one_changed_layer_is_the_one_that_moved(filters):
    after = copy.deepcopy(filters)
    with torch.no_grad():
        after["features.3"].mul_(1.5)
        after["features.0"][7].add_(0.5)
    drift = measure_drift(after, filters)
    changes = {layer.name: layer.change for layer in drift.layers}
    assert changes["features.3"] == pytest.approx(0.5, abs=1e-5)
    assert drift.moved[0] == 7
    assert drift.distances[1] == 0
    assert np.allclose(drift.after[0] - drift.before[0], 0.5, atol=1e-6)
    assert all(layer.cka is None for layer in drift.layers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_was_rounded_when_it_was_published_has_not_drifted(dtype, filters):
    after = copy.deepcopy(filters)
    with torch.no_grad():
        after["features.3"].mul_(1.5)
        for tensor in after.module.state_dict().values():
            tensor.copy_(tensor.to(dtype))
    drift = measure_drift(after, filters, reading(draw_noise(32, count=32).images))
    first, second = drift.layers
    assert (first.frozen, first.change, first.cka) == (True, 0.0, 1.0)
    assert (second.frozen, second.change) == (False, pytest.approx(0.5, abs=0.01))
    assert drift.moved == ()  # no filters are shown as learnt that nobody trained
    assert len(drift.before) == len(drift.after) == 0


def test_batch_norms_that_went_on_counting_are_not_frozen():
    before = build_filters("vgg11_bn", cut="block2", weights="random", size=32).eval()
    after = copy.deepcopy(before)
    after.module.state_dict()["features.1.running_mean"].add_(1)
    drift = measure_drift(after, before)
    assert [(layer.name, layer.frozen, layer.change) for layer in drift.layers] == [
        ("features.0", True, 0.0),  # its output lies before the norm
        ("features.4", False, 0.0),
    ]


def test_other_weights_are_less_alike_than_scaled_ones(filters):
    noise = ImageReader(draw_noise(32, count=64), size=32)
    scaled = copy.deepcopy(filters)
    with torch.no_grad():
        scaled["features.3"].mul_(3)
    other = build_filters("vgg11", cut="block2", weights="random", size=32, seed=5).eval()
    alike, unlike = (measure_drift(one, filters, noise).layers[-1].cka for one in (scaled, other))
    assert alike == pytest.approx(1, abs=1e-4)
    assert unlike < 0.99


def test_the_unbiased_criterion_is_that_of_song_et_al():
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(7, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    one, other = one @ one.T, other @ other.T
    first, second = (gram - gram.diagonal().diag() for gram in (one, other))
    ones = torch.ones(7, 1, dtype=torch.float64)
    expected = torch.trace(first @ second) + (ones.T @ first @ ones) * (ones.T @ second @ ones) / (6 * 5)
    expected = (expected - 2 / 5 * (ones.T @ first @ second @ ones)) / (7 * 4)
    assert torch.allclose(_hsic(one, other), expected.squeeze())
    shifted = one + torch.arange(7.0)[:, None] + torch.arange(7.0)[None, :]  # as centring does
    assert torch.allclose(_hsic(shifted, other), expected.squeeze())


def test_another_architecture_is_compared_where_it_is_the_same_and_refused_where_nothing_is(filters):
    deeper = build_filters("vgg13", cut="block2", weights="random", size=32)
    drift = measure_drift(filters, deeper)
    assert [layer.name for layer in drift.layers] == ["features.0"]
    assert drift.missing > 0
    with pytest.raises(UsageError, match="have no layer in common"):
        measure_drift(filters, build_filters("resnet18", cut="block1", weights="random", size=32))
