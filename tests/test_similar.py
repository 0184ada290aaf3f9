"""Search among vectors: exact, within memory, and never across spaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import CommandLine
from hypothesis import given, settings, strategies as st
from PIL import Image

import zoo
from zoo import read_embeddings, similar
from zoo.embedding.search import array_blocks, find_duplicates, find_nearest, find_odd_one_out, normalise_rows
from zoo.embedding.similarity import find_near_duplicates
from zoo.embedding.space import EmbeddingSpace
from zoo.embedding.stream import EmbeddingChunk
from zoo.embedding.writing import write_embeddings
from zoo.errors import FileError, UsageError, ZooError
from zoo.models.building import build_filters

SPACE = EmbeddingSpace(filters="drawn", manifest="sha256:0", cut="block1", pool="mean", size=32, shape=(8,))


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def photos(shapes, tmp_path) -> Path:
    """A folder of three folders of eight pictures, and one of them twice."""
    for kind in ("bar", "disc", "ring"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for path in sorted((shapes / kind).iterdir())[:8]:
            shutil.copy(path, tmp_path / "photos" / kind)
    shutil.copy(tmp_path / "photos" / "disc" / "disc-003.png", tmp_path / "photos" / "disc" / "twin.png")
    return tmp_path / "photos"


@pytest.fixture
def embedded(photos, command) -> Path:
    """The photos embedded by published filters, in photos.parquet."""
    command("embed", "photos", "--filters", "vgg16-plankton", "--cut", "block2", "-o", "photos.parquet")
    return photos.parent / "photos.parquet"


def write(path: Path, vectors: np.ndarray, space: EmbeddingSpace = SPACE) -> Path:
    names = tuple(f"{row}.png" for row in range(len(vectors)))
    nothing = (None,) * len(vectors)
    chunk = EmbeddingChunk(paths=names, labels=nothing, groups=nothing, vectors=vectors.astype(np.float32))
    write_embeddings(path, [chunk], space=space, rows=len(vectors))
    return path


# ------------------------------------------------------------------------------------------------ search


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_blocks_find_what_a_whole_sort_finds(count, k, step, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (count, 4)).astype(np.float32)  # small numbers, so that many cosines are equal
    query = rng.integers(-2, 3, 4).astype(np.float32)
    cosines = normalise_rows(vectors) @ normalise_rows(query[None])[0]
    found = find_nearest(array_blocks(vectors, step), query, k)
    assert len({row for row, _ in found}) == min(k, count)
    assert np.allclose([cosine for _, cosine in found], np.sort(cosines)[::-1][:k], atol=1e-6)
    assert np.allclose([cosine for _, cosine in found], [cosines[row] for row, _ in found], atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 17), st.floats(0.3, 1.0), st.integers(0, 2**32 - 1))
def test_tiles_find_the_duplicates_that_all_pairs_have(count, step, threshold, seed):
    vectors = np.random.default_rng(seed).integers(-1, 2, (count, 3)).astype(np.float32)
    cosines = normalise_rows(vectors) @ normalise_rows(vectors).T
    np.fill_diagonal(cosines, 0)
    near = cosines >= threshold - 1e-6
    groups = {frozenset(_reached(near, row)) for row in range(count) if near[row].any()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.embedding.search.TILE", 7)
        patch.setattr("zoo.embedding.search.OUTER", 11 * 12)
        found = find_duplicates(array_blocks(vectors, step), count, width=3, threshold=threshold)
    assert {frozenset(group.rows) for group in found} == groups
    assert [len(group.rows) for group in found] == sorted((len(group) for group in groups), reverse=True)
    for group in found:
        assert np.allclose(group.cosines, [cosines[row].max() for row in group.rows], atol=1e-6)


def _reached(near: np.ndarray, row: int) -> set[int]:
    seen, waiting = {row}, [row]
    while waiting:
        for other in np.flatnonzero(near[waiting.pop()]).tolist():
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def test_vectors_that_are_not_finite_are_like_nothing():
    vectors = np.array([[1, 0], [np.nan, 1], [np.inf, 1], [0, 0], [1, 0.1]], dtype=np.float32)
    assert [row for row, _ in find_nearest(array_blocks(vectors), vectors[0], 2)] == [0, 4]
    assert [group.rows for group in find_duplicates(array_blocks(vectors), 5, width=2)] == [(0, 4)]


def test_the_odd_one_is_furthest_from_the_mean_of_the_others():
    assert find_odd_one_out(np.array([[1, 0.1], [9, 0], [-0.2, 1], [1, -0.1]])) == 2
    with pytest.raises(UsageError, match=r"The odd one out of 2 pictures is not defined\. Give at least three"):
        find_odd_one_out(np.ones((2, 3)))


def test_the_least_threshold_joins_only_what_is_alike_at_all():
    vectors = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    found = find_duplicates(array_blocks(vectors), 4, width=2, threshold=1e-7)
    assert [group.rows for group in found] == [(0, 2), (1, 3)]


@pytest.mark.parametrize("threshold", [0, -1, 1.01, float("nan")])
def test_a_threshold_without_sense_is_refused(tmp_path, threshold):
    path = write(tmp_path / "v.npy", np.eye(8))
    with pytest.raises(UsageError, match="The threshold cannot be"):
        find_near_duplicates(path, threshold=threshold)


PEAK = """
import sys
from zoo import similar
from zoo.embedding import open_tables
import numpy as np
STATUS, REFERENCES = "/proc/self/status", "/proc/self/clear_refs"
def resident(): return next(int(l.split()[1]) for l in open(STATUS) if l.startswith("VmHWM"))
similar(0, sys.argv[1], k=5)  # what is imported late is imported now
open(REFERENCES, "w").write("5")
before = resident()
similar(3, sys.argv[2], k=5)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_the_search_takes_no_more_memory_for_ten_times_the_vectors(tmp_path):
    space = EmbeddingSpace(filters="drawn", manifest="sha256:0", cut="block1", pool="mean", size=32, shape=(64,))
    rng = np.random.default_rng(0)
    small = write(tmp_path / "small.parquet", rng.normal(size=(20_000, 64)), space)
    large = write(tmp_path / "large.parquet", rng.normal(size=(200_000, 64)), space)
    words = [sys.executable, "-c", PEAK, str(small)]
    grown = [
        int(subprocess.run([*words, str(path)], capture_output=True, text=True, check=True).stdout)
        for path in (small, large)
    ]
    assert grown[1] - grown[0] < 20_000  # KiB; the vectors themselves are 50,000


