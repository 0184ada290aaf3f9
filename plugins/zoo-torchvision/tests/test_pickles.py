"""CIFAR's pickles are read, and nothing in a pickle runs."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from zoo_torchvision import TorchvisionDataset
from zoo_torchvision.pickles import RefusedPickleError, read_pickle

from zoo.errors import FileError


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_what_python_2_wrote_is_read_as_pythons_own_reader_does(make):
    data = np.arange(2 * 3072, dtype=np.int64).reshape(2, 3072).astype(np.uint8)
    content = make.python2_pickle(
        {"batch_label": "testing batch 1 of 1", "labels": [3, 9], "data": data, "filenames": ["a.png", "b.png"]}
    )
    theirs, ours = pickle.loads(content, encoding="latin1"), read_pickle(content)
    assert theirs.keys() == ours.keys()
    assert np.array_equal(theirs["data"], data)
    assert np.array_equal(ours["data"], data)
    assert {key: ours[key] for key in ("batch_label", "labels", "filenames")} == {
        key: theirs[key] for key in ("batch_label", "labels", "filenames")
    }


@pytest.mark.parametrize("protocol", range(6))
def test_what_todays_python_writes_is_read_by_every_protocol_that_holds_nothing_else(protocol):
    said = {
        "labels": [1, 2, 300, 70000],
        "text": "é",
        "nothing": None,
        "yes": (True, 2.5),
        "data": np.ones((2, 3), np.uint8),
    }
    content = pickle.dumps(said, protocol=protocol)
    if protocol == 5:  # arrays go out by a function of numpy's own
        with pytest.raises(RefusedPickleError, match=r"it names 'numpy\._core\.numeric\._frombuffer'"):
            read_pickle(content)
        return
    found = read_pickle(content)
    assert np.array_equal(found.pop("data"), said.pop("data"))
    assert found == said


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_a_pickle_runs(tmp_path, protocol):
    content = pickle.dumps({"data": Evil(tmp_path / "made")}, protocol=protocol)
    with pytest.raises(RefusedPickleError, match="which is no data"):
        read_pickle(content)
    assert not (tmp_path / "made").exists()
    pickle.loads(content)  # and it would have
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"\x80\x02}q\x01(U\x05label",
        b"\x80\x02]q\x01(K\x01e",
        b"(lp0\n.x",
        b"\x80\x02}U\x01aR.",
        b"\x80\x02K\x01K\x02b.",
        b"\x80\x02h\x05.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x02K\x01K\x02K\x03s.",
        b"\x80\x02(K\x01e.",
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02\x82\x01.",
        b"Pid\n.",
        b"\x80\x02cnumpy\ndtype\n\x8a\x01\x01\x85R}(U\x01akb.",
        b"\x80\x02]q\x01(h\x01e.",
    ],
    ids=range(16),
)
def test_damage_is_refused_or_data(content):
    with contextlib.suppress(RefusedPickleError):
        read_pickle(content)


def test_bytes_at_random_never_do_anything_else():
    rng = np.random.default_rng(0)
    good = pickle.dumps({"labels": [*range(40)], "data": np.zeros((2, 30), np.uint8)}, protocol=2)
    for _ in range(3000):
        content = bytearray(good)
        for place in rng.integers(0, len(content), rng.integers(1, 6)):
            content[place] = rng.integers(256)
        with contextlib.suppress(RefusedPickleError):
            read_pickle(bytes(content))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda said: said | {"labels": said["labels"][:-1]},
            "a batch has 5 labels of 3 classes, and pictures (6, 3072)",
        ),
        (lambda said: said | {"labels": [0, 1, 2, 3, 4, 5]}, "a batch has 6 labels of 3 classes"),
        (lambda said: said | {"data": said["data"][:, :100].copy()}, "pictures (6, 100) in place of (N, 3072)"),
        (lambda said: {"labels": said["labels"]}, "test_batch: it has no data and no labels"),
    ],
    ids=range(4),
)
def test_a_batch_that_is_none_is_one_line(write, make, change, said):
    root = write("CIFAR10")
    path = root / "cifar-10-batches-py/test_batch"
    path.write_bytes(make.python2_pickle(change(read_pickle(path.read_bytes()))))
    with pytest.raises(FileError) as caught:
        TorchvisionDataset("CIFAR10").prepare(root)
    assert said in str(caught.value)


def test_a_hostile_batch_is_refused_by_its_name_and_does_not_run(write, tmp_path):
    root = write("CIFAR10")
    path = root / "cifar-10-batches-py/data_batch_3"
    path.write_bytes(pickle.dumps({"labels": Evil(tmp_path / "made")}, protocol=2))
    with pytest.raises(
        FileError, match=r"data_batch_3: it is none of CIFAR's files: it names 'posix\.mkdir', which is no"
    ):
        TorchvisionDataset("CIFAR10").prepare(root)
    assert not (tmp_path / "made").exists()
    path.unlink()
    with pytest.raises(FileError, match=r"data_batch_3: it cannot be read \(No such file"):
        TorchvisionDataset("CIFAR10").prepare(root)
