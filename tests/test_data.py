"""Pictures decoded once, splits that leak nothing, views that boxes follow."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import replace

import pytest
import torch
from PIL import Image

import zoo
from zoo.data.augmentation import Augmentation, augment, choose_augmentation
from zoo.data.batches import draw_batches, generator_for
from zoo.data.datasets import open_dataset
from zoo.data.decoded import decode
from zoo.errors import FileError, PluginError, UnknownNameError, UsageError, ZooError, ZooWarning


class Boats(zoo.Dataset):
    """200 pictures from ten boats; every picture of a boat has the boat's grey."""

    targets = {"label": zoo.Categories(("a", "b")), "box": zoo.Box()}  # noqa: RUF012

    def __init__(self, *, counts_reads: bool = False) -> None:
        self.reads = 0

    def prepare(self, root, progress=None):
        """Nothing."""

    def __len__(self):
        return 200

    def __getitem__(self, index):
        self.reads += 1
        boat = index % 10
        image = torch.full((3, 20, 40), boat * 20, dtype=torch.uint8)
        targets = {"label": index % 2}
        if index % 3 == 0:
            targets["box"] = torch.tensor([10.0, 5.0, 20.0, 15.0])
        elif index % 3 == 1:
            targets["box"] = None
        return zoo.Sample(image=image, targets=targets, group=f"boat-{boat}", path=str(index))


def test_pictures_are_decoded_once(home):
    dataset = Boats()
    first = decode(dataset, size=16, identity="a" * 64)
    again = decode(dataset, size=16, identity="a" * 64)
    assert dataset.reads == 200
    assert torch.equal(first.images, again.images)
    assert first.images.shape == (200, 3, 16, 16)


def test_targets_become_tensors_and_missing_is_not_none(home):
    decoded = decode(Boats(), size=16, identity="a" * 64)
    assert decoded.targets["box"][0].tolist() == [0.25, 0.25, 0.5, 0.75]
    assert decoded.targets["box"][1].isnan().all()
    assert decoded.known["box"][:3].tolist() == [True, True, False]


def test_a_half_written_cache_is_written_again(home):
    decoded = decode(Boats(), size=16, identity="a" * 64)
    place = next((home / "decoded").iterdir())
    (place / "table.json").unlink()
    again = decode(Boats(), size=16, identity="a" * 64)
    assert torch.equal(decoded.images, again.images)


@pytest.mark.parametrize("name", ["table.json", "images.raw"])
def test_a_damaged_cache_is_decoded_again(name, home):
    decoded = decode(Boats(), size=16, identity="a" * 64)
    images = decoded.images.clone()  # they are mapped from the file
    path = next((home / "decoded").iterdir()) / name
    path.write_bytes(
        path.read_bytes()[:-1] if name == "images.raw" else path.read_bytes().replace(b"boat-1", b"boat-2")
    )
    again = decode(Boats(), size=16, identity="a" * 64)
    assert again.groups == decoded.groups
    assert torch.equal(images, again.images)


def test_what_is_drawn_into_a_batch_does_not_reach_the_cache(home):
    decode(Boats(), size=16, identity="a" * 64).images.zero_()
    assert decode(Boats(), size=16, identity="a" * 64).images.any()


def test_groups_never_lie_on_both_sides_of_a_split(home):
    from zoo.data.splits import draw_splits

    dataset = Boats()
    decoded = decode(dataset, size=16, identity="a" * 64)
    splits = draw_splits(decoded, {}, strata=decoded.targets["label"], seed=3)
    boats = [{decoded.groups[row] for row in rows.tolist()} for rows in (splits.train, splits.val, splits.test)]
    assert not boats[0] & boats[1]
    assert not boats[0] & boats[2]
    assert not boats[1] & boats[2]
    assert len(splits.train) + len(splits.val) + len(splits.test) == 200


