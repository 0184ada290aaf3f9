"""Low-rank updates: trained in place of the weights, merged without a trace, published as a small delta of a base."""

from __future__ import annotations

import copy
import json
import signal

import pytest
import torch
from hub_server import HubServer
from torch import nn

import zoo
from zoo.errors import FetchError, FileError, IntegrityError, MissingFileError, UsageError
from zoo.hub import client
from zoo.models.building import build_filters
from zoo.models.low_rank import add_updates, base_state, factors_of, merge_updates, restore_factors
from zoo.store.artifact import open_artifact
from zoo.store.local_source import FolderSource
from zoo.store.safetensors import read_tensors, write_tensors
from zoo.store.verification import verify
from zoo.training.finetune import resume, train_recipe
from zoo.training.loop import StoppedError
from zoo.training.recipe import parse_recipe

TOKEN = "hf_" + "x" * 34  # not a real one
BASE, DELTA = "tester/vit-shapes", "tester/vit-shapes-lora"
TINY = """
import zoo
from torchvision.models import VisionTransformer

class Tiny(zoo.Backbones):
    def names(self):
        return ["tiny-vit"]
    def build(self, name):
        return VisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=48, mlp_dim=96, num_classes=4)
    def input(self, name):
        return zoo.Input(size=32)
"""


@pytest.fixture
def tiny(packages):
    packages("zoo-tiny", "[zoo.backbones]\ntiny = zoo_tiny:Tiny\n", module="zoo_tiny", code=TINY)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubServer(tmp_path / "hub", token=TOKEN) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(client, "BACK_OFF", 0.02)
        yield server


@pytest.fixture
def train(shapes, tmp_path, tiny):
    def work(name, *, tell=lambda text: None, **content):
        training = {"head_epochs": 1, "epochs": 2, "batch": 32, "precision": "fp32", **content.pop("training", {})}
        data = {"dataset": "image-folder", "root": str(shapes)}
        recipe = parse_recipe({"size": 32, "data": data, "training": training, **content}, where="the test")
        return train_recipe(recipe, tmp_path / name, device="cpu", tell=tell)

    return work


@pytest.fixture
def base(train, hub):
    """A little transformer that has learnt something, on the Hub."""
    run = train("base", filters={"backbone": "tiny-vit", "cut": "block2", "weights": "random"})
    zoo.push(run, repo=BASE, license="cc-by-4.0", pictures="none")
    return run


@pytest.fixture
def adapted(train, base):
    return train("adapted", filters={"name": BASE}, training={"adapt": {"rank": 2}, "rate": 0.02})


def images(count=3):
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def random_network():
    """Attention of both kinds that there are: one that is called, and one that only lends its weights."""
    torch.manual_seed(0)
    return nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()


