"""timm's networks by name: what they are called, what they are fed with, where their weights lie, what they cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from hub_server import HubServer
from PIL import Image
from safetensors.torch import save
from zoo_timm.backbones import TimmBackbones

import zoo
from zoo.errors import UnknownNameError, UsageError, ZooError
from zoo.models import build_filters
from zoo.networks import backbones, find_backbone

FAMILY = TimmBackbones()
TINY = "test_vit"
REPO = "timm/test_vit.r160_in1k"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubServer(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_timms_networks_are_there_by_timms_names_with_and_without_tags():
    assert len(FAMILY.names()) > 1000
    assert all(name in FAMILY for name in FAMILY.names())
    for name in ("resnet50", "resnet50.a1_in1k", "vit_small_patch14_reg4_dinov2", "vit_small_patch14_dinov2.lvd142m"):
        assert name in FAMILY
    for name in ("resnet50.no_such_training", "resnet51", "vit_small_patch14_reg4_dinov9", "", 3):
        assert name not in FAMILY


def test_a_name_that_torchvision_has_too_means_torchvisions():
    assert find_backbone("resnet50").full_name == "torchvision/resnet50"
    assert find_backbone("timm/resnet50").full_name == "timm/resnet50"
    assert find_backbone("vit_small_patch14_dinov2").full_name == "timm/vit_small_patch14_dinov2"
    assert {"resnet50", "timm/resnet50", "vit_small_patch14_dinov2"} <= set(backbones())


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'timm/vit_small_patch14_dinov2'"):
        find_backbone("timm/vit_smal_patch14_dinov2")
    with pytest.raises(UnknownNameError, match="Did you mean 'convnext_atto'"):
        FAMILY.build("convnext_ato")


def test_the_input_is_that_of_the_weights_which_the_name_means():
    small = FAMILY.input("vit_small_patch16_224")
    assert (small.size, small.mean) == (224, (0.5, 0.5, 0.5))
    dino = FAMILY.input("vit_small_patch16_224.dino")
    assert dino.mean == pytest.approx((0.485, 0.456, 0.406))
    assert FAMILY.input("vit_small_patch14_dinov2").size == 518


@pytest.mark.skipif("vit_base_patch16_sapiens2" not in FAMILY, reason="older versions of timm do not have it")
def test_of_a_size_that_is_no_square_the_shorter_side_counts():
    assert FAMILY.input("vit_base_patch16_sapiens2").size == 768  # of 1024 x 768


def test_only_weights_with_the_names_own_input_are_listed_and_only_timms_safetensors():
    assert FAMILY.weights("vit_small_patch14_dinov2") == {"lvd142m": "hf://timm/vit_small_patch14_dinov2.lvd142m"}
    assert FAMILY.weights("resnet50.tv_in1k") == dict.fromkeys(("imagenet", "tv_in1k"), "hf://timm/resnet50.tv_in1k")
    assert "dino" not in FAMILY.weights("vit_small_patch16_224")  # another mean
    assert set(FAMILY.weights("vit_small_patch16_224.dino")) == {"dino"}
    assert next(iter(FAMILY.weights("resnet50"))) == "imagenet"


@pytest.mark.slow
def test_every_listed_source_is_a_repository_of_timms_and_of_that_network():
    for name in FAMILY.names():
        for source in FAMILY.weights(name).values():
            assert source.startswith("hf://timm/")
            assert source.count("/") == 3


def test_licences_are_timms_own():
    dino = "vit_small_patch14_dinov2"
    assert FAMILY.license(dino, f"hf://timm/{dino}.lvd142m") == "apache-2.0"
    assert FAMILY.license("resnet50", "hf://timm/resnet50.fb_ssl_yfcc100m_ft_in1k") == "cc-by-nc-4.0"
    assert FAMILY.license("resnet50", "hf://somebody/resnet50") == ""


def test_pretrained_weights_come_by_ranges_up_to_the_cut(hub):
    torch.manual_seed(0)
    network = timm.create_model(TINY).eval()
    content = save(network.state_dict())
    commit = hub.add(REPO, {"model.safetensors": content, "pytorch_model.bin": b"\x80\x04cos\nsystem\n"})
    filters = build_filters(f"timm/{TINY}", cut="block1", weights="imagenet").eval()
    assert filters.weights == f"hf://{REPO}@{commit}"
    assert filters.input.size == 160
    kept = sum(tensor.nbytes for tensor in filters.module.state_dict().values())
    assert hub.sent_of("model.safetensors") < 1.01 * kept + 20_000 < len(content)
    assert hub.count("", "pytorch_model.bin") == 0
    images = torch.randint(0, 256, (1, 3, 160, 160), dtype=torch.uint8)
    with torch.no_grad():
        theirs = network.forward_intermediates(filters.normalise(images), indices=[0], intermediates_only=True)[0]
        torch.testing.assert_close(filters(images), theirs)


def test_a_pickle_is_never_opened(hub):
    hub.add(REPO, {"pytorch_model.bin": b"\x80\x04cos\nsystem\n"})
    with pytest.raises(ZooError, match="only safetensors are read"):
        build_filters(f"timm/{TINY}", cut="block1", weights="imagenet")


def test_weights_of_another_training_must_be_named_and_are_listed():
    with pytest.raises(UsageError, match=r"no weights called 'imagenet'.*lvd142m"):
        build_filters("timm/vit_small_patch14_dinov2", cut="block1", weights="imagenet")


@pytest.mark.parametrize(("license", "refused"), [(None, False), ("mit", True)])
def test_a_fine_tuned_networks_licence_is_that_of_timms_weights(hub, tmp_path, monkeypatch, license, refused):
    """`fb_ssl_yfcc100m_ft_in1k` may not be used for commerce: timm says so, and the repository's card does not."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    name = "resnet18.fb_ssl_yfcc100m_ft_in1k"
    hub.add(f"timm/{name}", {"model.safetensors": save(timm.create_model("resnet18").state_dict())})
    for index in range(24):
        path = tmp_path / "pictures" / f"kind{index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (index, 200 * (index % 2), 9)).save(path)
    model = zoo.assemble(
        f"timm/{name}", cut="block1", weights="fb_ssl_yfcc100m_ft_in1k", dataset=tmp_path / "pictures", size=32
    )
    run = zoo.train(model, tmp_path / "pictures", out=tmp_path / "run", head_epochs=1, epochs=0)
    if refused:
        with pytest.raises(UsageError, match=r"cc-by-nc-4\.0, which requires a licence that forbids commerce too"):
            zoo.push(run, to=tmp_path / "filters", license=license)
        return
    zoo.push(run, to=tmp_path / "filters", license=license)
    manifest = zoo.load(tmp_path / "filters").manifest
    assert manifest.lineage.base_license == manifest.license == "cc-by-nc-4.0"
    assert manifest.lineage.weights.startswith(f"hf://timm/{name}@")
    assert manifest.backbone_package == "zoo-timm"
    assert f"timm/{name}" in (tmp_path / "filters" / "README.md").read_text()


@pytest.mark.parametrize("code", ["import zoo", "list", "plugins", "list --json", "cuts vgg16"])
def test_timm_is_not_imported_before_it_is_asked_for(code):
    command = f"sys.argv = ['zoo', *{code.split()!r}]\nfrom zoo.cli.main import main\n"
    command += "try:\n    main()\nexcept SystemExit:\n    pass"
    run = "import zoo" if code == "import zoo" else command
    script = f"import sys\n{run}\nprint('after', *sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("after\n")[2].split())
    assert not {"timm", "zoo_timm"} & loaded
    assert code == "cuts vgg16" or "torch" not in loaded


def test_the_family_keeps_the_contract():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("zoo")), "plugins", "check", "timm"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "parameter names are kept" in done.stdout


def test_a_module_is_a_cut_by_its_name():
    backbone = find_backbone("timm/test_resnet")
    layer = backbone.find_cut("layer2")
    assert (layer.name, layer.node) == ("block3", "layer2")
    inner = backbone.find_cut("layer2.0.conv1")
    assert inner.name == inner.node == "layer2.0.conv1"
    with pytest.raises(UnknownNameError, match="Did you mean 'block5'"):
        backbone.find_cut("block6")
