"""Datasets of a Hub on loopback, by the real client and the real library: Parquet, folders, configurations, traps."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import datasets
import pytest
import torch
from zoo_hf import HubDataset
from zoo_hf.repository import PINS

import zoo
from zoo.errors import FetchError, FileError, IntegrityError, UsageError, ZooWarning
from zoo.plugins import find_plugin
from zoo.testing import check_dataset, check_plugin

REPO = "lab/shades"


def opened(root: Path, name: str = REPO, **options: str) -> HubDataset:
    dataset = HubDataset(name, **options)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=ZooWarning)
        dataset.prepare(root)
    return dataset


@pytest.fixture
def commit(hub, make) -> str:
    return hub.add(REPO, make.shades(), dataset=True)


# ------------------------------------------------------------------------------------------------ what is read


def test_parquet_is_read_with_its_classes_splits_columns_and_licence(hub, make, commit, tmp_path):
    dataset = opened(tmp_path / "data")
    assert (dataset.commit, dataset.license, dataset.title) == (commit, "cc-by-4.0", REPO)
    assert dataset.targets == {"label": zoo.Categories(("dark", "light"))}
    assert {split: len(rows) for split, rows in dataset.splits.items()} == {"train": 16, "test": 8}
    sample = dataset[3]
    assert sample.image.unique().tolist() == [make.shade(1, 3)]
    assert tuple(sample.image.shape) == (3, 12, 16)
    assert sample.targets == {"label": 1}
    assert sample.path == f"{REPO}@{commit[:12]}/train/000003"
    assert dict(sample.metadata) == {"file": "003.png", "site": "s1", "depth": "1.5"}
    assert "depth" not in dataset[0].metadata  # null
    assert dataset[16].image.unique().tolist() == [make.shade(0, 40)]


def test_it_keeps_the_contract_and_a_worker_process_reads_the_same(hub, commit, tmp_path):
    assert check_dataset(HubDataset(REPO), tmp_path / "data")
    dataset = opened(tmp_path / "data")
    hub.__exit__(None, None, None)
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[5].image, dataset[5].image)
    (line,) = check_plugin(find_plugin("dataset", "hf"))
    assert line == "a family of datasets, hf/NAME: any"


def test_no_picture_is_decoded_before_it_is_asked_for(hub, make, tmp_path):
    files = make.shades()
    rows = make.rows(4)
    rows[2]["image"]["bytes"] = b"no picture"
    rows[3]["image"] = None
    files["data/test-00000-of-00001.parquet"] = make.parquet(rows)
    hub.add(REPO, files, dataset=True)
    dataset = opened(tmp_path / "data")
    assert dataset[16].targets == {"label": 0}
    with pytest.raises(FileError, match=rf"{REPO}@[0-9a-f]{{12}}/test/000002: not a readable picture"):
        dataset[18]
    with pytest.raises(FileError, match=r"test/000003: there is no picture in the table"):
        dataset[19]


def test_a_folder_of_pictures_is_read_by_its_folders(hub, make, tmp_path):
    files = {
        f"{split}/{kind}/{number}.png": make.png(make.shade(label, number))
        for split in ("train", "validation", "test")
        for label, kind in enumerate(("dark", "light"))
        for number in range(3)
    }
    hub.add("lab/folders", files, dataset=True)
    dataset = opened(tmp_path / "data", "lab/folders")
    assert {split: len(rows) for split, rows in dataset.splits.items()} == {"train": 6, "val": 6, "test": 6}
    assert dataset.targets == {"label": zoo.Categories(("dark", "light"))}
    assert dataset[4].image.unique().tolist() == [make.shade(1, 1)]
    assert dict(dataset[4].metadata) == {"file": "1.png"}


def test_configurations_are_chosen_by_name(hub, make, tmp_path):
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/*.parquet\n"
        for name in ("near", "far")
    )
    files = {"README.md": f"{card}---\n".encode()}
    files |= {f"{name}/x.parquet": make.parquet(make.rows(n)) for name, n in (("near", 4), ("far", 6))}
    hub.add("lab/two", files, dataset=True)
    with pytest.raises(FetchError, match=r"Config name is missing.*\['near', 'far'\].*`config=`"):
        opened(tmp_path / "data", "lab/two")
    assert len(opened(tmp_path / "data", "lab/two", config="far")) == 6
    assert len(opened(tmp_path / "data", "lab/two", config="near")) == 4
    assert opened(tmp_path / "data", "lab/two", config="near").splits == {}
    with pytest.raises(FetchError, match=r"BuilderConfig 'middle' not found\. Available: \['near', 'far'\]"):
        opened(tmp_path / "data", "lab/two", config="middle")


# ------------------------------------------------------------------------------------------------ pinned


def test_what_was_fetched_is_pinned_and_needs_no_network(hub, make, commit, tmp_path):
    first = zoo.open_dataset(f"hf/{REPO}", options={"group": "site"})
    seen = first.decode(8)
    hub.forget()
    later = hub.add(REPO, {"data/test-00000-of-00001.parquet": make.parquet(make.rows(2))}, dataset=True)
    again = zoo.open_dataset(f"hf/{REPO}", options={"group": "site"})
    assert again.dataset.commit == commit != later
    assert hub.requests == []
    assert again.decode(8).fingerprint == seen.fingerprint
    other = opened(tmp_path / "other")
    assert (other.commit, len(other)) == (later, 18)
    hub.__exit__(None, None, None)
    assert len(zoo.open_dataset(f"hf/{REPO}", options={"group": "site"}).dataset) == 24


@pytest.mark.parametrize("name", ["data/train-00001", "README"])
def test_a_file_that_arrives_damaged_is_noticed_and_fetched_anew(hub, commit, tmp_path, name):
    hub.fail("corrupt", -9, path=name, method="GET", times=1)
    with pytest.raises(IntegrityError, match=rf"{name}\S* did not arrive as the Hub has it\. Fetch it again"):
        opened(tmp_path / "a")
    assert not (tmp_path / "a" / PINS).exists()
    assert len(opened(tmp_path / "a")) == 24


def test_a_revision_is_a_commit_or_a_name_of_one(hub, make, commit, tmp_path):
    hub.add(REPO, {"data/test-00000-of-00001.parquet": make.parquet(make.rows(2))}, dataset=True)
    assert len(opened(tmp_path / "a", revision=commit)) == 24
    assert len(opened(tmp_path / "a", revision="main")) == 18
    assert {key: pin["commit"][:6] for key, pin in json.loads((tmp_path / "a" / PINS).read_text()).items()}.keys() == {
        json.dumps([REPO, "", commit]),
        json.dumps([REPO, "", "main"]),
    }
    with pytest.raises(FetchError, match=r"hf/lab/shades cannot be fetched: RevisionNotFoundError: .*`revision=`"):
        opened(tmp_path / "a", revision="v9")


def test_another_commit_of_the_same_rows_is_another_dataset(hub, make, commit, tmp_path):
    before = zoo.open_dataset(f"hf/{REPO}").decode(8).fingerprint
    hub.add(REPO, {"note.txt": b"x"}, dataset=True)
    (tmp_path / "b").mkdir()
    HubDataset(REPO).download(tmp_path / "b")
    assert zoo.open_dataset(f"hf/{REPO}", tmp_path / "b").decode(8).fingerprint != before


def test_files_that_went_are_fetched_again_and_a_damaged_record_is_said(hub, commit, tmp_path):
    root = tmp_path / "data"
    opened(root)
    next(root.rglob("*-test.arrow")).unlink()
    hub.forget()
    assert len(opened(root)) == 24
    assert hub.count("GET") > 0
    (root / PINS).write_text("{")
    with pytest.raises(FileError, match=rf"{PINS}: it cannot be read .* Remove it, and the dataset is fetched again"):
        opened(root)


# ------------------------------------------------------------------------------------------------ options


def test_groups_are_a_column_and_never_on_two_sides(hub, make, tmp_path):
    hub.add(REPO, {"data/train-0.parquet": make.parquet(make.rows(24))}, dataset=True)
    data = zoo.open_dataset(f"hf/{REPO}", options={"group": "site"})
    decoded = data.decode(8)
    splits = data.split(decoded, seed=0)
    sides = [{decoded.groups[row] for row in rows.tolist()} for rows in splits.by_name.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 4
    assert data.dataset[1].metadata["site"] == "s0"
    assert decoded.numbers["depth"][:3].tolist()[1:] == [0.5, 1.0]
    with pytest.raises(
        UsageError, match=r"`group=sites` fits no column of hf/lab/shades: image \(Image\), label \(Class"
    ):
        opened(tmp_path / "x", group="sites")


def test_a_column_of_texts_is_a_class_where_it_is_named_and_unknown_labels_are_none(hub, make, tmp_path):
    rows = make.rows(12)
    rows[0] |= {"label": -1, "site": None}
    hub.add(REPO, {"data/train-0.parquet": make.parquet(rows)}, dataset=True)
    named = opened(tmp_path / "a", label="site")
    assert named.targets["label"].names == ("s0", "s1", "s2", "s3")
    assert (named[0].targets, named[2].targets) == ({}, {"label": 1})
    assert opened(tmp_path / "a")[0].targets == {}  # -1, as test sets without labels have it
    with pytest.raises(UsageError, match=r"`label=points` fits no column"):
        opened(tmp_path / "a", label="points")


def test_several_pictures_or_no_classes_are_asked_about(hub, make, tmp_path):
    features = {"left": {"_type": "Image"}, "right": {"_type": "Image"}, "n": {"dtype": "int64", "_type": "Value"}}
    rows = [{"left": row["image"], "right": row["image"], "n": row["label"]} for row in make.rows(4)]
    hub.add("lab/pairs", {"data/train-0.parquet": make.parquet(rows, features)}, dataset=True)
    with pytest.raises(UsageError, match=r"several columns of pictures: left, right\. Say which, `image=left`"):
        opened(tmp_path / "a", "lab/pairs")
    with pytest.warns(
        ZooWarning, match=r"no column is known to hold classes: .*; the pictures are unlabelled\. Name one"
    ):
        HubDataset("lab/pairs", image="left").prepare(tmp_path / "a")
    assert opened(tmp_path / "a", "lab/pairs", image="right", label="n").targets["label"].names == ("0", "1")
    hub.add("lab/words", {"data/train-0.parquet": make.parquet([{"n": 1}], {"n": features["n"]})}, dataset=True)
    with pytest.raises(UsageError, match=r"hf/lab/words has no column of pictures: n \(Value\)"):
        opened(tmp_path / "a", "lab/words")


def test_splits_of_other_names_are_said_and_read_where_they_are_named(hub, make, tmp_path):
    card = b"---\nconfigs:\n- config_name: default\n  data_files:\n"
    for split in ("train", "extra"):
        card += f"  - split: {split}\n    path: {split}.parquet\n".encode()
    files = {"README.md": card + b"---\n", "train.parquet": make.parquet(make.rows(4))}
    hub.add(REPO, files | {"extra.parquet": make.parquet(make.rows(6))}, dataset=True)
    dataset = HubDataset(REPO)
    with pytest.warns(ZooWarning, match=r"hf/lab/shades: the splits extra are not read; name them with `split=`"):
        dataset.prepare(tmp_path / "a")
    assert len(dataset) == 4
    assert len(opened(tmp_path / "a", split="train, extra")) == 10
    with pytest.raises(UsageError, match=r"has no split 'tests', but train, extra\. Say `split=train`"):
        opened(tmp_path / "a", split="tests")


# ------------------------------------------------------------------------------------------------ hostile, missing


def test_a_path_in_a_table_opens_no_file_of_this_machine(hub, make, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(make.png(7))
    rows = make.rows(4)
    rows[0]["image"] = {"bytes": None, "path": str(secret)}
    hub.add(REPO, {"data/train-0.parquet": make.parquet(rows)}, dataset=True)
    with pytest.raises(FileError, match="there is no picture in the table"):
        opened(tmp_path / "a")[0]


def test_no_code_of_a_repository_runs(hub, make, tmp_path):
    script = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    hub.add("lab/script", {"script.py": script.encode()}, dataset=True)
    with pytest.raises(
        FetchError, match=r"hf/lab/script cannot be fetched: RuntimeError: Dataset scripts are no longer"
    ):
        opened(tmp_path / "a", "lab/script")
    assert not (tmp_path / "ran").exists()


def test_forms_that_hold_more_than_data_are_refused(hub, make, tmp_path):
    import io
    import tarfile

    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as packed:
        for name, said in (("0.png", make.png(1)), ("0.cls", b"1")):
            info = tarfile.TarInfo(name)
            info.size = len(said)
            packed.addfile(info, io.BytesIO(said))
    hub.add("lab/tars", {"train-0.tar": content.getvalue()}, dataset=True)
    with pytest.raises(
        FileError, match=r"it is read by 'webdataset', and only parquet, imagefolder and arrow read data"
    ):
        opened(tmp_path / "a", "lab/tars")


def test_what_the_hub_has_not_and_a_hub_that_is_down_are_one_line(hub, commit, tmp_path):
    with pytest.raises(FetchError, match=r"hf/lab/none cannot be fetched: RepositoryNotFoundError.*HF_TOKEN") as caught:
        opened(tmp_path / "a", "lab/none")
    assert "\n" not in str(caught.value)
    hub.__exit__(None, None, None)
    with pytest.raises(FetchError, match=r"hf/lab/shades cannot be fetched: .*network"):
        opened(tmp_path / "a")


@pytest.mark.parametrize("name", ["shades", "a/b/c", "../x", "a/..", "a b/c", "a/" + "x" * 97, "-a/b"])
def test_what_can_be_no_repository_is_asked_of_nobody(name):
    with pytest.raises(UsageError, match=r"is no name of a dataset on the Hub\. Say hf/OWNER/NAME"):
        zoo.open_dataset(f"hf/{name}")


def test_without_the_library_its_install_is_said(hub, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"need the library `datasets`, .* Run `pip install 'zoo-hf\[datasets\]'`"):
        opened(tmp_path / "a")
    assert datasets.__version__


def test_listing_datasets_imports_neither_the_library_nor_torch():
    code = (
        "import sys\nfrom zoo.plugins import find_plugins\nassert 'hf' in {one.name for one in find_plugins('dataset')}"
    )
    said = [sys.executable, "-c", f"{code}\nprint({{'datasets', 'torch', 'zoo_hf'}} & set(sys.modules))"]
    done = subprocess.run(said, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.slow
def test_from_the_shell_a_run_is_trained_evaluated_and_reopened(hub, commit, tmp_path):
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_UPDATE_DOWNLOAD_COUNTS": "0"}

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        said = [sys.executable, "-m", "zoo", *map(str, words)]
        return subprocess.run(said, env=env, capture_output=True, text=True, cwd=tmp_path, check=False)

    small = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", 16, "--epochs", 2, "-q")
    made = run("data", "make", f"hf/{REPO}", "-o", "shades")
    assert f"24 pictures in shades\nNext: zoo train hf/{REPO} --data shades" in made.stderr, made.stderr
    trained = run("train", f"hf/{REPO}", "--data", "shades", "--head", "classify:with=width+depth", *small)
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / f"runs/hf-{REPO.replace('/', '-')}/run.json").is_file()
    hub.__exit__(None, None, None)
    evaluated = run("evaluate", f"runs/hf-{REPO.replace('/', '-')}")
    assert evaluated.returncode == 0, evaluated.stderr
