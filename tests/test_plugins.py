"""Plugins: found without being imported, isolated when they break, checked by the kit, missed with a remedy."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Literal

import click
import lazy_loader
import pytest
import torch
from command_line import CommandLine
from fresh_environment import Environment
from torch import nn
from torchmetrics import MeanAbsoluteError, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

import zoo
from zoo.errors import AmbiguousNameError, FileError, PluginError, UnknownNameError, UsageError
from zoo.files import sha256_of
from zoo.plugins import GROUPS, check_options, clear_plugin_cache, describe_options, find_plugin, find_plugins
from zoo.testing import check_backbones, check_balancer, check_dataset, check_head, check_plugin, write_plugin

ROOT = Path(__file__).parent.parent


# ------------------------------------------------------------------------------------------------ discovery


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


WORKING = '''
import zoo
class Whales(zoo.Dataset):
    """Flukes by whale."""
    targets = {"whale": zoo.Categories(("a", "b"))}
    def __init__(self, *, pictures: int = 4): self.pictures = pictures
    def prepare(self, root, progress=None): ...
    def __len__(self): return self.pictures
    def __getitem__(self, index): ...
'''


def test_a_package_is_found_by_its_metadata_and_not_imported(packages):
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n")  # there is no such module at all
    plugin = find_plugin("dataset", "whales")
    assert (plugin.package, plugin.version, plugin.target) == ("zoo-whales", "1.2", "zoo_whales:Whales")
    assert plugin.full_name == "zoo-whales:whales"


def test_the_cores_own_plugins_come_first(packages):
    packages("aaa", "[zoo.datasets]\naaa = aaa:Aaa\n")
    assert find_plugins("dataset")[0].full_name == "filterzoo:image-folder"


def test_loading_imports_the_plugin(packages):
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n", module="zoo_whales", code=WORKING)
    assert issubclass(find_plugin("dataset", "whales").load(), zoo.Dataset)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("class Whales\n", "SyntaxError"),
        ("raise RuntimeError('one line\\n\\nand another')\n", "RuntimeError: one line and another"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("x = 1\n", "AttributeError"),
    ],
)
def test_a_plugin_that_does_not_import_is_named_with_its_package_and_cause(packages, code, cause):
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n", module="zoo_whales", code=code)
    with pytest.raises(PluginError, match="'whales' of the package zoo-whales does not import") as caught:
        find_plugin("dataset", "whales").load()
    assert cause in str(caught.value)
    assert "pip install --upgrade zoo-whales" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_plugin_harms_no_other(packages, command):
    packages("zoo-broken", "[zoo.datasets]\nbroken = zoo_broken:B\n[zoo.heads]\nbroken = zoo_broken:H\n")
    packages("zoo-broken-nets", "[zoo.backbones]\nbroken = zoo_broken:N\n")
    packages("zoo-broken-names", "[zoo.registries]\nbroken = zoo_broken\n")
    assert find_plugin("dataset", "image-folder").load()
    assert "vgg16" in zoo.backbones()
    listed = command("data", "list")
    assert listed.status == 0
    assert "No module named 'zoo_broken'" in listed.out
    assert "image-folder" in listed.out
    names = command("list")
    assert names.status == 0
    assert "zoo-broken-names" in names.err


def test_metadata_without_a_name_harms_nothing(packages, tmp_path):
    info = tmp_path / "installed" / "~oo_whales-1.0.dist-info"  # what pip leaves of a package it could not remove
    info.mkdir()
    (info / "entry_points.txt").write_text("[zoo.datasets]\nghost = ghost:Ghost\n")
    clear_plugin_cache()
    assert find_plugin("dataset", "image-folder").load()
    assert find_plugin("dataset", "ghost").package == "unknown"


def test_two_packages_with_one_name_must_be_told_apart(packages):
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n", module="zoo_whales", code=WORKING)
    packages("other-whales", "[zoo.datasets]\nwhales = other_whales:Whales\n")
    with pytest.raises(AmbiguousNameError, match="'other-whales:whales' or 'zoo-whales:whales'"):
        find_plugin("dataset", "whales")
    assert find_plugin("dataset", "zoo-whales:whales").load().__name__ == "Whales"
    assert find_plugin("dataset", "other-whales:whales").package == "other-whales"


def test_an_unknown_plugin_brings_the_nearest_name(packages):
    packages("zoo-whales", "[zoo.datasets]\nwhales = zoo_whales:Whales\n")
    with pytest.raises(UnknownNameError, match="Did you mean 'whales'"):
        find_plugin("dataset", "whale")
    with pytest.raises(UnknownNameError, match="Did you mean 'zoo-whales:whales'"):
        find_plugin("dataset", "zoo-whale:whales")
    with pytest.raises(UnknownNameError, match="Run `zoo plugins`"):
        find_plugin("head", "xyzzy")


def test_the_listing_shows_every_plugin_and_who_clashes(packages, command):
    for package, module in (("zoo-whales", "zoo_whales"), ("other-whales", "other_whales")):
        packages(package, f"[zoo.datasets]\nwhales = {module}:Whales\n", module=module, code=WORKING)
    listed = json.loads(command("plugins", "--json").out)
    assert {"kind", "name", "package", "version", "target", "requires", "problem"} == set(listed[0])
    problems = {entry["package"]: entry["problem"] for entry in listed}
    assert problems["filterzoo"] is None
    assert problems["zoo-whales"] == "Several packages have a dataset called 'whales'; say zoo-whales:whales."
    assert "other_whales" not in sys.modules


def test_the_listing_imports_only_when_asked_and_then_says_what_breaks(packages, command):
    packages("zoo-broken", "[zoo.heads]\nbroken = zoo_broken:Head\n", module="zoo_broken", code="import no_such\n")
    plain = command("plugins")
    assert "broken" in plain.out
    assert "problem" not in plain.out
    assert "--load" in plain.err
    loaded = command("plugins", "list", "--load")
    assert loaded.status == 0
    assert "the package zoo-broken does not import: ModuleNotFoundError" in loaded.out


def test_the_doctor_reports_broken_plugins(packages, command):
    packages("zoo-broken", "[zoo.heads]\nbroken = zoo_broken:Head\n")
    facts = json.loads(command("doctor", "--json").out)
    assert any("zoo-broken" in problem for problem in facts["problems"])


# ------------------------------------------------------------------------------------------------ options


class Choosy:
    """Options of every kind."""

    def __init__(
        self,
        *,
        count: int = 1,
        share: float = 0.5,
        fast: bool = False,
        shade: Literal["grey", "colour"] = "grey",
        depth: Literal[8, 16] = 8,
        sizes: list[int] = (),  # type: ignore[assignment]
        corner: tuple[int, float] = (0, 0.0),
        names: tuple[str, ...] = (),
        folder: Path | None = None,
        label: str | None = None,
    ) -> None:
        self.given = locals()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "3", 3),
        ("count", 3.0, 3),
        ("share", "0.25", 0.25),
        ("share", 1, 1.0),
        ("fast", "yes", True),
        ("fast", "False", False),
        ("fast", True, True),
        ("shade", "colour", "colour"),
        ("depth", "16", 16),
        ("sizes", "1, 2,3", [1, 2, 3]),
        ("sizes", [4, 5], [4, 5]),
        ("sizes", "", []),
        ("corner", "3,0.5", (3, 0.5)),
        ("names", "a,b", ("a", "b")),
        ("folder", "a/b", Path("a/b")),
        ("folder", "none", None),
        ("label", "x", "x"),
        ("label", None, None),
    ],
)
def test_an_options_text_becomes_a_value_of_its_type(name, text, value):
    checked = check_options(Choosy, {name: text}, of="the test")
    assert checked == {name: value}
    assert type(checked[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", "three"),
        ("count", 2.5),
        ("count", True),
        ("share", "half"),
        ("share", False),
        ("fast", "perhaps"),
        ("fast", 1),
        ("shade", "pink"),
        ("sizes", "1,x"),
        ("sizes", 5),
        ("corner", "1,2,3"),
        ("label", 5),
    ],
)
def test_an_option_of_another_type_is_refused_with_what_it_takes(name, value):
    with pytest.raises(UsageError, match=rf"The option '{name}' of the test cannot be .*: {name}=.*\("):
        check_options(Choosy, {name: value}, of="the test")


def test_an_unknown_option_brings_the_nearest_and_all_that_there_are():
    with pytest.raises(UsageError, match=r"No option is called 'shde'\. Did you mean 'shade'\?") as caught:
        check_options(Choosy, {"shde": "grey"}, of="the test")
    assert "shade=grey (grey|colour)" in str(caught.value)
    assert "label=None (str | None)" in str(caught.value)


def test_all_faults_of_options_are_said_at_once():
    with pytest.raises(UsageError, match=r"'nothing'.*'count'"):
        check_options(Choosy, {"nothing": 1, "count": "x"}, of="the test")


def test_a_plugin_without_options_says_so():
    class Plain:
        """Takes nothing."""

    with pytest.raises(UsageError, match=r"The options of the dataset 'plain': none\."):
        check_options(Plain, {"x": "1"}, of="the dataset 'plain'")


def test_an_option_without_a_default_must_be_given():
    class Strict:
        def __init__(self, *, count: int) -> None:
            self.count = count

    with pytest.raises(UsageError, match=r"'count' of the test must be given: count \(int, required\)"):
        check_options(Strict, {}, of="the test")


def test_type_hints_that_cannot_be_resolved_are_the_plugins_fault():
    class Vague:
        def __init__(self, *, count: NoSuchType = 1) -> None:  # noqa: F821
            self.count = count

    with pytest.raises(PluginError, match=r"Vague cannot be read: name 'NoSuchType' is not defined\. Correct"):
        describe_options(Vague)


# ------------------------------------------------------------------------------------------------ the kit


class Squares(zoo.Dataset):
    """A good dataset; the tests spoil copies of it."""

    targets = {"label": zoo.Categories(("bright", "dark"))}  # noqa: RUF012

    def __init__(self, *, pictures: int = 6) -> None:
        self.pictures = pictures

    def prepare(self, root, progress=None):
        pass

    def __len__(self):
        return self.pictures

    def __getitem__(self, index):
        return zoo.Sample(image=torch.zeros(3, 8, 9, dtype=torch.uint8), targets={"label": index % 2})


def spoilt_dataset(**changes):
    return type("Spoilt", (Squares,), changes)()


def sample(image=None, **targets):
    image = torch.zeros(3, 8, 9, dtype=torch.uint8) if image is None else image
    return lambda self, index: zoo.Sample(image=image, targets=targets)


def grow(self, root, progress=None):
    self.pictures += 1


def turn_round(self, root, progress=None):
    kept = getattr(self, "turned", 0)
    self.turned = kept + 1
    type(self).__getitem__ = lambda self, index: zoo.Sample(
        image=torch.full((3, 8, 9), self.turned if index else 0, dtype=torch.uint8), targets={"label": 0}
    )


def rename_classes(self, root, progress=None):
    self.calls = getattr(self, "calls", 0) + 1
    self.targets = {"label": zoo.Categories(("bright", f"dark {self.calls}"))}


def fail(self, *_):
    raise ValueError("that\nwent wrong")


def test_the_kit_accepts_a_good_dataset(tmp_path):
    assert check_dataset(Squares(), tmp_path)[0] == "6 pictures"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"prepare": grow}, "another number of pictures"),
        ({"prepare": fail}, "prepare raises ValueError: that went wrong"),
        ({"prepare": turn_round}, "sample 3 is another one when it is read again"),
        ({"prepare": rename_classes}, "other targets or splits when it is called again"),
        ({"__len__": lambda self: 0}, "no pictures after prepare"),
        ({"targets": {}}, "targets is empty"),
        ({"targets": {"label": ("a", "b")}}, "'label' is a tuple, no target"),
        ({"targets": {"label": zoo.Categories(("a", "b", "a"))}}, "classes of one name: a"),
        ({"__getitem__": fail}, "reading sample 0 raises ValueError"),
        ({"__getitem__": lambda self, index: torch.zeros(3)}, "sample 0 is a Tensor, no zoo.Sample"),
        ({"__getitem__": sample(torch.zeros(3, 8, 9))}, "is torch.float32, not uint8"),
        ({"__getitem__": sample(torch.zeros(8, 9, 3, dtype=torch.uint8))}, r"is \(8, 9, 3\), not \(3, H, W\)"),
        ({"__getitem__": sample(label=2)}, "sample 0: the target 'label' is 2, not the number of a class, 0 to 1"),
        ({"__getitem__": sample(other=1)}, "a target 'other' that the dataset does not list"),
        (
            {"targets": {"box": zoo.Box()}, "__getitem__": sample(box=[1, 2])},
            r"'box' is \[1, 2\], not the four finite numbers",
        ),
        (
            {"targets": {"size": zoo.Number("m")}, "__getitem__": sample(size=float("nan"))},
            "sample 0: the target 'size' is nan, not a finite number",
        ),
        ({"targets": {"size": zoo.Number("m")}, "__getitem__": sample(size="3.5")}, "is '3.5', not a finite number"),
        (
            {"targets": {"what": zoo.Multilabel(("a", "b"))}, "__getitem__": sample(what=[1])},
            r"'what' is \[1\], not 2 numbers",
        ),
        ({"splits": {"train": [0, 1], "test": [1]}}, "the split 'test' shares pictures"),
        ({"splits": {"train": [6]}}, "names pictures that do not exist"),
        ({"splits": {"dev": [0]}}, "a split 'dev'"),
        ({"__init__": lambda self, *, pictures: None}, "the option 'pictures' has no default"),
    ],
)
def test_the_kit_names_a_datasets_broken_promise(changes, fault, tmp_path):
    dataset = Squares.__new__(type("Spoilt", (Squares,), changes))
    dataset.pictures = 6
    with pytest.raises(PluginError, match=f"The contract is broken: .*{fault}"):
        check_dataset(dataset, tmp_path)


class Linear(zoo.Head):
    """A good head; the tests spoil copies of it."""

    def __init__(self, shape, target, *, bias: bool = True) -> None:
        super().__init__(shape, target)
        self.layer = nn.Linear(shape.channels, len(target.names), bias=bias)

    def reduce(self, features):
        return features.mean(dim=(2, 3))

    def forward(self, reduced):
        return self.layer(reduced)

    def loss(self, output, target):
        return nn.functional.cross_entropy(output, target)

    def predict(self, output):
        return output.softmax(dim=1)

    def metrics(self):
        return MetricCollection({"accuracy": MulticlassAccuracy(len(self.target.names))})


def test_the_kit_accepts_a_good_head():
    assert check_head(Linear) == [
        "learns Categories",
        "loss and gradients are finite, at extremes too",
        "a small problem is learnt, and the same again from a seed",
        "metrics: accuracy",
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"learns": int}, "no kind of target"),
        ({"learns": zoo.Number}, "building it with its defaults raises AttributeError"),
        ({"reduce": lambda self, features: features.mean(dim=(0, 2, 3))}, "one row a picture"),
        ({"forward": fail}, "forward raises ValueError: that went wrong"),
        ({"loss": lambda self, output, target: output.sum(dim=1)}, "no finite scalar"),
        ({"loss": lambda self, output, target: output.sum() / 0}, "no finite scalar"),
        ({"loss": lambda self, output, target: self.layer.bias.sum()}, "some parameters get no gradient"),
        ({"predict": lambda self, output: output[:3]}, r"predict gives \(3, 3\) where \(6, 3\) is due"),
        ({"metrics": lambda self: MetricCollection({})}, "metrics is empty"),
        ({"watch": "log_loss"}, "watch is 'log_loss', which is none of the metrics: accuracy"),
        (
            {"loss": lambda self, output, target: -output.softmax(1).gather(1, target[:, None]).log().mean()},
            r"the loss of features times 10000 is (inf|nan)",
        ),
        (
            {
                "forward": lambda self, reduced: self.layer(reduced / reduced.norm(dim=1, keepdim=True)),
            },
            "the loss of features times 0 is nan",
        ),
        (
            {"loss": lambda self, output, target: -nn.functional.cross_entropy(-output, target) * 0 + output.sum() * 0},
            "100 steps of Adam on a small problem leave its loss at",
        ),
        (
            {"loss": lambda self, output, target: Linear.loss(self, output, target) * (1 + random.random())},
            "built and trained again from the same seed it has another loss",
        ),
    ],
)
def test_the_kit_names_a_heads_broken_promise(changes, fault):
    with pytest.raises(PluginError, match=f"The contract is broken: .*{fault}"):
        check_head(type("Spoilt", (Linear,), changes))


class Length(zoo.Head):
    """A head for a number that forgets to leave its last axis out."""

    learns = zoo.Number

    def __init__(self, shape, target) -> None:
        super().__init__(shape, target)
        self.layer = nn.Linear(shape.channels, 1)

    def forward(self, reduced):
        return self.layer(reduced.mean(dim=(2, 3)))

    def loss(self, output, target):
        return nn.functional.mse_loss(output, target)

    def predict(self, output):
        return output

    def metrics(self):
        return MetricCollection({"error": MeanAbsoluteError()})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, r"predict gives \(6, 1\) where \(6,\) is due; squeeze\(1\) it"),
        (
            {"predict": lambda self, output: output.squeeze(1)},
            r"loss, given an output \(6, 1\) and a target \(6,\), raises",
        ),
    ],
)
def test_a_number_with_an_axis_too_many_is_named_before_torch_stretches_it(changes, fault):
    with pytest.raises(PluginError, match=fault):
        check_head(type("Spoilt", (Length,), changes))
    squeezed = {"forward": lambda self, reduced: Length.forward(self, reduced).squeeze(1)}
    assert check_head(type("Mended", (Length,), squeezed))[0] == "learns Number"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"combine": lambda self, losses: sum(losses.values()) * random.random()},
            "another scalar for the same losses",
        ),
        (
            {"combine": lambda self, losses: torch.stack([one.log() * 1e38 for one in losses.values()]).exp().sum()},
            "no f",
        ),
        ({"combine": lambda self, losses: next(iter(losses.values()))}, "without a finite gradient"),
    ],
)
def test_the_kit_names_a_balancers_broken_promise(changes, fault):
    with pytest.raises(PluginError, match=f"The contract is broken: .*{fault}"):
        check_balancer(type("Spoilt", (zoo.Balancer,), changes))


class Millimetres:
    """A type of a plugin's own."""


