"""Every set that is served, in its true layout, loaded by torchvision."""

from __future__ import annotations

import ast
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets
from zoo_torchvision import SETS, TorchvisionDataset

import zoo
from zoo.data import find_dataset
from zoo.errors import FileError, UnknownNameError, UsageError
from zoo.plugins import find_plugin
from zoo.testing import check_dataset, check_plugin

FASHION = Path("/usr/share/datasets/fashion-mnist")
MEASURED = {"SEMEION"}  # whose pictures are black and white: no shade a class


def opened(name: str, root: Path, **options: str) -> TorchvisionDataset:
    dataset = TorchvisionDataset(name, **options)
    dataset.prepare(root)
    return dataset


@pytest.mark.parametrize("name", SETS)
def test_a_set_keeps_the_contract_with_torchvisions_own_splits_labels_and_pictures(write, make, name):
    root = write(name)
    dataset = opened(name, root)
    assert check_dataset(TorchvisionDataset(name), root)
    assert {split for split in SETS[name].splits if split} == set(dataset.splits)
    assert sorted(row for rows in dataset.splits.values() for row in rows) in ([], [*range(len(dataset))])
    for index in range(len(dataset)):
        sample = dataset[index]
        if name not in MEASURED:
            found = float(sample.image.float().mean())
            assert found == pytest.approx(make.shade(sample.targets["label"]), abs=3), sample.path
    samples = [dataset[index] for index in range(len(dataset))]
    assert len({one.targets["label"] for one in samples}) == (2 if name in ("PCAM", "RenderedSST2") else 3)
    assert len({one.path for one in samples}) == len(samples)
    assert dataset.title == name


@pytest.mark.parametrize("name", ["MNIST", "DTD", "CIFAR10"])
def test_a_worker_process_and_another_folder_give_the_same(write, name):
    first = opened(name, write(name))
    again = pickle.loads(pickle.dumps(first))
    assert torch.equal(again[3].image, first[3].image)
    other = zoo.open_dataset(f"torchvision/{name}", write(name, "elsewhere")).decode(8)
    here = zoo.open_dataset(f"torchvision/{name}", first._root).decode(8)
    assert other.fingerprint == here.fingerprint


def test_a_picture_of_a_shared_file_that_changes_is_noticed(write, make):
    root = write("MNIST")
    before = zoo.open_dataset("torchvision/MNIST", root).decode(8)
    path = root / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    after = zoo.open_dataset("torchvision/MNIST", root).decode(8)
    assert before.fingerprint != after.fingerprint
    assert [one.name for one in after.files if one.digest] == [
        f"MNIST/raw/{split}-{kind}"
        for split in ("t10k", "train")
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]


def test_other_sets_in_the_same_root_are_nobodys_business(write):
    root = write("MNIST", "root")
    before = zoo.open_dataset("torchvision/MNIST", root).decode(8).fingerprint
    write("DTD", "root")
    assert zoo.open_dataset("torchvision/MNIST", root).decode(8).fingerprint == before


# ------------------------------------------------------------------------------------------------ peculiarities


def test_the_tracks_of_traffic_signs_are_groups(write):
    dataset = opened("GTSRB", write("GTSRB"))
    train = [dataset[index].group for index in dataset.splits["train"]]
    assert train[:4] == ["00000/00000", "00000/00000", "00000/00001", "00000/00001"]
    assert len(set(train)) == 6
    assert {dataset[index].group for index in dataset.splits["test"]} == {None}


def test_letters_stand_upright_and_their_class_without_pictures_is_left_out(tmp_path, make):
    prefix = {"train": "emnist-letters-train", "test": "emnist-letters-test"}
    make.of_mnist("EMNIST", first=1, prefix=prefix)(tmp_path, None)
    lying = np.zeros((2, 28, 28), dtype=np.uint8)
    lying[:, :, :5] = 255  # on disk rows and columns are exchanged: a stroke at the top
    (tmp_path / "EMNIST/raw/emnist-letters-test-images-idx3-ubyte").write_bytes(make.idx(lying))
    (tmp_path / "EMNIST/raw/emnist-letters-test-labels-idx1-ubyte").write_bytes(
        make.idx(np.array([1, 26], dtype=np.uint8))
    )
    dataset = opened("EMNIST", tmp_path, variant="letters")
    assert dataset.targets["label"].names[:2] == ("a", "b")
    last = dataset[len(dataset) - 1]
    assert dataset.targets["label"].names[last.targets["label"]] == "z"
    assert last.image[0, :5].min() == 255
    assert last.image[0, 5:].max() == 0


def test_aircraft_lose_the_banner_and_have_levels(write):
    root = write("FGVCAircraft")
    assert opened("FGVCAircraft", root)[0].image.shape == (3, 40, 60)
    assert opened("FGVCAircraft", root, variant="family").targets["label"].names[0] == "Boeing 707"


