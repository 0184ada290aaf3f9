"""Tensors in safetensors files: read whole or in part, compared with their hashes, and written with them."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import FileError, IntegrityError, UnknownNameError, UsageError, ZooWarning
from zoo.files import atomic_write
from zoo.progress import Progress, silent
from zoo.store.safetensors_header import HASHES, ITEMSIZES, Header, TensorEntry, damaged, parse_header, read_header
from zoo.store.source import Source

if TYPE_CHECKING:
    import torch

_TORCH = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "BF16": "bfloat16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "C64": "complex64",
}

Verify = Literal["required", "available", "never"]


def read_tensors(
    source: Source,
    name: str,
    names: Iterable[str] | None = None,
    *,
    header: Header | None = None,
    verify: Verify = "available",
    hashes: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> dict[str, torch.Tensor]:
    """Read tensors, only those that are asked for.

    A file on this disk is mapped and nothing is copied: a tensor's pages are read when they are touched, and what is
    written into one stays in this process. Clone what will be trained. A remote file is read by ranges.

    Args:
        source: where the file is.
        name: the file.
        names: of the tensors; all where not given.
        header: where it was read already.
        verify: `required`: every tensor must have a hash and match it; `available`: those that have one;
            `never`: none is looked at.
        hashes: sha256 in hex by tensor; the header's own where not given.
        progress: told the bytes of a remote file.

    Returns:
        The tensors by name, in the order asked for, with the file's dtypes.

    Raises:
        IntegrityError: a tensor is not the one that was promised, or has no hash and needs one.
        UnknownNameError: the file has no tensor of that name.
        FetchError, FileError: it cannot be read.
    """
    header = header or read_header(source, name)
    where = f"{source.text}/{name}"
    wanted = list(dict.fromkeys(header.tensors if names is None else names))
    for one in wanted:
        if one not in header.tensors:
            raise UnknownNameError(f"tensor of {where}", one, header.tensors)
    entries = [header.tensors[one] for one in wanted]
    path = source.local_path(name)
    parts = _map_tensors(path, header, entries) if path else _read_remote_tensors(source, name, entries, progress)
    if verify != "never":
        _check_hashes(wanted, parts, header.hashes if hashes is None else hashes, where, verify == "required")
    return {entry.name: _tensor_from_bytes(part, entry) for entry, part in zip(entries, parts, strict=True)}


def warn_if_not_finite(tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Warn (`ZooWarning`) of tensors that hold NaN or infinite numbers, by their names."""
    wrong = [name for name, tensor in tensors.items() if not _is_finite(tensor)]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        warnings.warn(
            f"{where}: there are NaN or infinite numbers in {', '.join(wrong[:5])}{more}, and features may be so too. "
            "Tell its publisher, or take other weights.",
            ZooWarning,
            stacklevel=3,
        )


def _is_finite(tensor: torch.Tensor) -> bool:
    import torch

    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = torch.aminmax(tensor if tensor.element_size() > 1 else tensor.float())  # a NaN is both
    return math.isfinite(low) and math.isfinite(high)


def _map_tensors(path: Path, header: Header, entries: Sequence[TensorEntry]) -> list[memoryview]:
    """The tensors' bytes, mapped copy-on-write."""
    try:
        with path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            if size != header.file_size:
                raise damaged(str(path), f"it has {size} bytes, where {header.file_size} were promised")
            whole = memoryview(mmap.mmap(opened.fileno(), size, access=mmap.ACCESS_COPY))
    except (OSError, ValueError) as error:
        raise FileError(path, f"it cannot be mapped ({error})", "Check the file.") from error
    return [whole[entry.start : entry.end] for entry in entries]


def _read_remote_tensors(
    source: Source, name: str, entries: Sequence[TensorEntry], progress: Progress
) -> list[memoryview]:
    return source.read_ranges(name, [(entry.start, entry.end) for entry in entries], progress=progress)


def _check_hashes(
    names: Sequence[str], parts: Sequence[memoryview], hashes: Mapping[str, str], where: str, required: bool
) -> None:
    unknown = [name for name in names if name not in hashes]
    if required and unknown:
        listed = ", ".join(unknown[:5])
        raise IntegrityError(f"{where} has no sha256 for {listed}.", "Publish it again with `zoo push`.")
    known = [(name, part) for name, part in zip(names, parts, strict=True) if name in hashes]
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda pair: hashlib.sha256(pair[1]).hexdigest(), known)  # hashlib releases the GIL
        wrong = [name for (name, _), digest in zip(known, found, strict=True) if digest != hashes[name]]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise IntegrityError(
            f"{where}: the bytes of {', '.join(wrong[:5])}{more} are not those that were promised (sha256).",
            "Fetch it again; if that does not help, tell its publisher.",
        )


def _tensor_from_bytes(part: memoryview, entry: TensorEntry) -> torch.Tensor:
    import torch

    dtype: torch.dtype = getattr(torch, _TORCH[entry.dtype])
    if not len(part):
        return torch.empty(entry.shape, dtype=dtype)
    flat = torch.frombuffer(part, dtype=torch.uint8)
    if flat.data_ptr() % ITEMSIZES[entry.dtype]:  # foreign files may put a tensor anywhere
        flat = flat.clone()
    return flat.view(dtype).reshape(entry.shape)


# ------------------------------------------------------------------------------------------------ writing


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> Header:
    """Write a safetensors file with each tensor's sha256; the same tensors always give the same bytes.

    Args:
        path: the file; it appears whole or not at all.
        tensors: any shape, any dtype of `ITEMSIZES`, any device.
        metadata: texts to keep in the header.

    Returns:
        The header as written.

    Raises:
        UsageError: a dtype or a name that the format does not have.
        FileError: the disk is full, or the folder cannot be written.
    """
    codes = {name: code for code, name in _TORCH.items()}
    content: dict[str, memoryview] = {}
    described: dict[str, Any] = {}
    at = 0
    sizes = {name: tensor.element_size() for name, tensor in tensors.items()}
    for name in sorted(tensors, key=lambda name: (-sizes[name], name)):  # wide ones first, so that all are aligned
        tensor = tensors[name]
        code = codes.get(str(tensor.dtype).removeprefix("torch."))
        if code is None or name == "__metadata__" or tensor.is_meta:
            raise UsageError(f"The tensor {name!r} ({tensor.dtype}, {tensor.device}) cannot be written.", "Convert it.")
        content[name] = tensor_bytes(tensor)
        end = at + len(content[name])
        described[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    hashes = {name: hashlib.sha256(part).hexdigest() for name, part in sorted(content.items())}
    texts = {"format": "pt", **(metadata or {}), HASHES: json.dumps(hashes, separators=(",", ":"))}
    said = {"__metadata__": dict(sorted(texts.items())), **described}
    head = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    raw = len(head).to_bytes(8, "little") + head
    with atomic_write(path) as part, part.open("wb") as opened:
        opened.write(raw)
        for piece in content.values():
            opened.write(piece)
    return parse_header(raw, len(raw) + at, str(path))


def digest_of(module: torch.nn.Module) -> str:
    """64 hex digits of all tensors of a module, in their order."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """A tensor's bytes as files have them, in C order; without a copy where it lies so on the CPU."""
    import torch

    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data) if flat.numel() else memoryview(b"")