def test_an_option_of_a_type_of_ones_own_is_the_plugins_fault(tmp_path):
    class Measured(Squares):
        def __init__(self, *, unit: Millimetres = Millimetres()) -> None:  # noqa: B008
            super().__init__()

    with pytest.raises(PluginError, match=r"An option is typed Millimetres, which no recipe .* can say\. Type it int"):
        check_dataset(Measured(), tmp_path)
    with pytest.raises(PluginError, match="typed Millimetres"):
        check_options(Measured, {"unit": "3"}, of="the dataset 'measured'")


def test_an_options_default_is_of_its_type(tmp_path):
    class Wrong(Squares):
        def __init__(self, *, side: int = "large") -> None:
            super().__init__()

    with pytest.raises(UsageError, match="'side' of Wrong, by its own default cannot be 'large'"):
        check_dataset(Wrong(), tmp_path)


@pytest.mark.parametrize(
    ("source", "good"), [("./filters", True), ("./gone", False), ("package:zoo_gone/x", False), ("hf://a/b", True)]
)
def test_a_registry_is_checked_down_to_the_folders_that_it_names(source, good, packages, tmp_path, command):
    packages("zoo-named", "[zoo.registries]\nnamed = zoo_named\n")
    folder = tmp_path / "installed" / "zoo_named"
    shutil.copytree(Path(__file__).parent / "data" / "version-0.1" / "filters", folder / "filters")
    pin = f"sha256:{sha256_of(folder / 'filters' / 'config.json')}"
    (folder / "registry.toml").write_text(f'format = 1\n[filters.old]\nsources = ["{source}"]\nmanifest = "{pin}"\n')
    answer = command("plugins", "check", "named")
    if good:
        verified = int(source == "./filters")
        assert answer.out == (
            f"registry named: filters: old\nregistry named: all pinned; {verified} on this disk verified\n"
        )
    else:
        assert f"names 'old' from '{source}', which cannot be used" in answer.fault


