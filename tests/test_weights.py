"""safetensors headers and tensors: what is good is read without copying, what is hostile is refused."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hub_server import HubServer
from hypothesis import HealthCheck, given, settings, strategies as st

from zoo.errors import IntegrityError, UnknownNameError, UsageError, ZooError
from zoo.store.local_source import FolderSource
from zoo.store.safetensors import read_tensors, write_tensors
from zoo.store.safetensors_header import HASHES, parse_header, read_header
from zoo.store.source_parsing import parse_source

NAME = "model.safetensors"
DTYPES = [
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64),
    *(torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint8, torch.bool),
]


def some_tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    made = {f"t.{str(dtype)[6:]}": (torch.rand(3, 5) * 100).to(dtype) for dtype in DTYPES}
    return {**made, "scalar": torch.tensor(3.5), "empty": torch.empty(0, 4), "view": torch.rand(4, 6).T}


def head(said: Any, data: bytes = b"") -> bytes:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def one(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


def refused(raw: bytes, file_size: int | None = None) -> str:
    with pytest.raises(IntegrityError) as caught:
        parse_header(raw, len(raw) if file_size is None else file_size, "here/model.safetensors")
    assert str(caught.value).startswith("here/model.safetensors: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------ good files


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    tensors = some_tensors()
    write_tensors(tmp_path / NAME, tensors)
    read = read_tensors(FolderSource(tmp_path), NAME, verify="required")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_the_official_library_reads_what_is_written(tmp_path: Path) -> None:
    tensors = some_tensors()
    write_tensors(tmp_path / NAME, tensors, {"made": "here"})
    read = safetensors.torch.load_file(tmp_path / NAME)
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    with safetensors.safe_open(tmp_path / NAME, "pt") as opened:
        assert opened.metadata()["made"] == "here"


def test_what_the_official_library_writes_is_read(tmp_path: Path) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in some_tensors().items()}
    safetensors.torch.save_file(tensors, tmp_path / NAME)
    read = read_tensors(FolderSource(tmp_path), NAME)
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    tensors = some_tensors()
    first = write_tensors(tmp_path / "a", tensors, {"x": "1", "y": "2"})
    second = write_tensors(tmp_path / "b", dict(reversed(tensors.items())), {"y": "2", "x": "1"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert first == second


def test_a_header_says_where_everything_is(tmp_path: Path) -> None:
    written = write_tensors(tmp_path / NAME, {"a": torch.ones(2, 3)}, {"made": "here"})
    raw = (tmp_path / NAME).read_bytes()
    assert read_header(FolderSource(tmp_path), NAME) == written
    assert written.file_size == len(raw)
    assert written.digest == hashlib.sha256(raw[: written.size]).hexdigest()
    assert written.metadata["made"] == "here"
    a = written.tensors["a"]
    assert (a.dtype, a.shape, a.start, a.end) == ("F32", (2, 3), written.size, len(raw))
    assert written.hashes == {"a": hashlib.sha256(raw[a.start : a.end]).hexdigest()}


def test_only_the_tensors_asked_for_are_read_in_that_order(tmp_path: Path) -> None:
    write_tensors(tmp_path / NAME, {name: torch.ones(1) for name in "abc"})
    assert list(read_tensors(FolderSource(tmp_path), NAME, ["c", "a"])) == ["c", "a"]


def test_an_unknown_tensor_offers_the_nearest(tmp_path: Path) -> None:
    write_tensors(tmp_path / NAME, {"features.0.weight": torch.ones(1)})
    with pytest.raises(UnknownNameError, match=r"Did you mean 'features\.0\.weight'"):
        read_tensors(FolderSource(tmp_path), NAME, ["feature.0.weight"])


def test_writing_into_a_mapped_tensor_leaves_the_file_alone(tmp_path: Path) -> None:
    write_tensors(tmp_path / NAME, {"a": torch.ones(4)})
    before = (tmp_path / NAME).read_bytes()
    read_tensors(FolderSource(tmp_path), NAME)["a"].add_(1)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_mapped_tensor_outlives_its_file(tmp_path: Path) -> None:
    write_tensors(tmp_path / NAME, {"a": torch.arange(4)})
    tensor = read_tensors(FolderSource(tmp_path), NAME)["a"]
    (tmp_path / NAME).unlink()
    assert tensor.tolist() == [0, 1, 2, 3]


def test_a_tensor_that_is_not_aligned_is_read(tmp_path: Path) -> None:
    said = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    }
    (tmp_path / NAME).write_bytes(head(said, b"\x07" + struct.pack("<2f", 1.5, 2.5)))
    read = read_tensors(FolderSource(tmp_path), NAME)
    assert read["b"].tolist() == [1.5, 2.5]


def test_a_part_of_a_large_file_costs_its_part_only(tmp_path: Path) -> None:
    layers = 40
    entries = {
        f"l{n:02}": {"dtype": "F32", "shape": [2**20], "data_offsets": [n << 22, n + 1 << 22]} for n in range(layers)
    }
    raw = head(entries)
    with (tmp_path / NAME).open("wb") as opened:  # a file with holes: 160 MiB that take no room
        opened.write(raw)
        opened.truncate(len(raw) + (layers << 22))
    torch.zeros(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tensors = read_tensors(FolderSource(tmp_path), NAME, ["l03"])
    assert tensors["l03"].sum() == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB


def test_a_remote_file_is_read_by_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {f"l{number}": torch.full((50_000,), float(number)) for number in range(10)}
    with HubServer(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        hub.add("owner/name", {"config.json": b"{}"})
        write_tensors(tmp_path / "hub/owner/name" / NAME, tensors)
        source = parse_source("owner/name").pinned()
        read = read_tensors(source, NAME, ["l7", "l2", "l3"], verify="required")
        assert all(torch.equal(read[name], tensors[name]) for name in read)
        read["l7"].add_(1)  # a tensor of one's own
        assert hub.sent_of("/resolve/") <= 3 * 200_000 + 16_384
        assert hub.count("GET", "/resolve/") == 3
        hub.fail("corrupt", -10, path=NAME, times=None)
        with pytest.raises(IntegrityError, match="the bytes of l9 are not those"):
            read_tensors(source, NAME, ["l9"])


def test_a_long_remote_header_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        hub.add("owner/name", {"config.json": b"{}"})
        written = write_tensors(tmp_path / "hub/owner/name" / NAME, {f"tensor.{n}": torch.ones(1) for n in range(500)})
        assert written.size > 32_768
        assert read_header(parse_source("owner/name"), NAME, size=written.file_size) == written


# ------------------------------------------------------------------------------------------------ wrong bytes


def test_a_corrupt_byte_names_its_tensor(tmp_path: Path) -> None:
    header = write_tensors(tmp_path / NAME, {"a": torch.ones(4), "b": torch.ones(4)})
    raw = bytearray((tmp_path / NAME).read_bytes())
    raw[header.tensors["b"].start] ^= 1
    (tmp_path / NAME).write_bytes(raw)
    source = FolderSource(tmp_path)
    with pytest.raises(IntegrityError, match=r"the bytes of b are not those that were promised"):
        read_tensors(source, NAME)
    assert list(read_tensors(source, NAME, ["a"])) == ["a"]
    assert list(read_tensors(source, NAME, verify="never")) == ["a", "b"]


def test_hashes_from_elsewhere_go_before_the_files_own(tmp_path: Path) -> None:
    write_tensors(tmp_path / NAME, {"a": torch.ones(4)})
    with pytest.raises(IntegrityError, match="the bytes of a"):
        read_tensors(FolderSource(tmp_path), NAME, hashes={"a": "0" * 64})


def test_a_tensor_without_a_hash_is_refused_only_where_one_is_required(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(2)}, tmp_path / NAME)
    assert list(read_tensors(FolderSource(tmp_path), NAME)) == ["a"]
    with pytest.raises(IntegrityError, match="has no sha256 for a"):
        read_tensors(FolderSource(tmp_path), NAME, verify="required")


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    header = write_tensors(tmp_path / NAME, {"a": torch.ones(100)})
    os.truncate(tmp_path / NAME, 300)
    with pytest.raises(IntegrityError):
        read_header(FolderSource(tmp_path), NAME)
    with pytest.raises(IntegrityError, match="it has 300 bytes"):
        read_tensors(FolderSource(tmp_path), NAME, header=header)


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_file_too_short_for_a_header_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / NAME).write_bytes(b"\0" * size)
    with pytest.raises(IntegrityError, match="too few for a safetensors file"):
        read_header(FolderSource(tmp_path), NAME)


def test_a_header_of_a_huge_length_is_refused_before_it_is_read() -> None:
    assert "claims 18446744073709551615 bytes" in refused(b"\xff" * 8 + b"{}", 2**63)


def test_a_header_longer_than_the_file_is_refused() -> None:
    assert "the file has 108" in refused(struct.pack("<Q", 1000) + b"x" * 100)


def test_tensors_that_overlap_are_refused() -> None:
    said = {**one(), "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}
    assert "'b' overlaps" in refused(head(said, bytes(12)))


def test_a_hole_between_tensors_is_refused() -> None:
    said = {**one(), "b": {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]}}
    assert "'b' leaves a hole" in refused(head(said, bytes(20)))


def test_bytes_that_belong_to_no_tensor_are_refused() -> None:
    assert "its tensors end at byte" in refused(head(one(), bytes(9)))


def test_tensors_that_end_after_the_file_are_refused() -> None:
    assert "its tensors end at byte" in refused(head(one(), bytes(7)))


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [3]},
        {"shape": [2**62, 4, 2**62]},
        {"shape": [2**63]},
        {"shape": [2**40, 2**40, 0]},
        {"shape": [-2]},
        {"shape": [2.0]},
        {"shape": [True, 2]},
        {"shape": "2"},
        {"shape": [1] * 40 + [2]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [0]},
        {"data_offsets": [-8, 0]},
        {"data_offsets": [0, 2**63]},
        {"data_offsets": None},
        {"dtype": "F31"},
        {"dtype": 4},
        {"dtype": "F64"},
        {"more": 1},
    ],
)
def test_a_tensor_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    assert "'a' has" in refused(head(one(**changes), bytes(8)))


@pytest.mark.parametrize(
    "said",
    [
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": 1}',
        b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
        b'{"__metadata__": {"a": 1}}',
        b'{"__metadata__": []}',
        b'{"\\ud800":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        json.dumps({"__metadata__": {HASHES: "[]"}}).encode(),
        json.dumps({"__metadata__": {HASHES: '{"a": "12"}'}}).encode(),
        json.dumps({"__metadata__": {HASHES: '{"a": "' + "0" * 64 + '"}'}}).encode(),
    ],
)
def test_a_header_that_is_no_header_is_refused(said: bytes) -> None:
    assert "its header cannot be read" in refused(head(said))


def test_a_pickle_is_refused_and_never_opened(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(IntegrityError, match="no safetensors file"):
        read_header(FolderSource(tmp_path), "pytorch_model.bin")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**64))
def test_random_bytes_give_nothing_but_our_own_errors(raw: bytes, size: int) -> None:
    with pytest.raises(ZooError):
        parse_header(struct.pack("<Q", max(0, len(raw) - 8)) + raw, size, "here")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mutated_header_is_refused_or_still_whole(data: st.DataObject) -> None:
    raw = bytearray(
        head({"__metadata__": {"x": "y"}, **one(), "b": {**one()["a"], "data_offsets": [8, 16]}}, bytes(16))
    )
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 17))] = data.draw(st.integers(0, 255))
    try:
        header = parse_header(bytes(raw), len(raw), "here")
    except ZooError:
        return
    assert sum(tensor.end - tensor.start for tensor in header.tensors.values()) == len(raw) - header.size


@pytest.mark.parametrize("tensors", [{"__metadata__": torch.ones(1)}, {"a": torch.ones(1, device="meta")}])
def test_what_the_format_does_not_have_is_not_written(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_tensors(tmp_path / NAME, tensors)
    assert not (tmp_path / NAME).exists()
