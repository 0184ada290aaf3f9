"""Devices, and the precision that is computed with."""

from __future__ import annotations

import torch

from zoo.errors import UsageError


def pick_device(name: str | None = None) -> torch.device:
    """The named device, else the GPU where there is one, else the CPU.

    Raises:
        UsageError: no such device here.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"There is no device {name!r} here.", "Use `device='cpu'`, or leave it out.") from error
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is quicker than float32 there: recent GPUs, and CPUs with AVX-512 bf16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return has_amx() or _cpu_has("_is_avx512_bf16_supported")
    return False


def has_amx() -> bool:
    """Whether the CPU multiplies matrices of bfloat16 in tiles (AMX)."""
    return _cpu_has("_is_amx_tile_supported")


def _cpu_has(test: str) -> bool:
    return bool(getattr(torch.cpu, test, bool)())  # private in torch; absent means no


def pick_precision(device: torch.device, wanted: str = "auto") -> torch.dtype:
    """`bf16`, `fp32`, or `auto`: bf16 where it is fast.

    Raises:
        UsageError: another word.
    """
    if wanted not in ("auto", "bf16", "fp32"):
        raise UsageError(f"The precision cannot be {wanted!r}: auto, bf16 or fp32.")
    if wanted == "bf16" or (wanted == "auto" and has_fast_bf16(device)):
        return torch.bfloat16
    return torch.float32


def describe_device(device: torch.device) -> str:
    """A name for reports: the GPU's model, or the CPU and its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"