# ------------------------------------------------------------------------------------------------ Python


def test_a_picture_that_is_not_in_the_set_is_embedded(embedded, shapes, tmp_path):
    new = shapes / "disc" / "disc-020.png"
    embeddings = read_embeddings(embedded)
    near = embeddings.most_similar(new, 3)
    loaded = zoo.load("vgg16-plankton", cut="block2").embed([new])
    assert near == embeddings.most_similar(loaded.vectors[0], 3)
    assert near == [(match.path, match.score) for match in similar(new, embedded, k=3).matches]


def test_a_picture_is_embedded_by_filters_that_are_named(embedded, shapes):
    new = shapes / "disc" / "disc-020.png"
    assert similar(new, embedded, k=3, filters="vgg16-plankton") == similar(new, embedded, k=3)


def test_a_dataset_that_was_opened_by_name_is_embedded(photos):
    opened = zoo.open_dataset("image-folder", photos)
    assert len(zoo.embed("vgg16-plankton", opened).vectors) == 25


def test_filters_in_hand_need_not_be_published(photos, shapes):
    embeddings = build_filters("vgg11", cut="block1", weights="random", size=32).embed(photos)
    assert len(embeddings.most_similar(shapes / "disc" / "disc-020.png", 3)) == 3


def test_filters_that_are_not_to_be_had_are_said(photos, shapes, tmp_path):
    build_filters("vgg11", cut="block1", weights="random", size=32).embed(photos).save(tmp_path / "v.parquet")
    embeddings = read_embeddings(tmp_path / "v.parquet")
    with pytest.raises(ZooError, match=r"vgg11-block1 \(weights:.*cannot be loaded: .*Name them with `filters=`"):
        embeddings.most_similar(shapes / "disc" / "disc-020.png", 3)


def test_what_does_not_match_is_given_back_as_it_was_named(embedded, photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    embeddings = read_embeddings(embedded)
    discs = [f"photos/disc/{name}" for name in ("disc-003.png", "twin.png")]
    assert embeddings.doesnt_match([*discs, "photos/bar/bar-001.png"]) == "photos/bar/bar-001.png"
    rows = [embeddings.paths.index(path) for path in (*discs, "photos/bar/bar-001.png")]
    assert embeddings.doesnt_match(rows) == rows[2]


def test_duplicates_are_groups_of_paths(embedded):
    groups = read_embeddings(embedded).duplicates(0.9999)
    assert ("photos/disc/disc-003.png", "photos/disc/twin.png") in groups


def test_pandas_has_a_row_a_picture_or_is_asked_for(embedded):
    embeddings = read_embeddings(embedded)
    try:
        import pandas  # noqa: F401
    except ImportError:
        with pytest.raises(ZooError, match="Run `pip install pandas`"):
            embeddings.to_pandas()
    else:
        assert list(embeddings.to_pandas().columns) == ["path", "label", "group", "vector"]


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("nowhere.png", "is not among the 25 embedded pictures, and there is no such file"),
        (25, "There is no picture 25; there are 25"),
        (np.ones(3), r"A vector here is \(128,\), not \(3,\)"),
    ],
)
def test_what_is_no_picture_of_the_set_is_said(embedded, picture, message):
    with pytest.raises(UsageError, match=message):
        read_embeddings(embedded).most_similar(picture)


