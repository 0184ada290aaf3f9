"""Filters from checkpoints: only the tensors needed are read, wherever they lie; nothing is made up."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import CommandLine
from hub_server import HubServer
from safetensors.torch import save

import zoo
from zoo.errors import FetchError, FileError, IntegrityError, UnknownNameError, UsageError, ZooError
from zoo.models.building import build_filters


def checkpoint(name: str = "vgg11") -> tuple[torch.nn.Module, bytes]:
    """A whole network with random weights, and its safetensors."""
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model(name, weights=None).eval()
    return network, save({key: tensor.contiguous() for key, tensor in network.state_dict().items()})


@pytest.fixture
def images():
    return torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubServer(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_imagenet_weights_come_from_the_hub_by_ranges(hub, images):
    network, content = checkpoint("resnet18")
    hub.add("timm/resnet18.tv_in1k", {"model.safetensors": content})
    filters = build_filters("resnet18", cut="block2", weights="imagenet").eval()
    kept = sum(tensor.nbytes for tensor in filters.module.state_dict().values())
    sent = sum(request.sent for request in hub.requests)
    assert sent < 0.1 * len(content)
    assert sent < 1.01 * kept + 40_000  # the header
    with torch.no_grad():
        stem = network.maxpool(network.relu(network.bn1(network.conv1(filters.normalise(images)))))
        assert torch.allclose(filters(images), network.layer1(stem), atol=1e-6)


def test_a_checkpoint_without_batch_counters_loads(tmp_path):
    from torchvision.models import vgg11_bn

    tensors = {key: value for key, value in vgg11_bn().state_dict().items() if not key.endswith("num_batches_tracked")}
    (tmp_path / "model.safetensors").write_bytes(save(tensors))
    assert build_filters("vgg11_bn", cut="block2", weights=str(tmp_path / "model.safetensors"))


def test_weights_of_a_file_are_not_shared_with_it(tmp_path):
    _, content = checkpoint()
    path = tmp_path / "vgg.safetensors"
    path.write_bytes(content)
    filters = build_filters("vgg11", cut="block1", weights=str(path))
    with torch.no_grad():
        filters.module.features[0].weight.zero_()
    assert path.read_bytes() == content


def test_a_dead_network_is_said_and_nothing_is_made_up(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(FetchError, match="Check the network"):
            build_filters("vgg16", cut="block3", weights="imagenet")


def test_offline_is_said_at_once(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ZooError, match=r"offline|OFFLINE"):
        build_filters("vgg16", cut="block3", weights="imagenet")


def test_a_checkpoint_of_another_network_names_what_is_missing(tmp_path):
    _, content = checkpoint("resnet18")
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"features\.0\.weight"):
        build_filters("vgg11", cut="block1", weights=str(tmp_path))


def test_a_truncated_checkpoint_is_named(tmp_path):
    _, content = checkpoint()
    (tmp_path / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(IntegrityError, match=r"damaged|ended|do not lie"):
        build_filters("vgg11", cut="block1", weights=str(tmp_path))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("imagnet", "`weights="),
        ("weights.pth", "only safetensors are read"),
        ("nowhere/model.safetensors", "there is no such file"),
    ],
)
def test_weights_that_cannot_be_had_are_said(weights, message):
    with pytest.raises(ZooError, match=message):
        build_filters("vgg16", cut="block3", weights=weights)


def test_a_cut_that_does_not_exist_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'block3'"):
        build_filters("vgg16", cut="blok3", weights="random")


def test_a_backbone_that_does_not_exist_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'vgg16'"):
        build_filters("vgg166", cut="block3", weights="random")


def test_random_weights_depend_on_the_seed_alone():
    one, same, other = (build_filters("vgg11", cut="block2", weights="random", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one["features.0"], same["features.0"])
    assert not torch.equal(one["features.0"], other["features.0"])


def test_random_weights_are_drawn_as_the_whole_network_draws_them():
    from torchvision.models import vgg11

    ours = build_filters("vgg11", cut="block5", weights="random")["features.18"].std().item()
    assert ours == pytest.approx(vgg11().features[18].weight.std().item(), rel=0.02)


def test_filters_say_what_they_take(images):
    filters = build_filters("vgg11", cut="block1", weights="random")
    with pytest.raises(UsageError, match="first axis"):
        filters(images[0])


def test_uint8_and_float_pictures_give_the_same_features(images):
    filters = build_filters("vgg11", cut="block2", weights="random").eval()
    with torch.no_grad():
        assert torch.allclose(filters(images), filters(images / 255), atol=1e-6)


@pytest.mark.parametrize(("name", "cut"), [("resnet18", "block3"), ("vit_b_16", "block2"), ("swin_t", "block2")])
def test_features_are_maps_whatever_the_network(name, cut):
    filters = build_filters(name, cut=cut, weights="random").eval()
    shape = filters.feature_shape()
    with torch.no_grad():
        features = filters(torch.zeros(1, 3, 224, 224))
    assert features.shape == (1, shape.channels, shape.height, shape.width)
    assert shape.height * filters.cut.stride == 224


def test_nan_pictures_are_not_hidden(images):
    filters = build_filters("vgg11", cut="block1", weights="random")
    assert filters(images / 255 * float("nan")).isnan().any()


def test_most_similar_finds_the_picture_itself_under_another_name(tmp_path, shapes):
    folder = shutil.copytree(shapes, tmp_path / "pictures")
    original = sorted((folder / "disc").iterdir())[3]
    twin = shutil.copy(original, folder / "disc" / "twin.png")
    embeddings = build_filters("vgg11", cut="block2", weights="random", size=32).embed(folder)
    path, cosine = embeddings.most_similar(str(original), 1)[0]
    assert path == str(twin)
    assert cosine > 0.999


@pytest.mark.parametrize("k", [0, -1, 120, 1000])
def test_k_must_lie_within_the_set(shapes, k):
    embeddings = build_filters("vgg11", cut="block1", weights="random", size=32).embed(shapes)
    with pytest.raises(UsageError, match="k cannot be"):
        embeddings.most_similar(0, k)


def test_embeddings_are_written_as_parquet_with_the_filters_identity(shapes, tmp_path):
    import pyarrow.parquet as pq

    embeddings = build_filters("vgg11", cut="block1", weights="random", size=32).embed(shapes / "bar")
    embeddings.save(tmp_path / "vectors.parquet")
    table = pq.read_table(tmp_path / "vectors.parquet")
    assert table.num_rows == 40
    assert table.schema.metadata[b"zoo.filters"] == b"vgg11-block1"
    with pytest.raises(UsageError, match=r"parquet or \.npy"):
        embeddings.save(tmp_path / "vectors.txt")


def test_unreadable_pictures_stop_an_embedding_or_are_listed(shapes, tmp_path):
    folder = shutil.copytree(shapes / "bar", tmp_path / "pictures")
    (folder / "broken.png").write_bytes(b"")
    filters = build_filters("vgg11", cut="block1", weights="random", size=32)
    with pytest.raises(ZooError, match=r"broken\.png"):
        filters.embed(folder)
    embeddings = filters.embed(folder, skip_unreadable=True)
    assert len(embeddings) == 40
    assert "broken.png" in embeddings.skipped[0]


def test_a_public_shortcut_embeds_too(shapes):
    filters = build_filters("vgg11", cut="block1", weights="random", size=32)
    assert zoo.embed(filters, shapes / "bar").vectors.shape == (40, 64)


# ------------------------------------------------------------------------------------------------ a run's folder


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    data = zoo.open_dataset("image-folder", shapes)
    filters = build_filters("vgg11", cut="block2", weights="random", size=32)
    model = zoo.assemble(filters, dataset=data)
    return zoo.train(model, data, out=tmp_path_factory.mktemp("runs") / "my shapes", epochs=1)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path, run):
    """Commands beside a run called `shapes`."""
    shutil.copytree(run.folder, tmp_path / "shapes")
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


def test_a_run_is_loaded_as_published_filters_are(run, shapes, tmp_path):
    filters, model = zoo.load(run.folder), zoo.load_model(run.folder)
    published = zoo.load(zoo.push(run, to=tmp_path / "published", license="mit").folder)
    vectors = filters.embed(shapes / "bar").vectors
    assert np.array_equal(vectors, published.embed(shapes / "bar").vectors)
    assert np.array_equal(vectors, zoo.embed(run.folder, shapes / "bar").vectors)
    assert model.temperatures == run.load_model().temperatures != {}
    assert zoo.load(run.folder, cut="block1").cut.name == "block1"
    assert (filters.name, filters.weights) == ("my-shapes", str(run.folder))
    assert filters.manifest.lineage.weights == "random"
    assert {path.name for path in run.folder.iterdir()}.isdisjoint({"config.json", "model.safetensors"})


@pytest.mark.parametrize(
    "words",
    [
        ("info", "shapes"),
        ("fetch", "shapes"),
        ("verify", "shapes"),
        ("embed", "PICTURES", "--filters", "shapes", "-o", "vectors.npy"),
        ("show", "shapes", "--steps", 1, "--channels", 1, "--layer", "block1"),
        ("predict", "shapes", "PICTURES/bar"),
        ("registry", "add", "mine", "shapes"),
        ("train", "image-folder", "--data", "PICTURES", "--filters", "shapes", "--epochs", 0, "--head-epochs", 1),
        ("train", "shapes", "--epochs", 0, "--head-epochs", 1, "--out", "more"),
        ("push", "shapes", "--to", "published", "--license", "mit", "--no-pictures"),
        ("gallery", "shapes", "--quick"),
        ("probe", "image-folder", "--data", "PICTURES", "--filters", "shapes"),
        ("rank", "image-folder", "--data", "PICTURES", "--filters", "shapes"),
    ],
    ids=lambda words: " ".join(map(str, words[:2])),
)
def test_a_run_is_taken_wherever_filters_are(words, command, shapes):
    if package := {"gallery": "zoo_gallery", "probe": "zoo_probe", "rank": "zoo_probe"}.get(words[0]):
        pytest.importorskip(package)
    answer = command(*(str(word).replace("PICTURES", str(shapes)) for word in words))
    assert answer.status == 0, answer.err


def test_a_run_is_gone_on_from_and_its_recipe_trains_as_it_did(command):
    few = ("--epochs", 1, "--head-epochs", 1, "--out")
    folder = Path("shapes").resolve()
    said = f"Starting from {folder}: filters up to block2; head classify kept for 3 of 3 classes.\n"
    assert said in command("train", "shapes", *few, "more").err
    assert (
        f"Starting from {folder}: filters up to block1; all heads new"
        in command(*("train", "shapes", "--cut", "block1", *few, "less")).err
    )
    assert "Starting from random weights: " in command("train", "shapes/recipe.toml", *few, "again").err


def test_a_picture_is_looked_up_in_what_a_run_embedded(command, shapes, tmp_path):
    shutil.copy(next((shapes / "bar").iterdir()), tmp_path / "new.png")
    command("embed", shapes, "--filters", "shapes", "-o", "vectors.parquet")
    assert "1.0000" in command("similar", "new.png", "--in", "vectors.parquet").out


@pytest.mark.parametrize("take", [zoo.load, zoo.load_model, zoo.fetch, lambda run: zoo.embed(run, "photos")])
def test_a_run_that_is_not_finished_is_not_loaded(take, run, tmp_path):
    folder = Path(shutil.copytree(run.folder, tmp_path / "run"))
    zoo.open_run(folder).note(status="stopped")
    with pytest.raises(FileError, match=r"run: this run is not done\. Run `zoo resume .*run`\.$"):
        take(folder)


def test_a_run_that_lacks_a_part_or_is_damaged_says_so(run, tmp_path):
    folder = Path(shutil.copytree(run.folder, tmp_path / "run"))
    raw = bytearray((folder / "filters.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "filters.safetensors").write_bytes(raw)
    with pytest.raises(IntegrityError, match="are not those that were promised"):
        zoo.load(folder)
    (folder / "filters.safetensors").unlink()
    with pytest.raises(FileError, match=r"a part of this run is missing .*filters\.safetensors"):
        zoo.load(folder)
    (folder / "run.json").write_text("{}")
    with pytest.raises(FileError, match=r"run\.json: it is damaged"):
        zoo.load(folder)


def test_a_run_that_went_on_from_ones_own_is_published_as_the_first_is(run, shapes, tmp_path):
    data = zoo.open_dataset("image-folder", shapes)
    more = zoo.train(run.load_model(), data, out=tmp_path / "more", epochs=0, head_epochs=1)
    published = zoo.push(more, to=tmp_path / "published", license="mit", pictures="none")
    lineage = published.manifest.lineage
    assert (lineage.base, lineage.weights) == ("my-shapes", "random")
    assert lineage.base_manifest == zoo.fetch(run.folder).digest
    assert str(tmp_path) not in (tmp_path / "published" / "recipe.toml").read_text()