@pytest.mark.parametrize(("boats", "whole"), [(1, False), (2, False), (3, True), (4, True), (7, True)])
def test_few_groups_are_kept_whole_or_not_used_at_all(home, boats, whole):
    from zoo.data.splits import draw_splits

    decoded = decode(Boats(), size=16, identity="a" * 64)
    decoded = replace(decoded, groups=tuple(f"boat-{row % boats}" for row in range(200)))
    splits = draw_splits(decoded, {}, strata=decoded.targets["label"], seed=0)
    sides = [{decoded.groups[row] for row in rows.tolist()} for rows in (splits.train, splits.val, splits.test)]
    assert all(sides)
    assert (not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])) is whole
    assert ("by group" in splits.how) is whole


def test_one_large_group_does_not_take_the_training_away(home):
    from zoo.data.splits import draw_splits

    decoded = decode(Boats(), size=16, identity="a" * 64)
    groups = tuple("large" if row < 150 else f"small-{row % 5}" for row in range(200))
    splits = draw_splits(replace(decoded, groups=groups), {}, strata=decoded.targets["label"], seed=1)
    assert len(splits.train) >= 150


@pytest.mark.parametrize("limit", [10, 11, 37, 100, 1000])
def test_a_limit_keeps_every_class_and_their_shares(home, limit):
    from zoo.data.splits import draw_splits

    decoded = decode(Boats(), size=16, identity="a" * 64)
    strata = decoded.targets["label"].clone()
    strata[:100] = 0  # half of all are of one class
    whole = draw_splits(decoded, {}, strata=strata, seed=3)
    limited = draw_splits(decoded, {}, strata=strata, seed=3, limit=limit)
    assert len(limited.train) == min(limit, len(whole.train))
    assert set(limited.train.tolist()) <= set(whole.train.tolist())
    assert torch.equal(limited.test, whole.test)
    shares = [strata[splits.train].bincount().double() / len(splits.train) for splits in (whole, limited)]
    assert bool((strata[limited.train].bincount()[strata[whole.train].bincount() > 0] > 0).all())
    assert float((shares[0] - shares[1]).abs().max()) <= 1 / limit + 0.01


def test_a_limit_under_the_number_of_classes_is_refused(home):
    from zoo.data.splits import draw_splits

    decoded = decode(Boats(), size=16, identity="a" * 64)
    strata = torch.arange(200) % 5
    with pytest.raises(UsageError, match=r"A limit of 4 pictures cannot cover all 5 classes\. Raise it"):
        draw_splits(decoded, {}, strata=strata, seed=3, limit=4)


def test_classes_that_are_groups_are_warned_of_where_the_split_is_made(tmp_path):
    rows = [f"{kind}/{number}.png,{kind}" for kind in "abcd" for number in range(4)]
    for number, row in enumerate(rows):
        path = tmp_path / row.partition(",")[0]
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    data = open_dataset("image-folder", tmp_path, options={"labels": "labels.csv", "group": "label"})
    said = r"none of their pictures is trained on: \w, \w \(test by group .*Where the groups are the classes themselves"
    with pytest.warns(ZooWarning, match=said):
        data.split(data.decode(16), seed=0)


def test_seen_groups_need_groups(home):
    from zoo.data.splits import draw_splits

    decoded = replace(decode(Boats(), size=16, identity="a" * 64), groups=(None,) * 200)
    with pytest.raises(UsageError, match=r"No groups are known, so that none can be held out as seen"):
        draw_splits(decoded, {}, strata=decoded.targets["label"], seed=3, seen=0.1)


def test_seen_pictures_are_new_ones_of_groups_that_are_learnt_from(home):
    from zoo.data.splits import draw_splits

    decoded = decode(Boats(), size=16, identity="a" * 64)
    splits = draw_splits(decoded, {}, strata=decoded.targets["label"], seed=3, seen=0.2)
    rows = [set(part.tolist()) for part in splits.by_name.values()]
    assert list(splits.by_name) == ["train", "val", "seen", "test"]
    assert sum(map(len, rows)) == len(set.union(*rows)) == 200
    boats = {name: {decoded.groups[row] for row in part.tolist()} for name, part in splits.by_name.items()}
    assert boats["seen"] <= boats["train"]
    assert not boats["seen"] & boats["test"]


@pytest.mark.parametrize(("count", "size"), [(5, 2), (33, 32), (3, 2), (65, 64), (1, 4), (64, 64)])
def test_no_batch_is_too_small_for_batch_norm(count, size):
    batches = draw_batches(torch.arange(count), size, seed=0, epoch=0)
    assert sum(map(len, batches)) == count
    assert min(map(len, batches)) >= min(2, count)


