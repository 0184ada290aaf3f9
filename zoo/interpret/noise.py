"""Noise images, to choose channels where there are no pictures."""

from __future__ import annotations

import torch

from zoo.data import TensorImages


def draw_noise(size: int, *, count: int = 48, seed: int = 0) -> TensorImages:
    """Noise whose spectrum falls with the frequency, as that of natural pictures does: where there are none."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.fft.rfft2(torch.randn(count, 3, size, size, generator=generator))
    across, down = torch.fft.rfftfreq(size)[None, :], torch.fft.fftfreq(size)[:, None]
    waves = torch.fft.irfft2(spectrum / torch.hypot(across, down).clamp_min(1 / size), s=(size, size))
    waves = waves.mean(1, keepdim=True) + 0.3 * waves
    waves = waves / waves.std(dim=(1, 2, 3), keepdim=True)
    return TensorImages(((0.5 + 0.25 * waves).clamp(0, 1) * 255).round().to(torch.uint8))
