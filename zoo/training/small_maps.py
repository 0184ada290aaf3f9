"""Weight gradients of wide convolutions on small maps, by matrix products: oneDNN takes 1.5 to 6 times as long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.devices import has_amx

MOST_CELLS = 100  # of a map; measured with benchmarks/small_maps.py
FEWEST_WEIGHTS = 256 * 512  # at one place of the kernel


@contextmanager
def quick_small_maps(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside, the weight gradients of a module's convolutions are computed in the quicker way, where there is one.

    That is in bfloat16 under autocast, on a CPU with AMX, for wide convolutions of stride 1 on small maps.
    """
    wide = [one for one in module.modules() if isinstance(one, nn.Conv2d) and _fits(one)]
    wide = wide if device.type == "cpu" and has_amx() else []
    for conv in wide:
        conv._conv_forward = partial(_forward, padding=conv.padding)  # type: ignore[arg-type, method-assign]
    try:
        yield
    finally:
        for conv in wide:
            del conv._conv_forward  # the class's own again


def _fits(conv: nn.Conv2d) -> bool:
    plain = conv.stride == conv.dilation == (1, 1) and conv.groups == 1 and conv.padding_mode == "zeros"
    wide = conv.in_channels * conv.out_channels >= FEWEST_WEIGHTS
    return plain and wide and conv.kernel_size != (1, 1) and not isinstance(conv.padding, str)


def _forward(images: Tensor, weight: Tensor, bias: Tensor | None, *, padding: tuple[int, int]) -> Tensor:
    """What a convolution's forward does. Shapes: images (N, C, H, W), weight (K, C, h, w) -> (N, K, H', W')."""
    low = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    if not (low and torch.is_grad_enabled() and weight.requires_grad) or images[0, 0].numel() > MOST_CELLS:
        return functional.conv2d(images, weight, bias, padding=padding)
    made = [None if one is None else one.to(torch.bfloat16) for one in (images, weight, bias)]
    return _Convolution.apply(*made, padding)


class _Convolution(torch.autograd.Function):
    """A convolution of stride 1."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.padding = padding
        return functional.conv2d(images, weight, bias, padding=padding)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        below = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            geometry = (None, [1, 1], list(ctx.padding), [1, 1], False, [0, 0], 1)
            wanted = [True, False, False]
            below = torch.ops.aten.convolution_backward(grad, images, weight, *geometry, wanted)[0]
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(images, grad, weight.shape, ctx.padding)
        if ctx.needs_input_grad[2]:
            of_bias = grad.sum((0, 2, 3))
        return below, of_weight, of_bias, None


def _weight_gradient(images: Tensor, grad: Tensor, shape: torch.Size, padding: tuple[int, int]) -> Tensor:
    """One matrix product for each place of the kernel.

    Shapes: images (N, C, H, W), grad (N, K, H', W'), shape (K, C, h, w) -> the same.
    """
    outputs, inputs, tall, wide = shape
    (rows, columns), (up, left) = grad.shape[2:], padding
    padded = functional.pad(images.permute(0, 2, 3, 1), (0, 0, left, left, up, up))
    turned = grad.permute(1, 0, 2, 3).reshape(outputs, -1)
    places = [
        turned @ padded[:, row : row + rows, column : column + columns].reshape(-1, inputs)
        for row in range(tall)
        for column in range(wide)
    ]
    return torch.stack(places, 1).view(outputs, tall, wide, inputs).permute(0, 3, 1, 2)
