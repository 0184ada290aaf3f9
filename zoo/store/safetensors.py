"""safetensors files, header first: names, shapes and sizes are checked before anything is allocated.

A file is 8 bytes with the header's length, a JSON header, and the tensors' bytes. Files that we write carry
each tensor's sha256 in the header's metadata, so that a part of a file can be verified as the whole is.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import FileError, IntegrityError, UnknownNameError, UsageError, ZooWarning
from zoo.files import atomic_write
from zoo.progress import Progress, silent
from zoo.store.source import Source

if TYPE_CHECKING:
    import torch

HASHES = "zoo.sha256"  # the metadata's key: JSON, {tensor: sha256 in hex}
LARGEST_HEADER = 4 * 2**20  # bytes: 25,000 tensors; parsed it takes up to 30 times as many
LONGEST_NAME = 1_000  # characters of a tensor's name
FIRST_READ = 16 * 2**10  # bytes of a remote file, in the hope that the header ends there
ITEMSIZES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
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
_HEX = re.compile(r"[0-9a-f]{64}")

Verify = Literal["required", "available", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """Where one tensor lies in its file."""

    name: str  # "features.0.weight"
    dtype: str  # safetensors' name, "F32"
    shape: tuple[int, ...]
    start: int  # bytes from the start of the file
    end: int  # the first byte after it


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of a safetensors file, checked against the file's size."""

    tensors: Mapping[str, TensorEntry]  # in the order of their bytes
    metadata: Mapping[str, str]
    hashes: Mapping[str, str]  # sha256 in hex by tensor; empty for files that are not ours
    size: int  # bytes of the header with its 8 length bytes: where the tensors begin
    digest: str  # sha256 of those bytes, hex
    file_size: int


# ------------------------------------------------------------------------------------------------ headers


def read_header(source: Source, name: str, *, size: int | None = None) -> Header:
    """Read and check the header of a source's file.

    Args:
        source: where the file is.
        name: the file, `model.safetensors`.
        size: the file's size in bytes, where it is known already: a request less.

    Raises:
        IntegrityError: it is damaged, or no safetensors file.
        FetchError, FileError: it cannot be read.
    """
    where = f"{source.text}/{name}"
    size = source.size(name) if size is None else size
    local = source.local_path(name) is not None
    (first,) = source.read_ranges(name, [(0, min(size, 8 if local else FIRST_READ))])
    end = 8 + _header_length(bytes(first[:8]), size, where)
    raw = bytes(first[:end])
    if end > len(raw):
        (rest,) = source.read_ranges(name, [(len(raw), end)])
        raw += bytes(rest)
    return parse_header(raw, size, where)


def parse_header(raw: bytes, file_size: int, where: str) -> Header:
    """Check a header.

    Args:
        raw: the file's first bytes: 8 of length, then the whole header; more is not looked at.
        file_size: of the whole file, bytes.
        where: the file, for messages.

    Raises:
        IntegrityError: too long, no JSON, unknown dtypes, shapes that are not the sizes, tensors that overlap, leave
            holes or lie outside the file.
    """
    end = 8 + _header_length(raw[:8], file_size, where)
    if len(raw) < end:
        raise _damaged_error(where, f"its header has {end} bytes, of which {len(raw)} are there")
    raw = raw[:end]
    try:
        said = json.loads(raw[8:].decode(), object_pairs_hook=_refuse_duplicate_names, parse_constant=_refuse_constant)
        if not isinstance(said, dict):
            raise ValueError("it is no object")
        metadata = _check_metadata(said.pop("__metadata__", {}))
        tensors = [_parse_tensor_entry(name, entry, end) for name, entry in said.items()]
        hashes = _parse_hashes(metadata, said)
    except (ValueError, RecursionError) as error:
        raise _damaged_error(where, f"its header cannot be read ({_short(error)})") from error
    tensors.sort(key=lambda tensor: (tensor.start, tensor.end))
    at = end
    for tensor in tensors:
        if tensor.start != at:
            kind = "overlaps the one before it" if tensor.start < at else "leaves a hole before it"
            raise _damaged_error(where, f"the tensor {_short(tensor.name)} {kind}")
        at = tensor.end
    if at != file_size:
        raise _damaged_error(where, f"its tensors end at byte {at}, the file has {file_size}")
    return Header(
        tensors={tensor.name: tensor for tensor in tensors},
        metadata=metadata,
        hashes=hashes,
        size=end,
        digest=hashlib.sha256(raw).hexdigest(),
        file_size=file_size,
    )


def _header_length(first: bytes, file_size: int, where: str) -> int:
    if file_size < 8 or len(first) < 8:
        raise _damaged_error(where, f"it has {file_size} bytes, too few for a safetensors file")
    length = int.from_bytes(first, "little")
    if length > LARGEST_HEADER:
        raise _damaged_error(where, f"its header claims {length} bytes, where {LARGEST_HEADER} are allowed")
    if length > file_size - 8:
        raise _damaged_error(where, f"its header claims {length} bytes, the file has {file_size}")
    return length


def _parse_tensor_entry(name: str, entry: Any, start_of_data: int) -> TensorEntry:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{_short(name)} has not just dtype, shape and data_offsets")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a tensor's name has {len(name)} characters, where {LONGEST_NAME} are allowed")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEMSIZES:
        raise ValueError(f"{_short(name)} has the unknown dtype {_short(dtype)}")
    if not _are_natural_numbers(shape) or len(shape) > 32 or math.prod(filter(None, shape)) >= 2**63:
        raise ValueError(f"{_short(name)} has an impossible shape")
    if not _are_natural_numbers(offsets) or len(offsets) != 2:
        raise ValueError(f"{_short(name)} has impossible offsets")
    start, end = offsets
    name.encode()  # a lone surrogate is a ValueError here, and not later
    if math.prod(shape) * ITEMSIZES[dtype] != end - start:
        raise ValueError(f"{_short(name)} has a shape that is not {end - start} bytes")
    return TensorEntry(name=name, dtype=dtype, shape=tuple(shape), start=start_of_data + start, end=start_of_data + end)


def _are_natural_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _check_metadata(said: Any) -> dict[str, str]:
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise ValueError("its metadata are not texts")
    json.dumps(said, ensure_ascii=False).encode()
    return said


def _parse_hashes(metadata: Mapping[str, str], tensors: Mapping[str, Any]) -> dict[str, str]:
    if HASHES not in metadata:
        return {}
    said = json.loads(metadata[HASHES], object_pairs_hook=_refuse_duplicate_names, parse_constant=_refuse_constant)
    if not isinstance(said, dict) or not all(
        isinstance(value, str) and _HEX.fullmatch(value) for value in said.values()
    ):
        raise ValueError(f"its metadata {HASHES!r} are no sha256")
    if not said.keys() <= tensors.keys():
        raise ValueError(f"its metadata {HASHES!r} name tensors that it has not")
    return said


def _refuse_duplicate_names(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name occurs twice")
    return made


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _short(value: object) -> str:
    text = ascii(str(value))[1:-1] if isinstance(value, Exception) else ascii(value)
    return text if len(text) <= 120 else text[:117] + "…"


def _damaged_error(where: str, problem: str) -> IntegrityError:
    return IntegrityError(f"{where}: {problem}.", "It is damaged, or no safetensors file. Fetch it again.")


# ------------------------------------------------------------------------------------------------ reading


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
                raise _damaged_error(str(path), f"it has {size} bytes, where {header.file_size} were promised")
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
    """64 hex digits of a network's tensors, in their order."""
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