# ------------------------------------------------------------------------------------------------ files of one space


def test_files_of_one_space_are_searched_together(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    whole = write(tmp_path / "whole.parquet", vectors)
    parts = [write(tmp_path / "a.npy", vectors[:15]), write(tmp_path / "b.safetensors", vectors[15:])]
    scores = [match.score for match in similar(vectors[20], whole, k=9).matches]
    assert [match.score for match in similar(vectors[20], parts, k=9).matches] == scores
    assert {match.file for match in similar(vectors[20], parts, k=9).matches} == set(parts)
    assert similar(20, parts, k=3).query.path == "5.png"


@pytest.mark.parametrize(
    "other",
    [
        {"manifest": "sha256:1"},
        {"cut": "block2"},
        {"pool": "max"},
        {"size": 64},
    ],
    ids=str,
)
def test_files_of_two_spaces_are_not_mixed_and_both_are_said(tmp_path, other):
    from dataclasses import replace

    mine = write(tmp_path / "a.parquet", np.eye(8))
    others = write(tmp_path / "b.parquet", np.eye(8), replace(SPACE, **other))
    with pytest.raises(UsageError, match=r"a\.parquet is of drawn .*, and .*b\.parquet is of drawn .*Embed both with"):
        similar(0, [mine, others], k=1)


def test_no_file_is_no_answer():
    with pytest.raises(UsageError, match="No file of embeddings was named"):
        similar(0, [])


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("x.png", "x.png is not in .*v.npy, and there is no such file"),
        (9, "There is no picture 9"),
        (np.ones(3), "not"),
    ],
)
def test_what_is_no_picture_of_the_file_is_said(tmp_path, picture, message):
    with pytest.raises(UsageError, match=message):
        similar(picture, write(tmp_path / "v.npy", np.eye(8)), k=1)


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_names_the_nearest_with_their_cosines(command, embedded):
    answer = command("similar", "photos/disc/twin.png", "--in", "photos.parquet", "-k", 3, "--sheet", "sheet.png")
    lines = answer.out.splitlines()
    assert lines[0].split() == ["cosine", "picture", "label"]
    assert lines[1].split() == ["1.0000", "photos/disc/disc-003.png", "disc"]
    assert len(lines) == 4
    assert Image.open("sheet.png").width > 600


def test_json_has_the_scores(command, embedded):
    told = json.loads(command("similar", "photos/disc/twin.png", "--in", "photos.parquet", "-k", 2, "--json").out)
    assert told["label"] == "disc"
    assert told["matches"][0]["path"] == "photos/disc/disc-003.png"
    assert told["matches"][0]["score"] == pytest.approx(1)


def test_a_path_is_known_from_wherever_it_is_named(command, embedded, photos):
    answer = command("similar", photos / "disc" / "twin.png", "--in", "photos.parquet", "-k", 24)
    assert "twin.png" not in answer.out
    assert "photos/disc/disc-003.png" in answer.out


def test_pictures_that_are_gone_leave_an_empty_frame(command, embedded, photos):
    shutil.rmtree(photos / "ring")
    (photos / "bar" / "bar-000.png").write_bytes(b"no picture any more")
    for k in (10, 24):
        answer = command(
            "similar", "photos/disc/twin.png", "--in", "photos.parquet", "-k", k, "--sheet", "sheet.png", "--overwrite"
        )
        assert answer.status == 0
        assert Path("sheet.png").stat().st_size > 1000
    assert "9 of the 25 pictures of the sheet are missing. The first: photos/" in answer.err
    gone = command("similar", "photos/ring/ring-000.png", "--in", "photos.parquet", "-k", 12, "--sheet", "gone.png")
    assert "pictures of the sheet are missing. The first: photos/ring/ring-000.png: there is no such file." in gone.err


def test_a_sheet_of_which_no_picture_is_there_is_not_drawn(command, embedded, photos):
    shutil.rmtree(photos)
    answer = command("similar", "photos/disc/twin.png", "--in", "photos.parquet", "-k", 3, "--sheet", "sheet.png")
    assert "None of the 4 pictures of the sheet can be read. The first: " in answer.fault
    assert not Path("sheet.png").exists()
    words = ("similar", "--duplicates", "photos.parquet", "--threshold", 0.9999, "--sheet", "sheet.png")
    assert "None of the 2 pictures of the sheet can be read" in command(*words).fault