def test_a_variant_is_one_of_the_sets_own(write):
    assert len(opened("DTD", write("DTD"), variant="2")) == 9
    assert opened("CIFAR100", write("CIFAR100"), variant="coarse").targets["label"].names == ("a", "b")
    with pytest.raises(UsageError, match=r"variant='11': those of DTD are 1, 2, .*, 10\. Leave `variant=` out"):
        TorchvisionDataset("DTD", variant="11")
    with pytest.raises(UsageError, match="variant='x': those of MNIST are none"):
        TorchvisionDataset("MNIST", variant="x")


def test_sets_without_splits_come_in_the_same_order_everywhere(write):
    dataset = opened("SUN397", write("SUN397"))
    paths = [dataset[index].path for index in range(len(dataset))]
    assert paths == sorted(paths)
    assert dataset.targets["label"].names[2] == "church/indoor"
    assert dataset.splits == {}


def test_a_picture_that_cannot_be_read_is_one_line(write):
    root = write("DTD")
    path = root / "dtd/dtd/images/banded/banded_00.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(FileError, match=r"banded_00.jpg: not a readable picture"):
        opened("DTD", root)[0]


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_all_of_fashion_mnist_is_read_as_torchvision_reads_it(tmp_path):
    import gzip

    raw = tmp_path / "FashionMNIST/raw"
    raw.mkdir(parents=True)
    for path in FASHION.glob("*.gz"):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    dataset = opened("FashionMNIST", tmp_path)
    own = datasets.FashionMNIST(str(tmp_path), train=False)
    assert {split: len(rows) for split, rows in dataset.splits.items()} == {"train": 60000, "test": 10000}
    for number in (0, 4321, 9999):
        sample = dataset[60000 + number]
        assert torch.equal(sample.image[1], own.data[number])
        assert sample.targets["label"] == int(own.targets[number])
    assert dataset.targets["label"].names == tuple(own.classes)


# ------------------------------------------------------------------------------------------------ names and errors


def test_a_family_is_checked_listed_and_named_by_its_members():
    (line,) = check_plugin(find_plugin("dataset", "torchvision"))
    assert line.startswith("a family of datasets, torchvision/NAME: CIFAR10, CIFAR100, Caltech101, ")
    assert find_dataset("zoo-torchvision:torchvision/DTD")[1:] == (TorchvisionDataset, ("DTD",))
    with pytest.raises(
        UsageError, match=r"'torchvision' is a family of datasets: CIFAR10, .* Say which, torchvision/CIF"
    ):
        zoo.open_dataset("torchvision")
    with pytest.raises(UnknownNameError, match=r"'torchvision/CIFAR11'\. Did you mean 'torchvision/CIFAR10'\?"):
        zoo.open_dataset("torchvision/CIFAR11")
    with pytest.raises(UsageError, match=r"No option is called 'varient'\. Did you mean 'variant'"):
        zoo.open_dataset("torchvision/DTD", options={"varient": "2"})


def test_what_is_not_there_is_said_with_the_command_that_brings_it(tmp_path, write, home):
    remedy = r"Run `zoo data make torchvision/CIFAR10 -o DIR`, and name that folder with `root=DIR`\."
    with pytest.raises(FileError, match=rf"there is no cifar-10-batches-py, of torchvision's CIFAR10\. {remedy}"):
        zoo.open_dataset("torchvision/CIFAR10")
    root = write("MNIST")
    (root / "MNIST/raw/t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileError, match=r"not torchvision's MNIST, or not all of it \(RuntimeError: Dataset not found"):
        opened("MNIST", root)
    assert not (home / "datasets").exists()


def test_every_served_set_is_torchvisions_and_none_of_their_modules_unpickles_but_those_that_are_read_otherwise():
    unpickling = set()
    for name in SETS:
        module = inspect.getmodule(getattr(datasets, name))
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("pickle.load", "pickle.loads", "torch.load", "np.load", "numpy.load", "joblib.load"):
                unpickling.add((name, called))
    assert {name for name, called in unpickling if called == "pickle.load"} == {"CIFAR10", "CIFAR100"}
    others = {name for name, called in unpickling if called != "pickle.load"}
    assert others == {name for name, one in SETS.items() if one.unpickled}  # MNIST's old copies, which are refused


def test_old_copies_that_torchvision_would_unpickle_are_refused(write):
    root = write("MNIST")
    (root / "MNIST/processed").mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(3, 28, 28), torch.zeros(3)), root / "MNIST/processed" / name)
    with pytest.raises(
        FileError, match=r"processed/test\.pt: an old copy, which torchvision would unpickle\. Remove it"
    ):
        opened("MNIST", root)


def test_pictures_are_turned_to_rgb(write):
    root = write("EuroSAT")
    Image.new("L", (9, 7), 20).save(root / "eurosat/2750/AnnualCrop/image_0001.jpg")
    assert opened("EuroSAT", root)[0].image.shape == (3, 7, 9)
