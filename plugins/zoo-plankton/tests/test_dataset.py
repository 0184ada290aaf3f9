"""The dataset: drawn sets, real layouts, and folders that are neither."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from zoo_plankton import Plankton
from zoo_plankton.drawn import FINISHED, UNFINISHED, Options, _counts, _run_workers, draw_set, draw_share, plan
from zoo_plankton.layouts import SEGMENTS

import zoo
from zoo.errors import FileError, UsageError

SMALL = {"kinds": "other", "pictures": 100}


def _digest(root: Path) -> dict[str, str]:
    pictures = sorted(root.rglob("*.jpg"))
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in pictures}


def _save(path: Path, grey: int = 200) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 17), grey, dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn")
    Plankton(**SMALL).prepare(root)
    return root


def test_a_copy_is_the_same_dataset_and_a_moved_picture_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))

    def fingerprint(folder: Path) -> str:
        return zoo.open_dataset("plankton", folder).decode(16).fingerprint

    for number, name in enumerate(("a/1.jpg", "a/2.jpg", "b/3.jpg")):
        _save(tmp_path / "root" / "train" / name, 50 * number)
    copy = shutil.copytree(tmp_path / "root", tmp_path / "copy", copy_function=shutil.copy)  # with new times
    assert fingerprint(copy) == fingerprint(tmp_path / "root")
    (copy / "train" / "a" / "1.jpg").rename(copy / "train" / "b" / "1.jpg")
    assert fingerprint(copy) != fingerprint(tmp_path / "root")


# ------------------------------------------------------------------------------------------------ drawn sets


def test_an_empty_folder_is_filled_and_read(drawn: Path) -> None:
    plankton = Plankton(**SMALL)
    plankton.prepare(drawn)
    sample = plankton[0]
    assert len(plankton) == 100
    assert sample.image.shape[0] == 3
    assert plankton.targets["label"].names[sample.targets["label"]] == Path(sample.path).parent.name
    assert sample.group.startswith("haul-")


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    plankton = Plankton(**SMALL)
    plankton.prepare(tmp_path / "new" / "place")
    assert (tmp_path / "new" / "place" / FINISHED).is_file()


def test_train_and_test_are_disjoint_complete_and_hold_every_class(drawn: Path) -> None:
    plankton = Plankton(**SMALL)
    plankton.prepare(drawn)
    train, test = (set(plankton.splits[name]) for name in ("train", "test"))
    assert not train & test
    assert train | test == set(range(100))
    for members in (train, test):
        labels = {Path(plankton._entries[index].path).parent.name for index in members}
        assert labels == set(plankton.targets["label"].names)


def test_the_second_call_draws_nothing(drawn: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    said: list[str] = []
    Plankton(**SMALL).prepare(drawn, lambda what, *_: said.append(what))
    assert said == []
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


def test_the_same_seed_gives_the_same_bytes_whatever_the_shares(drawn: Path, tmp_path: Path) -> None:
    options = Options(kinds="other", pictures=100, seed=0)
    for kind in options.chosen():
        (tmp_path / "train" / kind.name).mkdir(parents=True)
    for share in (2, 0, 1):
        for _ in draw_share(tmp_path, options, share, 3):
            pass
    assert _digest(tmp_path) == _digest(drawn)


def test_other_processes_draw_the_same_bytes_as_this_one(drawn: Path, tmp_path: Path) -> None:
    options = Options(kinds="other", pictures=100, seed=0)
    for kind in options.chosen():
        (tmp_path / "train" / kind.name).mkdir(parents=True)
    told: list[int] = []
    assert _run_workers(tmp_path, options, 2, told.append) == []
    assert sum(told) == 100
    assert _digest(tmp_path) == _digest(drawn)


def test_what_failing_processes_leave_undone_is_drawn_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_plankton.drawn.os.cpu_count", lambda: 2)
    monkeypatch.setattr("zoo_plankton.drawn.WORTHWHILE", 50)
    monkeypatch.setattr("zoo_plankton.drawn.sys.executable", "/bin/false")
    draw_set(tmp_path, Options(kinds="other", pictures=100, seed=0))
    assert len(_digest(tmp_path)) == 100


def test_another_seed_gives_other_pictures(drawn: Path, tmp_path: Path) -> None:
    Plankton(**SMALL, seed=1).prepare(tmp_path)
    assert not set(_digest(tmp_path).values()) & set(_digest(drawn).values())


def test_a_half_drawn_folder_is_drawn_again(drawn: Path, tmp_path: Path) -> None:
    Plankton(**SMALL).prepare(tmp_path)
    (tmp_path / FINISHED).rename(tmp_path / UNFINISHED)
    pictures = sorted(tmp_path.rglob("*.jpg"))
    pictures[0].write_bytes(b"torn")
    pictures[1].unlink()
    Plankton(**SMALL).prepare(tmp_path)
    assert _digest(tmp_path) == _digest(drawn)
    assert not (tmp_path / UNFINISHED).exists()


def test_a_folder_half_drawn_with_other_options_leaves_nothing_behind(drawn: Path, tmp_path: Path) -> None:
    Plankton(kinds="other", pictures=130, seed=9).prepare(tmp_path)
    (tmp_path / FINISHED).rename(tmp_path / UNFINISHED)
    Plankton(**SMALL).prepare(tmp_path)
    assert _digest(tmp_path) == _digest(drawn)


def test_a_set_drawn_with_other_options_is_an_error_that_names_both(drawn: Path) -> None:
    with pytest.raises(FileError, match=r"drawn with kinds=other pictures=100 seed=0 .* not kinds=common pictures=300"):
        Plankton(pictures=300).prepare(drawn)


def test_missing_drawn_pictures_are_an_error(tmp_path: Path) -> None:
    Plankton(**SMALL).prepare(tmp_path)
    next(tmp_path.rglob("*.jpg")).unlink()
    with pytest.raises(FileError, match=r"1 of its 100 drawn pictures are missing .* Delete the folder"):
        Plankton(**SMALL).prepare(tmp_path)


def test_a_damaged_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FINISHED).write_text('{"kinds": "common"}')
    with pytest.raises(FileError, match=r"drawn\.json: not a record of a drawn set"):
        Plankton().prepare(tmp_path)


def test_too_few_pictures_are_an_error_with_the_least_number() -> None:
    with pytest.raises(UsageError, match=r"pictures=20 is too few for kinds=other\. Pass 88 or more\."):
        Plankton(kinds="other", pictures=20)


def test_a_negative_seed_is_an_error() -> None:
    with pytest.raises(UsageError, match="seed=-1 is negative"):
        Plankton(seed=-1)


@pytest.mark.parametrize("kinds", ["common", "other", "all"])
def test_classes_have_a_long_tail(kinds: str) -> None:
    counts = Counter(planned.kind for planned in plan(Options(kinds=kinds, pictures=3000, seed=0)))
    assert sum(counts.values()) == 3000
    assert min(counts.values()) >= 10
    assert 9 < max(counts.values()) / min(counts.values()) < 17


@pytest.mark.parametrize("pictures", [176, 177, 400, 1000, 20000])
def test_every_class_has_at_least_four_pictures(pictures: int) -> None:
    counts = _counts(44, pictures)
    assert sum(counts) == pictures
    assert min(counts) >= 4


def test_the_record_says_how_the_set_was_drawn(drawn: Path) -> None:
    assert json.loads((drawn / FINISHED).read_text()) == {"kinds": "other", "pictures": 100, "seed": 0, "version": 1}


# ------------------------------------------------------------------------------------------------ real layouts


def test_the_data_science_bowl_is_read_in_the_order_of_its_submission(tmp_path: Path) -> None:
    _save(tmp_path / "train" / "acantharia" / "1.jpg")
    _save(tmp_path / "train" / "zooid" / "2.jpg")
    _save(tmp_path / "test" / "7.jpg")
    (tmp_path / "sampleSubmission.csv").write_text("image,zooid,acantharia,never_seen\n7.jpg,0.5,0.5,0\n")
    plankton = Plankton()
    plankton.prepare(tmp_path)
    assert plankton.targets["label"].names == ("zooid", "acantharia", "never_seen")
    assert [plankton[index].targets for index in range(3)] == [{"label": 1}, {"label": 0}, {}]
    assert plankton.splits == {"unlabelled": [2]}
    assert plankton[0].image.shape == (3, 12, 17)


def test_without_a_submission_file_classes_are_sorted(tmp_path: Path) -> None:
    for name in ("b", "a"):
        _save(tmp_path / "train" / name / "1.jpg")
    plankton = Plankton()
    plankton.prepare(tmp_path)
    assert plankton.targets["label"].names == ("a", "b")
    assert plankton.splits == {}


def test_an_archive_that_unpacked_one_folder_too_deep_is_read(tmp_path: Path) -> None:
    _save(tmp_path / "train" / "train" / "a" / "1.jpg")
    _save(tmp_path / "test" / "test" / "2.jpg")
    plankton = Plankton()
    plankton.prepare(tmp_path)
    assert (len(plankton), plankton.splits) == (2, {"unlabelled": [1]})


def test_planktonset_is_found_anywhere_below(tmp_path: Path) -> None:
    _save(tmp_path / "0127422" / "2.3" / "data" / "0-data" / SEGMENTS / "copepod" / "1.jpg")
    _save(tmp_path / "0127422" / "2.3" / "data" / "0-data" / SEGMENTS / "amphipod" / "2.jpg")
    plankton = Plankton()
    plankton.prepare(tmp_path)
    assert plankton.targets["label"].names == ("amphipod", "copepod")
    assert len(plankton) == 2


def test_what_macos_leaves_behind_is_passed_over(tmp_path: Path) -> None:
    _save(tmp_path / "train" / "a" / "1.jpg")
    (tmp_path / "train" / "a" / "._1.jpg").write_bytes(b"\0\5\x16\7")
    (tmp_path / "train" / ".DS_Store").write_bytes(b"junk")
    (tmp_path / "train" / "__MACOSX").mkdir()
    (tmp_path / "train" / "__MACOSX" / "2.jpg").write_bytes(b"junk")
    plankton = Plankton()
    plankton.prepare(tmp_path)
    assert (len(plankton), plankton.targets["label"].names) == (1, ("a",))


def test_a_folder_with_hidden_files_only_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"junk")
    plankton = Plankton(**SMALL)
    plankton.prepare(tmp_path)
    assert len(plankton) == 100


def test_any_other_folder_is_an_error_that_says_what_was_expected(tmp_path: Path) -> None:
    _save(tmp_path / "holiday" / "1.jpg")
    with pytest.raises(FileError, match=r"this is no plankton. Expected train/<class>/\*.jpg .* an empty folder"):
        Plankton().prepare(tmp_path)
    assert not (tmp_path / "train").exists()


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "plankton.zip").write_bytes(b"PK")
    with pytest.raises(FileError, match="this is no plankton"):
        Plankton().prepare(tmp_path / "plankton.zip")


def test_a_train_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train" / "copepod").mkdir(parents=True)
    with pytest.raises(FileError, match="there is no picture in it"):
        Plankton().prepare(tmp_path)


@pytest.mark.parametrize("header", ["", "id,label", "image", "image,a,a"])
def test_a_submission_file_with_another_header_is_an_error(tmp_path: Path, header: str) -> None:
    _save(tmp_path / "train" / "a" / "1.jpg")
    (tmp_path / "sampleSubmission.csv").write_text(header)
    with pytest.raises(FileError, match="its header is not `image,<class>,…`"):
        Plankton().prepare(tmp_path)


def test_a_submission_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    _save(tmp_path / "train" / "a" / "1.jpg")
    (tmp_path / "sampleSubmission.csv").write_bytes(b"\xff\xfe\x80\x81")
    with pytest.raises(FileError, match="not a table"):
        Plankton().prepare(tmp_path)


def test_classes_that_the_submission_file_lacks_are_an_error_that_names_them(tmp_path: Path) -> None:
    _save(tmp_path / "train" / "kraken" / "1.jpg")
    (tmp_path / "sampleSubmission.csv").write_text("image,a,b\n")
    with pytest.raises(FileError, match="it lacks the classes kraken of train/"):
        Plankton().prepare(tmp_path)


def test_a_picture_that_cannot_be_decoded_is_an_error_with_its_path(tmp_path: Path) -> None:
    _save(tmp_path / "train" / "a" / "1.jpg")
    (tmp_path / "train" / "a" / "1.jpg").write_bytes(b"no picture")
    plankton = Plankton()
    plankton.prepare(tmp_path)
    with pytest.raises(FileError, match=r"1\.jpg: not a readable picture"):
        plankton[0]


# ------------------------------------------------------------------------------------------------ the plugin


def test_the_entry_point_leads_to_the_dataset() -> None:
    from zoo.plugins import find_plugin

    assert find_plugin("dataset", "zoo-plankton:plankton").load() is Plankton