def test_two_datasets_in_hand_are_never_taken_for_one_another(home):
    from zoo.data import as_open_dataset

    class Grey(Boats):
        """One grey for all."""

        def __init__(self, level):
            super().__init__()
            self.level = level

        def __getitem__(self, index):
            image = torch.full((3, 8, 8), self.level, dtype=torch.uint8)
            return zoo.Sample(image=image, targets={"label": index % 2})

    dark, bright = as_open_dataset(Grey(0)), as_open_dataset(Grey(200))
    assert dark.decode(8).images.max() == 0
    assert bright.decode(8).images.min() == 200


def test_without_groups_every_class_is_on_every_side(shapes):
    data = open_dataset("image-folder", shapes)
    decoded = data.decode(16)
    splits = data.split(decoded, seed=0)
    for rows in (splits.train, splits.val, splits.test):
        assert len(Counter(decoded.targets["label"][rows].tolist())) == 3
    everything = torch.cat([splits.train, splits.val, splits.test])
    assert len(everything.unique()) == 120


def test_splits_depend_on_the_seed_alone(shapes):
    data = open_dataset("image-folder", shapes)
    decoded = data.decode(16)
    assert torch.equal(data.split(decoded, seed=5).train, data.split(decoded, seed=5).train)
    assert not torch.equal(data.split(decoded, seed=5).test, data.split(decoded, seed=6).test)


def fingerprint(folder, **options) -> str:
    return open_dataset("image-folder", folder, options=options).decode(16).fingerprint


