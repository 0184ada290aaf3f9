"""Pictures to vectors: what is listed, pooled, written, resumed and refused."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from command_line import CommandLine
from PIL import Image

import zoo
from zoo.data.image_files import LeftOut, expand, walk
from zoo.data.image_sources import DatasetImages, ImageFiles
from zoo.data.listing import Listing
from zoo.embedding.parts import PartsFolder, PartWriter, write_part
from zoo.embedding.pooling import pool_map
from zoo.embedding.stream import EmbeddingChunk, stream_embeddings
from zoo.embedding.writing import rows_beside
from zoo.errors import FileError, UnknownNameError, UsageError, ZooError
from zoo.files import temporary_folder
from zoo.models.building import build_filters

SPACE = {
    "zoo.filters": "vgg11-block1",
    "zoo.cut": "block1",
    "zoo.pool": "mean",
    "zoo.size": "32",
    "zoo.format": "1",
}


@pytest.fixture(scope="module")
def filters():
    return build_filters("vgg11", cut="block1", weights="random", size=32)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def folder(shapes, tmp_path) -> Path:
    """A folder of three folders of eight pictures."""
    for kind in ("bar", "disc", "ring"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for path in sorted((shapes / kind).iterdir())[:8]:
            shutil.copy(path, tmp_path / "photos" / kind)
    return tmp_path / "photos"


def chunk(first: int, count: int, width: int = 4) -> EmbeddingChunk:
    vectors = np.arange(first, first + count, dtype=np.float32)[:, None].repeat(width, axis=1)
    names = tuple(f"{number}.png" for number in range(first, first + count))
    return EmbeddingChunk(paths=names, labels=(None,) * count, groups=(None,) * count, vectors=vectors)


# ------------------------------------------------------------------------------------------------ listing


def test_a_folder_is_walked_in_the_order_of_find_images(folder):
    (folder / "bar.png").write_bytes(b"")
    (folder / ".hidden").mkdir()
    shutil.copy(folder / "bar" / "bar-000.png", folder / ".hidden" / "x.png")
    (folder / "notes.txt").write_text("no picture")
    assert list(walk(str(folder), LeftOut())) == [str(path) for path in zoo.find_images(folder)]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("*/*.png", 24), ("**/*.png", 24), ("**", 24), ("*", 24), ("disc/*-00[12].png", 2), ("?ing", 8), ("**/disc/*", 8)],
)
def test_a_pattern_lists_every_picture_once(folder, pattern, count):
    found = list(expand(folder / pattern, LeftOut()))
    assert len(found) == len(set(found)) == count
    assert found == sorted(found)


def test_a_pattern_with_a_suffix_takes_files_of_that_suffix(folder):
    shutil.copy(folder / "bar" / "bar-000.png", folder / "one.dat")
    assert list(expand(folder / "*.dat", LeftOut())) == [str(folder / "one.dat")]
    assert str(folder / "one.dat") not in list(expand(folder / "*", LeftOut()))


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(folder, filters):
    odd = shutil.copy(folder / "bar" / "bar-000.png", folder / "bar[1].png")
    assert filters.embed(odd).paths == (str(odd),)


def test_a_long_list_of_paths_is_not_held_in_memory():
    script = (
        "import io, tracemalloc\nfrom zoo.data.listing import Listing\n"
        "class Endless(io.RawIOBase):\n"
        "    left = 100_000\n"
        "    def read(self, size=-1):\n"
        "        count = min(self.left, 1000)\n"
        "        self.left -= count\n"
        "        return b''.join(b'/photos/some/where/%07d.jpg\\n' % n for n in range(count))\n"
        "listing = Listing()\ntracemalloc.start()\nlisting.add_lines(Endless())\n"
        "count = sum(1 for _ in listing.entries())\n"
        "print(count, tracemalloc.get_traced_memory()[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    count, peak = map(int, done.stdout.split())
    assert count == 100_000
    assert peak < 1_500_000


def test_an_endless_list_is_read_from_the_middle(tmp_path):
    listing = Listing(tmp_path)
    listing.add_lines(io.BytesIO(b"a.png\r\nb.png\n\nc d.png"))
    assert [path for path, *_ in listing.entries(1)] == ["b.png", "c d.png"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nowhere", "no such file or folder"),
        ("*.tiff", "no picture matches this pattern"),
        ("empty", "no pictures in this folder"),
    ],
)
def test_what_names_no_picture_is_said(folder, filters, named, message):
    (folder / "empty").mkdir()
    with pytest.raises(FileError, match=message):
        filters.embed(folder / named)


def test_no_pictures_at_all_are_said(filters):
    with pytest.raises(UsageError, match="No pictures were named"):
        filters.embed([])


def test_a_folder_that_may_not_be_listed_is_named(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(FileError, match=r"cannot be listed \(Permission denied\)"):
        list(walk(str(tmp_path), LeftOut()))


# ------------------------------------------------------------------------------------------------ labels


def test_pictures_in_class_folders_are_labelled_by_them(folder, filters):
    embeddings = filters.embed(folder)
    assert embeddings.labels == tuple(Path(path).parent.name for path in embeddings.paths)
    assert set(embeddings.groups) == {None}


def test_class_folders_below_splits_are_the_labels(folder, filters, tmp_path):
    (tmp_path / "root").mkdir()
    folder.rename(tmp_path / "root" / "train")
    assert set(filters.embed(tmp_path / "root").labels) == {"bar", "disc", "ring"}


def test_a_picture_beside_the_class_folders_leaves_all_without_labels(folder, filters):
    shutil.copy(folder / "bar" / "bar-000.png", folder / "one.png")
    assert set(filters.embed(folder).labels) == {None}
    assert set(filters.embed([folder / "bar", folder / "disc" / "disc-000.png"]).labels) == {None}


def test_a_datasets_samples_bring_labels_and_groups(command, filters):
    data = zoo.open_dataset("digits")
    embeddings = filters.embed(DatasetImages(data.dataset, range(5), name="digits"))
    assert embeddings.labels == ("0", "1", "2", "3", "4")
    assert embeddings.paths[0] == "digit-0000"


def test_a_dataset_that_breaks_its_contract_is_named(filters):
    class Broken(zoo.Dataset):
        targets = {}  # noqa: RUF012

        def prepare(self, root, progress=None):
            pass

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return zoo.Sample(image=torch.zeros(3, 8, 8))

    with pytest.raises(ZooError, match="not uint8"):
        filters.embed(Broken())


# ------------------------------------------------------------------------------------------------ vectors


def test_vectors_are_the_pooled_features_of_the_squashed_pictures(folder, filters):
    paths = sorted((folder / "disc").iterdir())
    images = [zoo.read_image(path) for path in paths]
    small = torch.stack([torch.from_numpy(np.array(_squashed(image))).permute(2, 0, 1) for image in images])
    with torch.no_grad():
        features = filters.eval()(small)
    expected = {"mean": features.mean((2, 3)), "max": features.amax((2, 3)), "map": features.flatten(1)}
    expected["gem"] = features.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)
    for pool, wanted in expected.items():
        found = torch.from_numpy(filters.embed(folder / "disc", pool=pool, precision="fp32", device="cpu").vectors)
        assert found.shape == wanted.shape
        assert torch.cosine_similarity(found, wanted).min() > 0.999, pool


def _squashed(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy()).resize((32, 32), Image.Resampling.BILINEAR)


def test_gem_lies_between_the_mean_and_the_maximum():
    features = torch.rand(2, 3, 5, 5)
    mean, gem, most = (pool_map(features, pool) for pool in ("mean", "gem", "max"))
    assert (mean < gem).all()
    assert (gem < most).all()


def test_the_batch_changes_nothing(folder, filters):
    one, many = (filters.embed(folder, batch=batch, precision="fp32", device="cpu") for batch in (1, 7))
    assert one.paths == many.paths
    assert np.allclose(one.vectors, many.vectors, atol=1e-5)


def test_the_way_over_a_gpu_gives_the_same_in_the_same_order(folder, filters):
    from zoo.embedding.stream import _stream_on_gpu

    (folder / "disc" / "broken.png").write_bytes(b"no picture")
    listing = Listing()
    listing.add_named([folder])
    network = filters._network("mean", "cpu", "fp32")
    chunks = list(_stream_on_gpu(ImageFiles(listing), network, size=32, start=0, batch=5))
    whole = filters.embed(folder, precision="fp32", device="cpu", skip_unreadable=True)
    assert tuple(path for one in chunks for path in one.paths) == whole.paths
    assert [fault.path for one in chunks for fault in one.faults] == [str(folder / "disc" / "broken.png")]
    assert np.allclose(np.concatenate([one.vectors for one in chunks]), whole.vectors, atol=1e-5)


def test_embedding_leaves_the_filters_and_torch_as_they_were(folder):
    filters = build_filters("vgg11", cut="block1", weights="random", size=32).train()
    threads = torch.get_num_threads()
    filters.embed(folder)
    assert filters.training
    assert filters["features.0"].dtype == torch.float32
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "median"}, "no pooling 'median'. Choose one of mean, gem, max, map"),
        ({"batch": 0}, "A batch cannot be of 0 pictures"),
        ({"size": 0}, "cannot be resized to 0 pixels"),
        ({"precision": "fp8"}, "auto, bf16 or fp32"),
    ],
)
def test_options_without_sense_are_refused(folder, filters, options, message):
    with pytest.raises(UsageError, match=message):
        filters.embed(folder, **options)


def test_a_slow_taker_holds_the_readers_back(folder, filters):
    read = []

    class Watched(ImageFiles):
        def load(self, entry, smallest):
            read.append(entry)
            return super().load(entry, smallest)

    listing = Listing()
    listing.add_lines(io.BytesIO(f"{folder / 'bar' / 'bar-000.png'}\n".encode() * 500))
    network = filters._network("mean", "cpu", "fp32")
    taken = stream_embeddings(Watched(listing), network, size=32, batch=1)
    next(taken)
    time.sleep(0.3)
    assert len(read) < 40
    taken.close()


def test_unreadable_pictures_stop_or_are_listed_with_their_reason(folder, filters, tmp_path):
    (folder / "disc" / "broken.png").write_bytes(b"no picture")
    (folder / "ring" / "empty.png").write_bytes(b"")
    out = tmp_path / "vectors.parquet"
    with pytest.raises(ZooError, match=r"broken\.png: not a readable picture"):
        filters.embed_into(out, folder)
    assert not out.exists()
    written = filters.embed_into(out, folder, skip_unreadable=True)
    assert (written.pictures, written.unreadable) == (24, 2)
    lines = written.unreadable_file.read_text().splitlines()
    assert lines[1] == f"{folder / 'ring' / 'empty.png'}\tthe file is empty."
    (folder / "disc" / "broken.png").unlink()
    (folder / "ring" / "empty.png").unlink()
    assert filters.embed_into(out, folder, overwrite=True).unreadable_file is None
    assert not Path(f"{out}.unreadable.txt").exists()


def test_a_folder_of_which_nothing_can_be_read_is_said(tmp_path, filters):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(b"")
    for embed in (filters.embed, lambda *args, **options: filters.embed_into(tmp_path / "x.npy", *args, **options)):
        with pytest.raises(ZooError, match=r"None of the 1 pictures can be read. The first: .*one\.png"):
            embed(tmp_path / "photos", skip_unreadable=True)


# ------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("suffix", [".parquet", ".npy", ".safetensors"])
def test_what_was_written_is_read_back(folder, filters, tmp_path, suffix):
    out = tmp_path / f"vectors{suffix}"
    written = filters.embed_into(out, folder, device="cpu")
    there, here = zoo.read_embeddings(out), filters.embed(folder, device="cpu")
    assert np.array_equal(there.vectors, here.vectors)
    assert (there.paths, there.labels, there.groups) == (here.paths, here.labels, here.groups)
    assert there.space == here.space == written.space
    assert not list(tmp_path.glob(".*"))
    there.save(tmp_path / f"again{suffix}")
    assert np.array_equal(zoo.read_embeddings(tmp_path / f"again{suffix}").vectors, here.vectors)


def test_parquet_has_the_promised_columns_and_says_what_the_vectors_are_of(folder, filters, tmp_path):
    filters.embed_into(tmp_path / "vectors.parquet", folder)
    schema = pq.read_schema(tmp_path / "vectors.parquet")
    assert schema.names == ["path", "vector", "label", "group"]
    assert schema.field("vector").type == pa.list_(pa.float32(), 64)
    told = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert SPACE.items() <= told.items()
    assert told["zoo.manifest"].startswith("weights:")
    assert json.loads(told["zoo.versions"])["torch"] == version("torch")  # with its local part, `+cpu`


def test_a_whole_map_is_written_flat_with_its_shape(folder, filters, tmp_path):
    filters.embed_into(tmp_path / "maps.parquet", folder / "bar", pool="map")
    embeddings = zoo.read_embeddings(tmp_path / "maps.parquet")
    assert embeddings.space.shape == (64, 32, 32)
    assert embeddings.vectors.shape == (8, 64 * 32 * 32)


def test_vectors_of_arrays_are_mapped_and_not_read(folder, filters, tmp_path):
    for suffix in (".npy", ".safetensors"):
        filters.embed(folder).save(tmp_path / f"vectors{suffix}")
        assert isinstance(zoo.read_embeddings(tmp_path / f"vectors{suffix}").vectors, np.memmap)


def test_numpy_and_safetensors_read_the_files_as_they_are(folder, filters, tmp_path):
    from safetensors.numpy import load_file

    vectors = filters.embed(folder).vectors
    for suffix in (".npy", ".safetensors"):
        filters.embed_into(tmp_path / f"vectors{suffix}", folder)
    assert np.array_equal(np.load(tmp_path / "vectors.npy"), vectors)
    assert np.array_equal(load_file(tmp_path / "vectors.safetensors")["vectors"], vectors)


def test_another_suffix_is_refused_before_the_work(folder, filters, tmp_path):
    with pytest.raises(UsageError, match=r"parquet or \.npy"):
        filters.embed_into(tmp_path / "vectors.csv", folder)
    assert not list(tmp_path.glob(".*"))


def test_names_that_are_no_utf8_are_written_all_the_same(folder, filters, tmp_path):
    shutil.copy(folder / "bar" / "bar-000.png", os.fsencode(folder) + b"/bar/\xff.png")
    for suffix in (".parquet", ".npy", ".safetensors"):
        filters.embed_into(tmp_path / f"vectors{suffix}", folder / "bar")
        assert (
            zoo.read_embeddings(tmp_path / f"vectors{suffix}").paths[-1].endswith("/bar/\N{REPLACEMENT CHARACTER}.png")
        )


def test_rows_are_gathered_into_groups_of_some_thousands(tmp_path, filters):
    from zoo.embedding.writing import write_embeddings

    space = filters.space()
    chunks = [chunk(first, 1000, width=64) for first in range(0, 10_000, 1000)]
    write_embeddings(tmp_path / "vectors.parquet", chunks, space=space, rows=10_000)
    opened = pq.ParquetFile(tmp_path / "vectors.parquet")
    assert [opened.metadata.row_group(group).num_rows for group in range(3)] == [4096, 4096, 1808]
    assert zoo.read_embeddings(tmp_path / "vectors.parquet").vectors[:, 0].tolist() == list(range(10_000))


# ------------------------------------------------------------------------------------------------ damaged files


@pytest.fixture
def parquet(folder, filters, tmp_path) -> Path:
    filters.embed_into(tmp_path / "vectors.parquet", folder)
    return tmp_path / "vectors.parquet"


@pytest.mark.parametrize("suffix", [".parquet", ".npy", ".safetensors"])
@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9])
def test_a_truncated_file_is_named_with_its_remedy(folder, filters, tmp_path, suffix, part):
    path = tmp_path / f"vectors{suffix}"
    filters.embed_into(path, folder)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(FileError, match=r"vectors\.\w+: .*(truncated|empty).*Write it again with `zoo embed`"):
        zoo.read_embeddings(path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": ["a"]}, "there is no column `vector` or `path`, only name"),
        ({"path": ["a"], "vector": [[1.0]]}, "not a fixed-size list of float32"),
        (
            {"path": ["a"], "vector": pa.array([[1.0]], pa.list_(pa.float32(), 1))},
            "does not name the filters of its vectors",
        ),
    ],
)
def test_a_parquet_file_of_something_else_is_refused(tmp_path, table, message):
    pq.write_table(pa.table(table), tmp_path / "other.parquet")
    with pytest.raises(FileError, match=message):
        zoo.read_embeddings(tmp_path / "other.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"zoo.format": b"2"}, "its format is '2', and this version reads '1'. Upgrade"),
        ({b"zoo.size": b"large"}, "the description of its filters is damaged"),
        ({b"zoo.shape": b"[65]"}, "its vectors have 64 numbers, where it says 65"),
    ],
)
def test_metadata_that_cannot_be_believed_is_refused(parquet, change, message):
    table = pq.read_table(parquet)
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | change), parquet)
    with pytest.raises(FileError, match=message):
        zoo.read_embeddings(parquet)


def test_vectors_without_numbers_are_refused(tmp_path, filters):
    np.save(tmp_path / "vectors.npy", np.empty((3, 0), np.float32))
    said = dataclasses.replace(filters.space(), shape=(0,)).as_metadata()
    (tmp_path / "vectors.npy.rows.jsonl").write_text(json.dumps(said) + 3 * '\n{"path": "a.png"}')
    with pytest.raises(FileError, match="its vectors have no numbers"):
        zoo.read_embeddings(tmp_path / "vectors.npy")


def test_a_file_without_rows_is_refused(parquet):
    pq.write_table(pq.read_table(parquet).slice(0, 0), parquet)
    with pytest.raises(FileError, match="it holds no vectors"):
        zoo.read_embeddings(parquet)


def test_an_array_without_the_file_of_its_rows_is_refused(folder, filters, tmp_path):
    filters.embed_into(tmp_path / "vectors.npy", folder)
    rows = tmp_path / "vectors.npy.rows.jsonl"
    lines = rows.read_text().splitlines(keepends=True)
    rows.write_text("".join(lines[:5]))
    with pytest.raises(FileError, match="it has 4 rows, where there are 24 vectors"):
        zoo.read_embeddings(tmp_path / "vectors.npy")
    rows.unlink()
    with pytest.raises(FileError, match="says which pictures the vectors are of, and is missing"):
        zoo.read_embeddings(tmp_path / "vectors.npy")


def test_a_file_that_is_not_there_or_of_another_kind_is_said(tmp_path):
    with pytest.raises(FileError, match="there is no such file"):
        zoo.read_embeddings(tmp_path / "vectors.parquet")
    with pytest.raises(UsageError, match=r"embeddings are read from \.parquet"):
        zoo.read_embeddings(tmp_path / "vectors.csv")


# ------------------------------------------------------------------------------------------------ resuming


class StoppedError(Exception):
    pass


def stop_after(pictures: int):
    def listen(what, done, total=None, note=""):
        if done >= pictures:
            raise StoppedError

    return listen


@pytest.fixture
def begun(folder, filters, tmp_path, monkeypatch) -> Path:
    """An output whose work was stopped after two parts of five pictures."""
    out = tmp_path / "vectors.parquet"
    with pytest.raises(StoppedError):
        filters.embed_into(out, folder, part_rows=5, batch=1, device="cpu", progress=stop_after(20))
    assert len(list(PartsFolder(out).folder.glob("*.npz"))) >= 2
    return out


def test_a_stopped_embedding_goes_on_and_gives_what_an_unstopped_one_gives(begun, folder, filters):
    written = filters.embed_into(begun, folder, batch=1, device="cpu", resume=True)
    assert 10 <= written.resumed < 24
    whole = filters.embed(folder, batch=1, device="cpu")
    there = zoo.read_embeddings(begun)
    assert np.array_equal(there.vectors, whole.vectors)
    assert (there.paths, there.labels) == (whole.paths, whole.labels)
    assert not PartsFolder(begun).folder.exists()


def test_parts_that_are_left_over_are_not_silently_used(begun, folder, filters):
    with pytest.raises(FileError, match=r"left \d parts here. Pass `resume=True` to continue it, or `overwrite"):
        filters.embed_into(begun, folder)


def test_parts_that_are_left_over_can_be_begun_again(begun, folder, filters):
    assert filters.embed_into(begun, folder, overwrite=True).resumed == 0


def test_parts_of_other_filters_or_pictures_are_refused(begun, folder, filters):
    with pytest.raises(UsageError, match=r"other filters or options: pool 'mean' is now 'max'. Remove .*\.parts"):
        filters.embed_into(begun, folder, pool="max", resume=True)
    (folder / "ring" / "ring-000.png").unlink()
    with pytest.raises(UsageError, match="another list of 24 pictures; now there are 23"):
        filters.embed_into(begun, folder, resume=True)


def test_damage_that_only_the_library_below_would_notice_is_refused_in_a_line(filters, folder, tmp_path):
    """A header that numpy cannot parse, an infinite shape, metadata that is no UTF-8, rows that say no path."""
    embedded = filters.embed(folder)
    npy, parquet, tensors = (embedded.save(tmp_path / f"v.{suffix}") for suffix in ("npy", "parquet", "safetensors"))
    raw = npy.read_bytes()
    rows = rows_beside(npy).read_bytes()
    head = int.from_bytes(tensors.read_bytes()[:8], "little")
    said = json.loads(tensors.read_bytes()[8 : 8 + head])
    said["vectors"]["shape"][0] = float("inf")
    infinite = json.dumps(said).encode()
    table = pq.read_table(parquet)
    table = table.replace_schema_metadata({**table.schema.metadata, b"\xff": b"\xfe"})
    pq.write_table(table, tmp_path / "odd.parquet")
    assert len(zoo.read_embeddings(tmp_path / "odd.parquet")) == len(embedded)
    damaged = [
        (npy, raw.replace(b"(", b"((", 1)),
        (npy, b"PK\x03\x04" + raw[4:]),
        (rows_beside(npy), rows.replace(b'"path": "', b'"path": 5, "was": "', 1)),
        (tensors, len(infinite).to_bytes(8, "little") + infinite + tensors.read_bytes()[8 + head :]),
    ]
    for path, content in damaged:
        before = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(FileError, match="it is truncated or damaged") as caught:
            zoo.read_embeddings(npy if path == rows_beside(npy) else path)
        assert "\n" not in str(caught.value)
        path.write_bytes(before)


def test_a_damaged_part_and_those_after_it_are_computed_again(begun, folder, filters):
    first, *_ = sorted(PartsFolder(begun).folder.glob("*.npz"))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    written = filters.embed_into(begun, folder, batch=1, device="cpu", resume=True)
    assert written.resumed == 0
    assert np.array_equal(zoo.read_embeddings(begun).vectors, filters.embed(folder, batch=1, device="cpu").vectors)


def test_what_a_kill_left_of_a_part_is_cleared_away(begun, folder, filters):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with temporary_folder(PartsFolder(begun).folder) as part:
        torn = part.rename(part.with_name(part.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")))
    with pytest.raises(StoppedError):
        filters.embed_into(begun, folder, batch=1, device="cpu", resume=True, progress=stop_after(1))
    assert not torn.exists()


def test_a_damaged_job_is_named(begun, folder, filters):
    (PartsFolder(begun).folder / "job.json").write_text("{")
    with pytest.raises(FileError, match=r"job\.json: it is damaged. Remove"):
        filters.embed_into(begun, folder, resume=True)


def test_a_finished_file_is_left_as_it_is(folder, filters, tmp_path):
    out = tmp_path / "vectors.parquet"
    filters.embed_into(out, folder)
    before = out.stat().st_mtime_ns
    assert filters.embed_into(out, folder, resume=True).resumed == 24
    assert out.stat().st_mtime_ns == before
    with pytest.raises(FileError, match=r"it is there already\. Choose another `out=`, or pass `overwrite=True`"):
        filters.embed_into(out, folder, resume=True, size=16)
    assert filters.embed_into(out, folder, resume=True, size=16, overwrite=True).resumed == 0


def test_two_processes_do_not_write_one_file(begun, folder, filters):
    with PartsFolder(begun) as parts:
        parts.open(filters.space(), identity=_identity(folder), pictures=24, resume=True)
        with pytest.raises(FileError, match="another process is writing it"):
            filters.embed_into(begun, folder, resume=True)


def _identity(folder: Path) -> str:
    listing = Listing()
    listing.add_named([folder])
    return listing.identity


def test_a_full_disk_is_said_and_the_parts_are_kept(begun, folder, filters, monkeypatch):
    import errno

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(FileError, match="the disk is full"):
        filters.embed_into(begun, folder, part_rows=5, resume=True)
    assert list(PartsFolder(begun).folder.glob("*.npz"))


def test_a_slow_writer_holds_the_network_back(tmp_path, monkeypatch, filters):
    go = threading.Event()
    monkeypatch.setattr(np, "savez", lambda *args, **options: go.wait(10))
    parts, given = PartsFolder(tmp_path / "vectors.npy"), []
    parts.open(filters.space(), identity="", pictures=100, resume=False)

    def give():
        with PartWriter(parts, start=0, rows=1) as writer:
            for number in range(100):
                writer.put(chunk(number, 1))
                given.append(number)

    thread = threading.Thread(target=give)
    thread.start()
    time.sleep(0.3)
    assert len(given) <= 10
    go.set()
    thread.join()
    assert len(given) == 100


def test_parts_appear_whole(tmp_path):
    path = write_part(tmp_path, [chunk(0, 3), chunk(3, 2)], start=0)
    assert path.name == "000000000000-000000000005.npz"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


# ------------------------------------------------------------------------------------------------ the command


def run_zoo(*words: object, cwd: Path, **options) -> subprocess.Popen:
    code = "from zoo.cli.main import main; main()"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, words)], cwd=cwd, stderr=subprocess.PIPE, **options)


@pytest.mark.slow
def test_a_killed_command_goes_on_with_resume(shapes, tmp_path):
    (tmp_path / "photos").mkdir()
    source = shapes / "disc" / "disc-000.png"
    for number in range(6000):
        os.link(source, tmp_path / "photos" / f"{number:05d}.png") if number else shutil.copy(
            source, tmp_path / "photos" / "00000.png"
        )
        source = tmp_path / "photos" / "00000.png"
    words = ("embed", "photos", "--filters", "vgg16-plankton", "--cut", "block1", "--size", 16, "-o", "out.npy")
    parts = tmp_path / ".out.npy.parts"
    process = run_zoo(*words, cwd=tmp_path)
    while not list(parts.glob("*.npz")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out.npy").exists()
    refused = run_zoo(*words, cwd=tmp_path)
    assert "Pass --resume" in refused.communicate()[1].decode()
    again = run_zoo(*words, "--resume", cwd=tmp_path)
    assert "4096 of the pictures were there already" in again.communicate()[1].decode()
    assert np.load(tmp_path / "out.npy").shape == (6000, 64)
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_the_command_takes_patterns_lists_and_datasets(command, folder, monkeypatch):
    base = ("embed", "--filters", "vgg16-plankton", "--cut", "block1", "--size", 16)
    assert "16 vectors of 64 numbers" in command(*base, "photos/[bd]*/*.png", "-o", "a.npy").err
    listed = io.TextIOWrapper(io.BytesIO(b"\0".join(bytes(path) for path in sorted(folder.glob("*/*")))))
    monkeypatch.setattr(sys, "stdin", listed)
    assert "24 vectors" in command(*base, "-", "--null", "-o", "b.npy").err
    command(*base, "--dataset", "digits:test", "-o", "c.parquet")
    assert set(zoo.read_embeddings("c.parquet").labels) == set("0123456789")
    command(*base, "--dataset", "image-folder:val", "--data", "photos", "-o", "d.parquet")
    drawn = zoo.read_embeddings("d.parquet")
    assert 0 < len(drawn) < 12
    assert Path(drawn.paths[0]).is_file()


def test_programs_are_told_what_was_written(command, folder):
    answer = command("embed", "photos", "--filters", "vgg16-plankton", "--cut", "block1", "-o", "a.npy", "--json")
    said = json.loads(answer.out)
    assert (said["file"], said["pictures"], said["width"], said["unreadable"]) == ("a.npy", 24, 64, 0)
    assert (said["cut"], said["pool"], said["size"]) == ("block1", "mean", 96)


def test_a_size_that_the_filters_do_not_take_is_said(command, folder):
    fault = command("embed", "photos", "--filters", "vgg16-plankton", "--size", 2, "-o", "a.npy").fault
    assert "take no pictures of 2 x 2 pixels. Give their own size, 96." in fault


def test_a_split_that_is_drawn_leaves_out_what_cannot_be_read(command, folder):
    (folder / "bar" / "broken.png").write_bytes(b"no picture")
    words = ("embed", "--filters", "vgg16-plankton", "--cut", "block1", "--size", 16, "-o", "a.parquet")
    words += ("--dataset", "image-folder:val", "--data", "photos")
    assert "pass --skip-unreadable" in command(*words).fault
    assert command(*words, "--skip-unreadable").status == 0
    assert 0 < len(zoo.read_embeddings("a.parquet")) < 12


def test_all_is_a_split_of_every_dataset(command, folder):
    words = ("embed", "--filters", "vgg16-plankton", "--cut", "block1", "--size", 16, "--data", "photos")
    command(*words, "--dataset", "image-folder:all", "-o", "a.parquet")
    assert len(zoo.read_embeddings("a.parquet")) == 24


def test_one_picture_that_cannot_be_read_is_one(command, folder):
    (folder / "bar" / "broken.png").write_bytes(b"no picture")
    words = ("photos", "--filters", "vgg16-plankton", "--cut", "block1", "--size", 16, "-o", "a.parquet")
    answer = command("embed", *words, "--skip-unreadable")
    assert "1 picture cannot be read, as listed in a.parquet.unreadable.txt" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Name either pictures (files, folders, patterns, -) or --dataset"),
        (("photos", "--dataset", "digits"), "and not both"),
        (("photos", "--data", "x"), "--data and --set belong to --dataset"),
        (("photos", "--null"), "--null says how the list on stdin is separated"),
        (("--dataset", "digits:tets"), "No split of 'digits' is called 'tets'. Did you mean 'test'?"),
        (("--dataset", "digts"), "Did you mean 'digits'?"),
        (
            ("photos", "--cut", "block5"),
            "(block1, block2, block3, block4) is called 'block5'",
        ),
        (("photos", "-o", "vectors.csv"), "embeddings are written as .parquet"),
        (("photos", "--pool", "median"), "'median' is not one of"),
    ],
)
def test_misuse_is_one_line(command, folder, words, message):
    assert message in command("embed", "--filters", "vgg16-plankton", *words).fault


def test_an_empty_list_on_stdin_is_said(command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n\n")))
    assert "names no pictures" in command("embed", "-", "--filters", "vgg16-plankton").fault


def test_ctrl_c_says_how_to_go_on(command, folder, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "stack", interrupt)
    answer = command("embed", "photos", "--filters", "vgg16-plankton")
    assert answer.status == 130
    assert "--resume continues it" in answer.err


def test_unpublished_filters_of_other_weights_are_another_space():
    one, other = (build_filters("vgg11", cut="block1", weights="random", size=32, seed=seed) for seed in (0, 1))
    assert one.space().identity != other.space().identity
    assert one.space() == one.space()


def test_unknown_names_stay_unknown(command):
    with pytest.raises(UnknownNameError):
        zoo.embed("vgg16-planktn", "photos")
