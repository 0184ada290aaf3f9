"""The quicker weight gradients of wide convolutions on small maps are those of torch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from zoo.devices import has_amx
from zoo.training.small_maps import MOST_CELLS, _Convolution, _forward, quick_small_maps


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "padding", "side"),
    [(5, 7, 3, 1, 6), (4, 6, 3, 0, 7), (3, 2, (1, 5), (0, 2), 9), (6, 4, 5, 2, 1), (2, 3, 2, 1, 4)],
)
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_those_of_torch(inputs, outputs, kernel, padding, side, bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=bias).double()
    images = torch.randn(3, inputs, side, side, dtype=torch.float64, requires_grad=True)
    weights = torch.randn_like(conv(images))
    wanted = torch.autograd.grad((conv(images) * weights).sum(), [images, *conv.parameters()])
    made = _Convolution.apply(images, conv.weight, conv.bias, conv.padding)
    assert torch.equal(made, conv(images))
    found = torch.autograd.grad((made * weights).sum(), [images, *conv.parameters()])
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("side", [4, 12])
def test_under_autocast_gradients_agree_to_the_rounding_of_bfloat16(side):
    torch.manual_seed(0)
    conv = nn.Conv2d(256, 512, 3, padding=1).to(memory_format=torch.channels_last)
    images = torch.randn(4, 256, side, side).to(memory_format=torch.channels_last)
    gradients = []
    for forward in (conv._conv_forward, lambda *given: _forward(*given, padding=(1, 1))):
        leaf = images.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = forward(leaf, conv.weight, conv.bias)
        assert made.dtype == torch.bfloat16
        assert ("_Convolution" in type(made.grad_fn).__name__) == (forward != conv._conv_forward and side < 10)
        gradients.append(torch.autograd.grad(made.float().square().sum(), [leaf, *conv.parameters()]))
    for one, other in zip(*gradients, strict=True):
        assert one.dtype == other.dtype == torch.float32
        assert (one - other).abs().max() <= 0.01 * other.abs().max()


@pytest.mark.skipif(not has_amx(), reason="this processor has no AMX")
def test_only_wide_convolutions_of_stride_one_are_changed_and_only_inside():
    chosen = nn.Conv2d(256, 512, 3, padding=1)
    others = [
        nn.Conv2d(128, 512, 3, padding=1),
        nn.Conv2d(256, 512, 1),
        nn.Conv2d(256, 512, 3, stride=2),
        nn.Conv2d(256, 512, 3, groups=2),
        nn.Conv2d(256, 512, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(256, 512, 3, padding="same"),
    ]
    module = nn.ModuleList([chosen, *others])
    before = copy.deepcopy(module.state_dict())
    with quick_small_maps(module, torch.device("cpu")):
        assert "_conv_forward" in vars(chosen)
        assert not any("_conv_forward" in vars(one) for one in others)
    assert "_conv_forward" not in vars(chosen)
    assert module.state_dict().keys() == before.keys()


def test_large_maps_and_float32_stay_with_torch():
    weight = torch.randn(512, 256, 3, 3, requires_grad=True)
    small, large = torch.randn(1, 256, 4, 4), torch.randn(1, 256, 11, 11)
    assert large[0, 0].numel() > MOST_CELLS >= small[0, 0].numel()
    assert "_Convolution" not in type(_forward(small, weight, None, padding=(1, 1)).grad_fn).__name__
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert "_Convolution" not in type(_forward(large, weight, None, padding=(1, 1)).grad_fn).__name__
        assert "_Convolution" in type(_forward(small, weight, None, padding=(1, 1)).grad_fn).__name__
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert _forward(small, weight, None, padding=(1, 1)).grad_fn is None