def test_a_new_update_changes_nothing_and_merging_changes_nothing_more():
    network = nn.ModuleDict({"self_attn": nn.Linear(16, 48), "mlp": nn.Linear(48, 8)})
    given = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))

    def run():
        return network["mlp"](network["self_attn"](given))

    before, names = run(), set(network.state_dict())
    add_updates(network, rank=3, layers="attention", seed=0)
    assert torch.equal(run(), before)
    assert {name for name, one in network.named_parameters() if one.requires_grad} == {
        f"self_attn.parametrizations.weight.0.lora_{factor}" for factor in "AB"
    }
    factors = {name: torch.randn_like(one) for name, one in factors_of(network).items()}
    restore_factors(network, factors)
    unmerged, kept = run(), base_state(network)
    assert set(kept) == names
    assert {name: tuple(one.shape) for name, one in factors_of(network).items()} == {
        "self_attn.weight.lora_A": (3, 16),
        "self_attn.weight.lora_B": (48, 3),
    }
    merge_updates(network)
    assert set(network.state_dict()) == names
    assert torch.allclose(run(), unmerged, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(run(), before, atol=1e-2)
    change = network["self_attn"].weight - kept["self_attn.weight"]
    assert torch.linalg.matrix_rank(change, atol=1e-4) == 3
    assert all(one.requires_grad for one in network.parameters())


@pytest.mark.parametrize(("layers", "count"), [("attention", 2), ("all", 4)])
def test_multihead_attention_is_updated_where_its_weights_lie(layers, count):
    network, given = random_network(), torch.randn(2, 5, 16)
    network = nn.ModuleDict({"attention": network.self_attn, "first": network.linear1, "second": network.linear2})
    before = copy.deepcopy(network)
    add_updates(network, rank=2, layers=layers, seed=0)
    assert len(factors_of(network)) == 2 * count
    with torch.no_grad():
        for name, one in network.named_parameters():
            if name.endswith("lora_B"):
                one.normal_()
        here, there = (one["attention"](given, given, given)[0] for one in (network, before))
        assert not torch.allclose(here, there, atol=1e-3)
        merge_updates(network)
        assert torch.allclose(network["attention"](given, given, given)[0], here, atol=1e-5)


def test_only_the_update_is_trained(adapted, base):
    before, after = (zoo.load(str(one.folder)).module.state_dict() for one in (base, adapted))
    factors = read_tensors(FolderSource(adapted.folder), "factors.safetensors")
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {name.rpartition(".lora_")[0] for name in factors}
    assert all("self_attention" in name for name in changed)
    assert len(changed) == 4
    for name in changed:
        merged = before[name] + factors[f"{name}.lora_B"] @ factors[f"{name}.lora_A"]
        assert torch.allclose(after[name], merged, atol=1e-6)
        assert (after[name] - before[name]).abs().max() > 1e-3  # it has learnt
    assert adapted.history[-1]["stage"] == "filters"


def test_a_delta_is_small_brings_its_base_and_loads_like_any_filters(adapted, hub, tmp_path, monkeypatch):
    pushed = zoo.push(adapted, repo=DELTA, license="cc-by-4.0", pictures="none")
    delta = pushed.manifest.delta
    assert pushed.manifest.format_version == 2
    assert delta.base == open_artifact(BASE).source.text
    whole = open_artifact(BASE).manifest.files["model.safetensors"].size
    assert pushed.manifest.files["model.safetensors"].size < 0.15 * whole
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere" / "hf"))
    published = zoo.fetch(DELTA)
    assert verify(published)
    loaded, trained = zoo.load(DELTA, offline=True), zoo.load(str(adapted.folder))
    with torch.no_grad():
        assert torch.allclose(loaded(images()), trained(images()), atol=1e-5)
        early = zoo.load(DELTA, cut="block1", offline=True)
        assert torch.allclose(early(images()), trained.truncate("block1")(images()), atol=1e-5)
    model = zoo.load_model(DELTA, offline=True)
    here, there = (one.predict(images())["classify"] for one in (model, adapted.load_model()))
    assert torch.allclose(here, there, atol=1e-5)
    assert "low-rank update" in published.read_file("README.md", limit=10**6).decode()


def test_the_first_block_of_a_delta_is_fetched_alone(adapted, hub, tmp_path, monkeypatch):
    zoo.push(adapted, repo=DELTA, license="cc-by-4.0", pictures="none")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere" / "hf"))
    zoo.fetch(DELTA, cut="block1")
    assert zoo.load(DELTA, cut="block1", offline=True)(images()).shape[:2] == (3, 48)
    with pytest.raises(FetchError, match="offline"):
        zoo.load(DELTA, offline=True)


def test_another_base_is_never_merged(adapted, hub, tmp_path):
    folder = zoo.push(adapted, to=tmp_path / "published", license="cc-by-4.0", pictures="none").folder
    said = json.loads((folder / "config.json").read_text())
    name = next(name for name in said["delta"]["tensors"] if "self_attention" in name)
    said["delta"]["tensors"][name] = "0" * 64
    (folder / "config.json").write_text(json.dumps(said))
    with pytest.raises(IntegrityError, match=r"are not what was updated \(sha256\)"):
        zoo.load(str(folder))


def test_factors_that_do_not_fit_are_refused(adapted, hub, tmp_path):
    folder = zoo.push(adapted, to=tmp_path / "published", license="cc-by-4.0", pictures="none").folder
    tensors = read_tensors(FolderSource(folder), "model.safetensors")
    first = next(name for name in tensors if name.endswith("lora_A"))
    changed = {**{name: one.clone() for name, one in tensors.items()}, first: torch.zeros(2, 7)}
    header = write_tensors(folder / "model.safetensors", changed)
    said = json.loads((folder / "config.json").read_text())
    said["header_sha256"] = header.digest
    said["files"]["model.safetensors"]["size"] = (folder / "model.safetensors").stat().st_size
    (folder / "config.json").write_text(json.dumps(said))
    with pytest.raises(IntegrityError, match=r"the update of .* has factors"):
        zoo.load(str(folder))


def test_a_delta_is_a_start_but_no_checkpoint(adapted, train, hub):
    zoo.push(adapted, repo=DELTA, license="cc-by-4.0", pictures="none")
    further = train("further", filters={"name": DELTA}, training={"epochs": 1})
    assert further.done
    with pytest.raises(UsageError, match="holds no weights of its own"):
        build_filters("tiny-vit", cut="block2", weights=f"hf://{DELTA}")
    nested = train("nested", filters={"name": DELTA}, training={"adapt": {}})
    with pytest.raises(UsageError, match="is an update itself"):
        zoo.push(nested, repo="tester/nested", license="cc-by-4.0", pictures="none")
    whole = zoo.push(nested, repo="tester/nested", license="cc-by-4.0", pictures="none", merged=True)
    assert whole.manifest.delta is None
    assert whole.manifest.format_version == 1
    with torch.no_grad():
        assert torch.equal(zoo.load("tester/nested")(images()), zoo.load(str(nested.folder))(images()))


def test_a_checkpoint_of_the_hub_is_a_base_too(train, base, hub, tmp_path):
    weights = {f"model.{name}": one for name, one in zoo.load(BASE).module.state_dict().items()}
    write_tensors(tmp_path / "weights.safetensors", weights)
    hub.add("tester/checkpoint", {"model.safetensors": (tmp_path / "weights.safetensors").read_bytes()})
    filters = {"backbone": "tiny-vit", "cut": "block2", "weights": "hf://tester/checkpoint"}
    run = train("adapted", filters=filters, training={"adapt": {"layers": "all"}})
    pushed = zoo.push(run, repo=DELTA, license="cc-by-4.0", base_license="cc-by-4.0", pictures="none")
    assert pushed.manifest.delta.base.startswith("hf://tester/checkpoint@")
    with torch.no_grad():
        assert torch.allclose(zoo.load(DELTA)(images()), zoo.load(str(run.folder))(images()), atol=1e-5)


def test_a_base_on_this_disk_only_cannot_be_pointed_at(train, base):
    run = train("adapted", filters={"name": str(base.folder)}, training={"adapt": {}})
    with pytest.raises(UsageError, match="on this disk only"):
        zoo.push(run, repo=DELTA, license="cc-by-4.0", base_license="cc-by-4.0", pictures="none")


def test_what_the_base_asks_to_be_kept_cannot_be_taken_away(train, base, hub, tmp_path):
    notice = tmp_path / "NOTICE"
    notice.write_text("Shapes by the Institute of Shapes.\n")
    zoo.push(base, repo="tester/noted", license="cc-by-4.0", pictures="none", notice=notice)
    zoo.fetch("tester/noted")
    run = train("adapted", filters={"name": "tester/noted"}, training={"adapt": {}})
    pushed = zoo.push(run, to=tmp_path / "published", license="cc-by-4.0", pictures="none")
    assert "Institute of Shapes" in (pushed.folder / "NOTICE").read_text()
    with pytest.raises(UsageError, match="authors stay named"):
        zoo.push(run, repo=DELTA, license="cc0-1.0", pictures="none")
    (pushed.folder / "NOTICE").unlink()
    with pytest.raises(MissingFileError, match="NOTICE"):  # neither by hand, and copied,
        zoo.push(str(pushed.folder), repo=DELTA)
    cached = zoo.fetch("tester/noted").folder / "NOTICE"
    cached.resolve().write_text("Nobody.\n")
    with pytest.raises(UsageError, match="asks that its NOTICE is kept"):  # nor in the cache
        zoo.push(run, repo=DELTA, license="cc-by-4.0", pictures="none")


def test_a_stopped_training_of_an_update_goes_on_as_if_nothing_had_happened(train, base, tmp_path):
    training = {"adapt": {"rank": 2}, "epochs": 3}
    whole = train("whole", filters={"name": BASE}, training=training)

    def stop(text):
        if "fine-tuning 2/" in text:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError):
        train("stopped", filters={"name": BASE}, training=training, tell=stop)
    going_on = resume(tmp_path / "stopped", device="cpu")
    for name in ("filters", "heads", "factors"):
        files = [one.folder / f"{name}.safetensors" for one in (whole, going_on)]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("filters", "training", "words"),
    [
        ({"backbone": "vgg11", "cut": "block1"}, {"adapt": {}}, "an adapter needs learnt weights"),
        ({"name": BASE}, {"adapt": {"rank": 0}}, r"training.adapt.rank.*got 0"),
        ({"name": BASE}, {"adapt": {"kind": "prefix"}}, r"training.adapt.kind"),
        ({"name": BASE}, {"adapt": {"ranks": 4}}, r"'training\.adapt\.ranks'. Did you mean 'training\.adapt\.rank'"),
        ({"name": BASE}, {"adapt": {}, "retrain": "none"}, "leaves them as they are"),
    ],
)
def test_what_cannot_be_adapted_is_said_before_anything_is_written(train, tmp_path, filters, training, words):
    filters = {"weights": "random", **filters} if "backbone" in filters else filters
    with pytest.raises(FileError, match=words):
        train("adapted", filters=filters, training=training)
    assert not (tmp_path / "adapted").exists()


def test_convolutions_are_not_updated(train, hub, tmp_path):
    run = train("vgg", filters={"backbone": "vgg11", "cut": "block1", "weights": "random"}, training={"epochs": 1})
    with pytest.raises(UsageError, match=r"An adapter needs linear layers of attention, and these filters have none"):
        train("adapted", filters={"name": str(run.folder)}, training={"adapt": {}})
    assert not (tmp_path / "adapted").exists()