class Nets(zoo.Backbones):
    """A good family; the tests spoil copies of it."""

    def names(self):
        return ["tiny"]

    def build(self, name):
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU())

    def input(self, name):
        return zoo.Input(size=16)


def test_the_kit_accepts_a_good_family_of_backbones():
    assert check_backbones(Nets())[0] == "1 network"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"names": lambda self: []}, "names no networks"),
        ({"names": fail}, "names raises ValueError"),
        ({"__contains__": lambda self, name: False}, "'tiny' is listed, but `in` says no"),
        ({"build": fail}, "building 'tiny' raises ValueError"),
        (
            {"build": lambda self, name: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to_empty(device="cpu")},
            "allocates parameters",
        ),
        ({"cuts": lambda self, name: []}, "'tiny' has no cuts"),
        ({"truncated": lambda self, name, cut: nn.ModuleDict({"stem": nn.Conv2d(3, 4, 3)})}, "renames parameters"),
    ],
)
def test_the_kit_names_a_familys_broken_promise(changes, fault):
    with pytest.raises(PluginError, match=f"The contract is broken: .*{fault}"):
        check_backbones(type("Spoilt", (Nets,), changes)())


@pytest.mark.parametrize(("group", "kind"), [("datasets", "dataset"), ("heads", "head"), ("backbones", "backbones")])
def test_the_kit_refuses_what_is_no_plugin_at_all(packages, group, kind):
    packages("zoo-odd", f"[zoo.{group}]\nodd = zoo_odd:Odd\n", module="zoo_odd", code="class Odd: ...\n")
    with pytest.raises(PluginError, match=r"zoo_odd:Odd is no subclass of zoo\."):
        list(check_plugin(find_plugin(kind, "odd")))