def test_the_fingerprint_follows_the_pictures(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    before = fingerprint(folder)
    picture = folder / "ring" / "ring-000.png"
    picture.write_bytes((folder / "ring" / "ring-001.png").read_bytes())
    assert fingerprint(folder) != before
    picture.write_bytes((shapes / "ring" / "ring-000.png").read_bytes())
    assert fingerprint(folder) == before
    picture.unlink()
    assert fingerprint(folder) != before


def test_the_fingerprint_knows_neither_times_nor_places_nor_what_is_no_picture(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures", copy_function=shutil.copy)
    for name in (".DS_Store", "Thumbs.db", "answers.csv", "bar/notes.txt"):
        (folder / name).write_bytes(b"no picture")
    assert fingerprint(folder) == fingerprint(shapes)


def test_a_picture_that_changed_and_kept_its_size_is_decoded_again(tmp_path):
    for name in ("a/1.bmp", "a/2.bmp", "b/1.bmp", "b/2.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), "black").save(tmp_path / name)
    before = open_dataset("image-folder", tmp_path).decode(16)
    Image.new("RGB", (8, 8), "white").save(tmp_path / "a" / "1.bmp")
    os.utime(tmp_path / "a" / "1.bmp", ns=(0, 0))
    after = open_dataset("image-folder", tmp_path).decode(16)
    assert (int(before.images[0].max()), int(after.images[0].min())) == (0, 255)
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize("inside", [True, False])
def test_a_table_counts_by_what_it_says(shapes, tmp_path, inside):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    table = (folder if inside else tmp_path) / "labels.csv"
    rows = [f"{kind}/{kind}-{number:03d}.png,{kind}" for kind in ("bar", "disc") for number in range(3)]
    table.write_text("\n".join(["path,label", *rows]))
    before = open_dataset("image-folder", folder, options={"labels": str(table)}).decode(16)
    table.write_text("\r\n".join(["path;label", *(row.replace(",", ";") for row in rows), ""]))
    assert fingerprint(folder, labels=str(table)) == before.fingerprint
    table.write_text("\n".join(["path,label", rows[0].replace("png,bar", "png,disc"), *rows[1:]]))
    after = open_dataset("image-folder", folder, options={"labels": str(table)}).decode(16)
    assert before.targets["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert after.targets["label"].tolist() == [1, 0, 0, 1, 1, 1]
    assert after.fingerprint != before.fingerprint


def test_the_files_of_a_dataset_that_names_none_count_too(tmp_path):
    from zoo.data.fingerprints import describe_changes, list_files, read_digest

    def found():
        return [read_digest(file, tmp_path) for file in list_files(Boats(), tmp_path)]

    for name in ("a.dat", "labels.json", ".hidden", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    before = found()
    assert [file.name for file in before] == ["a.dat", "labels.json"]
    (tmp_path / "labels.json").write_text("2")
    assert describe_changes(before, found()) == "1 changed or labelled anew (labels.json)"


def test_a_folder_that_is_missing_or_empty_is_named(tmp_path):
    with pytest.raises(FileError, match="there is no such folder"):
        open_dataset("image-folder", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="the folder is empty"):
        open_dataset("image-folder", tmp_path / "empty")
    with pytest.raises(UsageError, match="`root=DIR`"):
        open_dataset("image-folder")


def test_an_unknown_dataset_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'image-folder'"):
        open_dataset("image-foldr")


def test_options_are_checked_against_the_signature(shapes):
    with pytest.raises(UsageError, match=r"Did you mean 'turns'.*options of the dataset"):
        open_dataset("image-folder", shapes, options={"turn": "yes"})
    with pytest.raises(UsageError, match="cannot be 'maybe'"):
        open_dataset("image-folder", shapes, options={"turns": "maybe"})


def test_a_dataset_that_breaks_its_contract_is_named(home):
    class Broken(Boats):
        """Floats for pictures."""

        def __getitem__(self, index):
            return zoo.Sample(image=torch.zeros(3, 8, 8), targets={"label": 0})

    with pytest.raises(PluginError, match="not uint8"):
        decode(Broken(), size=8, identity="b" * 64)


def test_a_class_that_does_not_exist_is_named(home):
    class Broken(Boats):
        """A third class of two."""

        def __getitem__(self, index):
            return zoo.Sample(image=torch.zeros(3, 8, 8, dtype=torch.uint8), targets={"label": 2})

    with pytest.raises(ZooError, match="the target 'label' is 2, not the number of a class, 0 to 1"):
        decode(Broken(), size=8, identity="c" * 64)


def test_batches_hold_every_row_once_and_none_is_lonely():
    rows = torch.arange(33)
    batches = draw_batches(rows, 16, seed=0, epoch=0)
    assert sorted(torch.cat(batches).tolist()) == rows.tolist()
    assert min(map(len, batches)) > 1
    assert not torch.equal(batches[0], draw_batches(rows, 16, seed=0, epoch=1)[0])


def test_generators_depend_on_their_whole_key():
    draws = {torch.rand(1, generator=generator_for(*key)).item() for key in ((0, 1), (1, 0), (0, 0, 1), (0, 0, 2))}
    assert len(draws) == 4


@pytest.mark.parametrize("seed", range(6))
def test_boxes_follow_their_pictures(seed):
    images = torch.zeros(8, 3, 64, 64)
    boxes = torch.tensor([[0.4, 0.45, 0.6, 0.6]] * 8)
    images[:, :, 29:38, 26:38] = 1.0  # about the box
    how = Augmentation(mirror=True, turns=True, zoom=0.2, shift=0.1)
    moved, at = augment(images, how, generator_for(seed), boxes)
    for picture, box in zip(moved, at, strict=True):
        rows, columns = (picture[0] > 0.5).nonzero(as_tuple=True)
        x1, y1, x2, y2 = (box * 64).tolist()
        assert abs(columns.float().mean() - (x1 + x2) / 2) < 2
        assert abs(rows.float().mean() - (y1 + y2) / 2) < 2


def test_right_angle_turns_lose_nothing():
    images = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    turned, _ = augment(images, Augmentation(mirror=True, turns=True), generator_for(1))
    for before, after in zip(images, turned, strict=True):
        views = [torch.rot90(picture, quarter, (1, 2)) for picture in (before, before.flip(2)) for quarter in range(4)]
        assert min((view - after).abs().max() for view in views) < 1e-4


def test_digits_are_never_mirrored():
    assert not choose_augmentation("none", "strong").mirror
    assert choose_augmentation("turns", "light").turns
    assert choose_augmentation("mirror", "none").does_nothing


def test_a_picture_without_a_box_keeps_none():
    boxes = torch.full((2, 4), float("nan"))
    _, at = augment(torch.rand(2, 3, 8, 8), Augmentation(mirror=True, zoom=0.1), generator_for(0), boxes)
    assert at.isnan().all()


def test_a_folder_in_place_of_a_datasets_name_is_told_how_it_is_read(shapes):
    with pytest.raises(UsageError, match=r"is a folder, and not .* For its pictures say image-folder"):
        open_dataset(str(shapes))


# ------------------------------------------------------------------------------------------------ left out


def exclude(folder, *lines, name="exclude.csv", **options):
    """The shapes without what a list names."""
    (folder / name).write_text("\n".join(lines))
    return open_dataset("image-folder", folder, options={"exclude": name, **options})


def test_a_list_leaves_pictures_out_of_any_dataset(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    data = exclude(folder, "finding;path", "duplicate;bar/bar-003.png", "=bad;'disc/disc-000.png")
    assert len(data.dataset) == 118
    paths = data.decode(16).paths
    assert len(paths) == len(data.decode(16).images) == 118
    assert not {"bar/bar-003.png", "disc/disc-000.png"} & {*paths}
    assert data.title == "pictures"


def test_what_is_left_out_and_what_is_gone_are_the_same_to_a_run(shapes, tmp_path):
    kept = shutil.copytree(shapes, tmp_path / "kept")
    gone = shutil.copytree(shapes, tmp_path / "gone")
    (gone / "ring" / "ring-001.png").unlink()
    without = exclude(kept, "path", "ring/ring-001.png")
    assert without.decode(16).fingerprint == open_dataset("image-folder", gone).decode(16).fingerprint


def test_splits_and_groups_go_along_where_pictures_are_left_out(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    rows = [f"{kind}/{kind}-{number:03d}.png,{kind},{'test' if number > 5 else 'train'}" for kind in ("bar", "disc")
            for number in range(8)]  # fmt: skip
    (folder / "labels.csv").write_text("\n".join(["path,label,split", *rows]))
    data = exclude(folder, "path", "bar/bar-000.png", "disc/disc-007.png", labels="labels.csv").dataset
    assert {name: [data[row].path for row in rows] for name, rows in data.splits.items()}["test"] == [
        "bar/bar-006.png", "bar/bar-007.png", "disc/disc-006.png"
    ]  # fmt: skip


def test_samples_without_files_are_left_out_by_their_number(home, tmp_path):
    (tmp_path / "exclude.csv").write_text("path\n#0\n#3\n")
    whole = open_dataset("digits")
    part = open_dataset("digits", options={"exclude": str(tmp_path / "exclude.csv")})
    assert len(part.dataset) == len(whole.dataset) - 2
    assert torch.equal(part.dataset[1].image, whole.dataset[2].image)
    assert part.stamp() != whole.stamp()


def test_several_samples_of_one_file_have_names_of_their_own(tmp_path):
    from zoo.data import name_samples

    class Windows(Boats):
        def files(self):
            return [(tmp_path / f"{number // 2}.png", None) for number in range(4)]

    assert name_samples(Windows(), tmp_path) == ["0.png", "0.png#2", "1.png", "1.png#2"]
    assert name_samples(Boats(), tmp_path)[:2] == ["#0", "#1"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("name", "bar/bar-000.png"), "not a CSV with a column `path`"),
        (("path", "elsewhere/1.png"), "none of the 1 pictures that it names is in"),
        (("path", *(f"{kind}/{kind}-{number:03d}.png" for kind in ("bar", "disc", "ring") for number in range(40))),
         "it names all 120 pictures"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_meant_is_refused(shapes, tmp_path, lines, said):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    with pytest.raises(FileError, match=said):
        exclude(folder, *lines)
    with pytest.raises(FileError, match=r"there is no such list\. Check `exclude=`"):
        open_dataset("image-folder", folder, options={"exclude": "nowhere.csv"})


def test_names_that_a_dataset_has_not_are_said(shapes, tmp_path):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    with pytest.warns(ZooWarning, match=r"1 of 2 pictures that it names are not in"):
        exclude(folder, "path", "bar/bar-000.png", "bar/other.png")
