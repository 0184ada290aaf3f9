"""A run becomes a folder that is whole, verified, loadable by others, and says nothing of its author's machine."""

from __future__ import annotations

import getpass
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import zoo
from zoo.errors import FileError, IntegrityError, MissingPluginError, UsageError, ZooError
from zoo.models.golden import check_golden
from zoo.store.artifact import open_artifact
from zoo.store.registry_editing import add_entry
from zoo.store.registry_file import RegistryEntry
from zoo.training.finetune import train_recipe
from zoo.training.recipe import parse_recipe


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    import os

    place = tmp_path_factory.mktemp("runs")
    os.environ["ZOO_HOME"] = str(place / "home")
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"backbone": "vgg11", "cut": "block3", "weights": "random"},
        "training": {"epochs": 3, "batch": 16},
    }
    return train_recipe(parse_recipe(content, where="the test"), place / "run")


@pytest.fixture
def published(run, tmp_path):
    return zoo.push(run, to=tmp_path / "vgg11-shapes", license="apache-2.0", about="shapes")


def images(count=2, side=32):
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_every_file_is_named_in_the_manifest_with_its_hash(published):
    manifest = json.loads((published.folder / "config.json").read_text())
    on_disk = {path.name for path in published.folder.iterdir()} - {"config.json"}
    assert set(manifest["files"]) == on_disk
    for name, entry in manifest["files"].items():
        content = (published.folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size"], entry["sha256"])
    assert {"README.md", "recipe.toml", "metrics.json", "golden.safetensors", "filters.png", "confusion.png"} <= on_disk


def test_nothing_of_the_authors_machine_is_published(published, run, shapes):
    for path in published.folder.iterdir():
        content = path.read_bytes()
        for private in (str(shapes), str(run.folder), str(Path.home()) + "/", getpass.getuser() + "@"):
            assert private.encode() not in content, (path.name, private)


def test_loaded_filters_compute_what_the_run_computed(published, run):
    model = run.load_model()
    filters = zoo.load(published.folder)
    assert torch.equal(filters(images()), model.filters(images()))


def test_the_weights_load_into_plain_torchvision(published):
    from torchvision.models import vgg11

    report = vgg11().load_state_dict(load_file(published.folder / "model.safetensors"), strict=False)
    assert report.unexpected_keys == []
    assert "features.0.weight" not in report.missing_keys


def test_half_precision_halves_the_file_and_golden_features_still_hold(run, tmp_path):
    whole = zoo.push(run, to=tmp_path / "whole", license="apache-2.0")
    half = zoo.push(run, to=tmp_path / "half", license="apache-2.0", dtype="float16")
    sizes = [one.manifest.files["model.safetensors"].size for one in (whole, half)]
    assert 0.45 < sizes[1] / sizes[0] < 0.56
    assert check_golden(zoo.load(half.folder)) < 1e-4


def test_filters_can_be_cut_once_more_with_equal_features(published):
    filters = zoo.load(published.folder)
    again = zoo.load(published.folder, cut="block1")
    assert [cut.name for cut in filters.cuts] == ["block1", "block2", "block3"]
    assert torch.equal(filters.truncate("block1")(images()), again(images()))
    assert torch.equal(again(images()), filters.module.features[:2](filters.normalise(images())))


def test_an_earlier_cut_reads_only_its_tensors(published):
    assert set(zoo.load(published.folder, cut="block1").module.state_dict()) == {"features.0.weight", "features.0.bias"}


def test_a_filter_bank_is_a_tensor(published):
    assert zoo.load(published.folder)["features.0"].shape == (64, 3, 3, 3)
    with pytest.raises(ZooError, match="No layer is called"):
        zoo.load(published.folder)["features.99"]


def test_embedding_a_folder_gives_a_vector_a_picture(published, shapes):
    embeddings = zoo.load(published.folder).embed(shapes)
    assert embeddings.vectors.shape == (120, 256)
    assert embeddings.vectors.dtype == np.float32
    near = embeddings.most_similar(embeddings.paths[0], 3)
    assert len(near) == 3
    assert near[0][1] <= 1.0001


def test_the_heads_come_along_and_predict(published, shapes):
    predictions = zoo.predict(zoo.load_model(published.folder), shapes)
    table = predictions.answers["classify"]
    assert table.shape == (120, 3)
    assert np.allclose(table.sum(axis=1), 1, atol=1e-5)
    assert predictions.as_csv().splitlines()[0] == "image,class,probability,second,second_probability"


def test_filters_published_without_heads_say_so(run, tmp_path):
    zoo.push(run, to=tmp_path / "bare", license="apache-2.0", heads=False)
    with pytest.raises(ZooError, match="published without heads"):
        zoo.load_model(tmp_path / "bare")


def test_a_name_fetches_what_was_published(published, home):
    add_entry(RegistryEntry(name="mine", sources=(str(published.folder),), manifest=published.digest))
    assert zoo.fetch("mine").digest == published.digest
    assert torch.equal(zoo.load("mine")(images()), zoo.load(published.folder)(images()))


@pytest.mark.parametrize("file", ["model.safetensors", "heads.safetensors", "README.md", "golden.safetensors"])
def test_one_changed_byte_is_found(published, file):
    path = published.folder / file
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(IntegrityError, match=file):
        zoo.fetch(published.folder)


def test_a_changed_weight_is_found_by_load_alone(published):
    path = published.folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(IntegrityError):
        zoo.load(published.folder)


def test_weights_of_another_shape_with_a_matching_manifest_are_refused(published):
    path = published.folder / "model.safetensors"
    tensors = load_file(path)
    tensors["features.0.weight"] = tensors["features.0.weight"][:32]
    save_file(tensors, path)
    with safe_open(path, "pt"):
        pass
    with pytest.raises(IntegrityError):
        zoo.load(published.folder)


def test_golden_features_that_do_not_hold_are_found(run, tmp_path):
    published = zoo.push(run, to=tmp_path / "p", license="apache-2.0")
    filters = zoo.load(published.folder)
    with torch.no_grad():
        filters.module.features[0].weight.mul_(1.5)
    with pytest.raises(IntegrityError, match="differ from the publisher's"):
        check_golden(filters)


def test_a_folder_that_is_taken_stays_as_it_is(run, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileError, match="is not empty"):
        zoo.push(run, to=tmp_path / "taken", license="apache-2.0")
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "years of work"


def test_publishing_again_replaces_the_folder_whole(run, published):
    again = zoo.push(run, to=published.folder, license="apache-2.0", about="another", overwrite=True)
    assert again.manifest.about == "another"
    assert not [path for path in published.folder.parent.iterdir() if path.name.startswith(".")]


def test_only_published_filters_are_ever_replaced(run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "precious.txt").write_text("years of work")
    with pytest.raises(FileError, match="something else than published filters"):
        zoo.push(run, to=tmp_path / "photos", license="apache-2.0", overwrite=True)
    assert (tmp_path / "photos" / "precious.txt").exists()


@pytest.mark.parametrize("inner", ["", "inside", ".."])
def test_a_run_is_never_replaced_by_its_filters(run, inner):
    with pytest.raises(FileError, match="own folder"):
        zoo.push(run, to=run.folder / inner, license="apache-2.0", overwrite=True)
    assert (run.folder / "run.json").is_file()


def test_a_folder_with_a_registered_name_is_read_back_itself(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    published = zoo.push(run, to="vgg16-plankton", license="apache-2.0")
    assert published.folder == tmp_path / "vgg16-plankton"
    assert published.manifest.backbone == "torchvision/vgg11"


def test_pictures_of_one_name_in_several_folders_keep_their_paths(published, shapes, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(shapes / "bar" / "bar-000.png", tmp_path / folder / "one.png")
    lines = zoo.predict(zoo.load_model(published.folder), [tmp_path / "a", tmp_path / "b"]).as_csv().splitlines()
    assert len({line.split(",")[0] for line in lines[1:]}) == 2


def test_numpy_takes_embeddings_for_an_array(published, shapes):
    embeddings = zoo.load(published.folder, cut="block1").embed(shapes / "bar")
    assert np.asarray(embeddings).shape == (40, 64)
    assert (embeddings.cut, embeddings.size) == ("block1", 32)


def test_evaluate_will_not_call_pictures_a_test_that_may_have_been_learnt(shapes, tmp_path):
    from zoo.evaluation.run_metrics import evaluate

    folder = shutil.copytree(shapes, tmp_path / "pictures")
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(folder)},
        "filters": {"backbone": "vgg11", "cut": "block1", "weights": "random"},
        "training": {"epochs": 1, "batch": 16},
    }
    run = train_recipe(parse_recipe(content, where="the test"), tmp_path / "run")
    assert evaluate(run)["classify"]["accuracy"] == pytest.approx(run.metrics["test"]["classify"]["accuracy"])
    copied = shutil.copytree(folder, tmp_path / "copied", copy_function=shutil.copy)  # with new times
    (copied / ".DS_Store").write_bytes(b"")
    assert evaluate(run, root=copied)["classify"] == evaluate(run)["classify"]
    shutil.copy(folder / "bar" / "bar-000.png", folder / "bar" / "new.png")
    with pytest.raises(UsageError, match=r"1 added \(bar/new\.png\)\. .*`split='all'`"):
        evaluate(run)
    assert evaluate(run, split="all")


def test_a_licence_must_be_known(run, tmp_path):
    with pytest.raises(UsageError, match="`license="):
        zoo.push(run, to=tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_a_backbone_that_is_not_installed_names_its_package(published):
    path = published.folder / "config.json"
    manifest = json.loads(path.read_text())
    manifest["backbone"], manifest["backbone_package"] = "whales/whalenet", "zoo-whales"
    path.write_text(json.dumps(manifest))
    with pytest.raises(MissingPluginError, match="pip install zoo-whales"):
        zoo.load(published.folder)


def test_a_head_that_is_not_installed_leaves_the_filters_usable(published):
    path = published.folder / "config.json"
    manifest = json.loads(path.read_text())
    manifest["heads"][0] |= {"plugin": "count", "package": "zoo-whales"}
    path.write_text(json.dumps(manifest))
    assert zoo.load(published.folder)(images()).shape[1] == 256
    with pytest.raises(MissingPluginError, match="pip install zoo-whales"):
        zoo.load_model(published.folder)


def test_a_moved_folder_still_loads(published, tmp_path):
    moved = shutil.move(published.folder, tmp_path / "elsewhere")
    assert open_artifact(moved).digest == published.digest


def test_the_card_has_the_hubs_metadata(published):
    card = (published.folder / "README.md").read_text()
    assert card.startswith("---\n")
    for line in ("library_name", "feature-filters", "image-feature-extraction", "model-index", "license: apache-2.0"):
        assert line in card
    import yaml

    facts = yaml.safe_load(card.split("---\n")[1])
    assert facts["model-index"][0]["results"][0]["metrics"]


def test_a_notice_goes_along_and_is_kept_by_what_is_made_from_the_filters(run, shapes, tmp_path):
    (tmp_path / "first").write_text("Pictures by Ada.\n")
    base = zoo.push(run, to=tmp_path / "base", license="cc-by-4.0", notice=tmp_path / "first")
    assert (base.folder / "NOTICE").read_text() == "Pictures by Ada.\n"
    assert "NOTICE" in base.manifest.files
    assert "attributions that are to be kept" in (base.folder / "README.md").read_text()
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"name": str(base.folder)},
        "training": {"epochs": 0, "head_epochs": 1},
    }
    made = train_recipe(parse_recipe(content, where="the test"), tmp_path / "made")
    (tmp_path / "second").write_text("More by Grace.")
    published = zoo.push(made, to=tmp_path / "published", license="cc-by-4.0", notice=tmp_path / "second")
    assert (published.folder / "NOTICE").read_text() == "Pictures by Ada.\n\nMore by Grace.\n"


def test_a_notice_that_is_not_there_stops_the_publishing(run, tmp_path):
    with pytest.raises(FileError, match="Name a text file"):
        zoo.push(run, to=tmp_path / "base", license="cc-by-4.0", notice=tmp_path / "nowhere")
    assert not (tmp_path / "base").exists()