def test_checking_from_the_command_line_says_what_holds(command):
    answer = command("plugins", "check", "classify")
    assert answer.status == 0
    assert "head classify: loss and gradients are finite" in answer.out


def test_a_dataset_that_needs_a_folder_is_checked_with_one(command, shapes):
    assert "--data DIR" in command("plugins", "check", "image-folder").fault
    assert "120 pictures" in command("plugins", "check", "image-folder", "--data", shapes).out


# ------------------------------------------------------------------------------------------------ a first plugin


def test_written_packages_are_whole_and_their_tests_pass(tmp_path):
    folders = {kind: write_plugin(f"whale-{kind}", tmp_path / kind, kind=kind) for kind in GROUPS}
    for kind, folder in folders.items():
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        ((name, target),) = project["entry-points"][GROUPS[kind]].items()
        assert (name, target.partition(":")[0]) == (f"whale-{kind}", f"zoo_whale_{kind}")
        assert {"README.md", "LICENSE", "tests"} <= {path.name for path in folder.iterdir()}
        assert "$" not in "".join(path.read_text() for path in folder.rglob("*.*"))
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(one / "tests" for one in folders.values())]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders.values()))}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert f"{len(GROUPS)} passed" in done.stdout, done.stdout


@pytest.mark.parametrize("name", ["Whales", "9lives", "whale_calls", "a--b", "-a", "none", "wal é", "../up"])
def test_a_plugin_cannot_have_any_name(name, tmp_path):
    with pytest.raises(UsageError, match="lower-case letters, digits and dashes"):
        write_plugin(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_written_plugin_replaces_nothing(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match="it is there already"):
        write_plugin("whales", tmp_path)


# ------------------------------------------------------------------------------------------------ the proof

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "zoo-bricks"
version = "0.3"
dependencies = ["filterzoo>=0.2,<0.3"]
[project.entry-points."zoo.datasets"]
bricks = "zoo_bricks:Bricks"
[project.entry-points."zoo.heads"]
ruler = "zoo_bricks:Ruler"
[tool.hatch.build.targets.wheel]
only-include = ["zoo_bricks.py"]
"""

MODULE = '''
import torch
import zoo
from torchmetrics import MeanAbsoluteError, MetricCollection
from torchmetrics.classification import MulticlassAccuracy


class Bricks(zoo.Dataset):
    """Bricks that lie and bricks that stand."""
    targets = {"pose": zoo.Categories(("lying", "standing"))}
    def __init__(self, *, pictures: int = 48):
        self.pictures = pictures
    def prepare(self, root, progress=None):
        pass
    def __len__(self):
        return self.pictures
    def __getitem__(self, index):
        image = torch.zeros(3, 32, 32, dtype=torch.uint8)
        image[:, index % 20 : index % 20 + 8, 4:28] = 200
        image = image.transpose(1, 2).contiguous() if index % 2 else image
        return zoo.Sample(image=image, targets={"pose": index % 2})


class Ruler(zoo.Head):
    """One linear layer."""
    def __init__(self, shape, target, *, bias: bool = True):
        super().__init__(shape, target)
        self.layer = torch.nn.Linear(shape.channels, len(target.names), bias=bias)
    def reduce(self, features):
        return features.mean(dim=(2, 3))
    def forward(self, reduced):
        return self.layer(reduced)
    def loss(self, output, target):
        return torch.nn.functional.cross_entropy(output, target)
    def predict(self, output):
        return output.softmax(dim=1)
    def metrics(self):
        return MetricCollection({"accuracy": MulticlassAccuracy(len(self.target.names))})
'''

STOP_AT_ONCE = """
import os, signal
from zoo.training.finetune import train_recipe
from zoo.training.recipe import read_recipe
stop = lambda what, *_: what == "fine-tuning" and os.kill(os.getpid(), signal.SIGTERM)
train_recipe(read_recipe(__import__("pathlib").Path("runs/bricks/recipe.toml")), "runs/stopped", progress=stop)
"""

LOAD_AND_EMBED = """
import torch, zoo
filters = zoo.load("bricks")
print(filters.embed("photos").vectors.shape, [cut.name for cut in filters.cuts])
"""


@pytest.mark.slow
def test_a_plugin_that_the_core_never_heard_of_works_and_is_missed_by_name_when_it_is_gone(tmp_path, shapes):
    inner = Environment(tmp_path)
    inner.share_ours()
    (tmp_path / "zoo-bricks").mkdir()
    (tmp_path / "zoo-bricks" / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "zoo-bricks" / "zoo_bricks.py").write_text(MODULE)
    (tmp_path / "photos").symlink_to(shapes / "disc")
    inner.pip("install", "--no-index", "--no-deps", "--no-build-isolation", "./zoo-bricks")

    listed = json.loads(inner.zoo("plugins", "--json").stdout)
    ours = [(entry["kind"], entry["name"], entry["version"]) for entry in listed if entry["package"] == "zoo-bricks"]
    assert ours == [("dataset", "bricks", "0.3"), ("head", "ruler", "0.3")]
    start = ("--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--size", 32, "--epochs", 2)
    inner.zoo("train", "bricks", *start, "--head", "ruler:bias=no", "--set", "pictures=40", "--out", "runs/bricks")
    inner.zoo("push", "runs/bricks", "--to", "published/bricks", "--license", "cc0-1.0")
    inner.zoo("registry", "add", "bricks", "published/bricks")
    assert inner.zoo("fetch", "bricks").stdout.strip().endswith("published/bricks")
    embedded = inner.run("-c", LOAD_AND_EMBED).stdout
    assert "(40, 128) ['block1', 'block2']" in embedded
    answers = inner.zoo("predict", "bricks", "photos").stdout.splitlines()
    assert (len(answers), answers[0]) == (41, "image,class,probability,second,second_probability")
    assert "StoppedError" in inner.run("-c", STOP_AT_ONCE, status=1).stderr
    scored = json.loads(inner.zoo("evaluate", "runs/bricks", "--json").stdout)
    assert set(scored["figures"]["ruler"]) >= {"accuracy"}

    inner.pip("uninstall", "-y", "zoo-bricks")
    assert "zoo-bricks" not in inner.zoo("plugins", "--json").stdout
    assert inner.run("-c", LOAD_AND_EMBED).stdout == embedded
    inner.zoo("verify", "bricks")
    for words in (["predict", "bricks", "photos"], ["evaluate", "runs/bricks"], ["resume", "runs/stopped"]):
        missed = inner.zoo(*words, status=1).stderr
        assert "pip install zoo-bricks" in missed, words
        assert missed.count("\n") == 1, words
    missed = inner.run("-c", "import zoo; zoo.load_model('bricks')", status=1).stderr
    assert "'bricks' needs the head 'ruler', which is not installed. Run `pip install zoo-bricks`." in missed


def test_a_wheel_carries_the_registry_and_lists_it_from_a_fresh_environment(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("filterzoo-*.whl")
    assert {"zoo/registry.toml", "zoo/py.typed"} <= set(zipfile.ZipFile(wheel).namelist())
    inner = Environment(tmp_path)
    inner.share_ours()
    inner.pip("install", "--no-index", "--no-deps", wheel)
    (inner.site / "shared.pth").unlink()
    for library in (click, lazy_loader):  # all that a listing needs
        (inner.site / library.__name__).symlink_to(Path(library.__file__).parent)
    place = inner.run("-c", "import zoo.store.registry; print(zoo.store.registry.__file__)").stdout
    assert Path(place.strip()).is_relative_to(inner.site)
    listed = json.loads(inner.zoo("list", "--json").stdout)
    known = tomllib.loads((ROOT / "registry.toml").read_text()).get("filters", {})
    assert [entry["name"] for entry in listed] == sorted(known)
    assert all(entry["registry"] == "zoo" for entry in listed)
