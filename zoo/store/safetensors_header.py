"""The header of a safetensors file: what is in a file is known, and checked, before anything of it is allocated.

A file is 8 bytes with the header's length, a JSON header, and the tensors' bytes. Files that we write carry
each tensor's sha256 in the header's metadata, so that a part of a file can be verified as the whole is.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import IntegrityError
from zoo.files import parse_json
from zoo.store.source import Source

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
_HEX = re.compile(r"[0-9a-f]{64}")


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
    """What a safetensors file says of itself, checked against its size."""

    tensors: Mapping[str, TensorEntry]  # in the order of their bytes
    metadata: Mapping[str, str]
    hashes: Mapping[str, str]  # sha256 in hex by tensor; empty for files that are not ours
    size: int  # bytes of the header with its 8 length bytes: where the tensors begin
    digest: str  # sha256 of those bytes, hex
    file_size: int


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
        raise damaged(where, f"its header has {end} bytes, of which {len(raw)} are there")
    raw = raw[:end]
    try:
        said = parse_json(raw[8:].decode())
        if not isinstance(said, dict):
            raise ValueError("it is no object")
        metadata = _check_metadata(said.pop("__metadata__", {}))
        tensors = [_parse_tensor_entry(name, entry, end) for name, entry in said.items()]
        hashes = _parse_hashes(metadata, said)
    except ValueError as error:
        raise damaged(where, f"its header cannot be read ({_short(error)})") from error
    tensors.sort(key=lambda tensor: (tensor.start, tensor.end))
    at = end
    for tensor in tensors:
        if tensor.start != at:
            kind = "overlaps the one before it" if tensor.start < at else "leaves a hole before it"
            raise damaged(where, f"the tensor {_short(tensor.name)} {kind}")
        at = tensor.end
    if at != file_size:
        raise damaged(where, f"its tensors end at byte {at}, the file has {file_size}")
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
        raise damaged(where, f"it has {file_size} bytes, too few for a safetensors file")
    length = int.from_bytes(first, "little")
    if length > LARGEST_HEADER:
        raise damaged(where, f"its header claims {length} bytes, where {LARGEST_HEADER} are allowed")
    if length > file_size - 8:
        raise damaged(where, f"its header claims {length} bytes, the file has {file_size}")
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
    said = parse_json(metadata[HASHES])
    if not isinstance(said, dict) or not all(
        isinstance(value, str) and _HEX.fullmatch(value) for value in said.values()
    ):
        raise ValueError(f"its metadata {HASHES!r} are no sha256")
    if not said.keys() <= tensors.keys():
        raise ValueError(f"its metadata {HASHES!r} name tensors that it has not")
    return said


def _short(value: object) -> str:
    text = ascii(str(value))[1:-1] if isinstance(value, Exception) else ascii(value)
    return text if len(text) <= 120 else text[:117] + "…"


def damaged(where: str, problem: str) -> IntegrityError:
    """What is said of a file that is not what its header says."""
    return IntegrityError(f"{where}: {problem}. It is damaged, or no safetensors file.", "Fetch it again.")