def test_duplicates_are_told_in_groups(command, embedded):
    words = ("similar", "--duplicates", "photos.parquet", "--threshold", 0.9999)
    answer = command(*words, "--sheet", "sheet.png")
    assert "photos/disc/twin.png" in answer.out
    assert "2 pictures in 1 group of near-duplicates (cosine 0.9999 or more)" in answer.err
    assert Path("sheet.png").is_file()
    groups = json.loads(command(*words, "--json").out)
    assert {"photos/disc/disc-003.png", "photos/disc/twin.png"} in [{one["path"] for one in group} for group in groups]


def test_a_name_with_a_line_break_is_drawn_on_a_sheet(command, photos):
    shutil.copy(photos / "disc" / "twin.png", photos / "a\nb\x07c.png")
    command("embed", "photos", "--filters", "vgg16-plankton", "--cut", "block2", "-o", "named.parquet")
    answer = command("similar", "--duplicates", "named.parquet", "--threshold", 0.9999, "--sheet", "sheet.png")
    assert (answer.status, Path("sheet.png").is_file()) == (0, True)


def test_one_group_is_one(command, tmp_path):
    write(tmp_path / "v.npy", np.eye(8)[[0, 0, 1]])
    assert "2 pictures in 1 group of near-duplicates" in command("similar", "--duplicates", tmp_path / "v.npy").err


def test_filters_that_are_named_must_be_those_of_the_file(command, embedded, shapes):
    filters = build_filters("vgg11", cut="block2", weights="random", size=64, seed=1)
    filters.embed("photos").save("other.parquet")
    new = shapes / "disc" / "disc-020.png"
    good = command("similar", new, "--in", "photos.parquet", "--filters", "vgg16-plankton", "--device", "cpu", "-k", 2)
    assert good.status == 0
    fault = command("similar", new, "--in", "other.parquet", "--filters", "vgg16-plankton").fault
    assert "other.parquet is of vgg11-block2 (weights:" in fault
    assert "is of vgg16-plankton (sha256:" in fault


def test_all_pictures_are_listed_where_there_are_fewer_than_ten(command, tmp_path, shapes):
    few = sorted((shapes / "disc").glob("*.png"))[:4]
    filters = build_filters("vgg11", cut="block2", weights="random", size=64, seed=1)
    filters.embed(few).save(tmp_path / "few.parquet")
    answer = command("similar", few[0], "--in", tmp_path / "few.parquet", "--json")
    assert len(json.loads(answer.out)["matches"]) == 3
    assert len(zoo.similar(few[0], tmp_path / "few.parquet").matches) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Run `zoo similar PICTURE --in FILE`, or `zoo similar --duplicates FILE`"),
        (("x.png",), "Run `zoo similar PICTURE --in FILE`"),
        (("x.png", "--duplicates", "photos.parquet"), "Run `zoo similar PICTURE --in FILE`"),
        (("photos/disc/twin.png", "--in", "photos.parquet", "-k", 25), "k cannot be 25; there are 24 other pictures"),
        (("photos/disc/twin.png", "--in", "photos.parquet", "-k", 0), "k cannot be 0"),
        (("notes.txt", "--in", "photos.parquet"), "notes.txt: not a readable picture"),
        (("nowhere.png", "--in", "photos.parquet"), "nowhere.png is not in photos.parquet, and there is no such file"),
        (("photos/disc/twin.png", "--in", "empty.parquet"), "empty.parquet: the file is empty"),
        (("photos/disc/twin.png", "--in", "cut.parquet"), "cut.parquet: it is truncated or damaged"),
        (("--duplicates", "nowhere.parquet"), "nowhere.parquet: there is no such file"),
        (("--duplicates", "photos.parquet", "--threshold", 2), "The threshold cannot be 2.0"),
        (("photos/disc/twin.png", "--in", "photos.parquet", "--sheet", "x.jpg"), "a sheet is drawn as .png"),
    ],
)
def test_bad_input_is_one_line(command, embedded, words, message):
    Path("notes.txt").write_text("no picture")
    Path("empty.parquet").write_bytes(b"")
    Path("cut.parquet").write_bytes(embedded.read_bytes()[:-40])
    assert message in command("similar", *words).fault


def test_a_file_that_is_damaged_in_the_middle_is_named(tmp_path):
    path = write(tmp_path / "v.parquet", np.random.default_rng(0).normal(size=(20_000, 8)))
    at = pq.ParquetFile(path).metadata.row_group(2).column(1).data_page_offset
    content = bytearray(path.read_bytes())
    content[at : at + 30] = os.urandom(30)  # the header of a page of vectors

    path.write_bytes(content)
    with pytest.raises(FileError, match="truncated or damaged"):
        similar(0, path, k=3)
