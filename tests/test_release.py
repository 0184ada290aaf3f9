"""From the package to the Hub, into the registry, and by name onto a machine that has neither package nor cache."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fresh_environment import Environment
from hub_server import HubServer

import zoo
from zoo.errors import FetchError, IntegrityError
from zoo.hub import client
from zoo.hub.repositories import PushError
from zoo.store.registry import find
from zoo.store.registry_file import read_registry

ROOT = Path(__file__).parent.parent
FILTERS = ROOT / "plugins" / "zoo-filters"
TOKEN = "hf_" + "x" * 34  # not a real one


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubServer(tmp_path / "hub", token=TOKEN) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(client, "BACK_OFF", 0.02)
        yield server


@pytest.fixture
def release():
    """The script, called with the words after its name."""
    place = FILTERS / "recipes" / "publish.py"
    spec = importlib.util.spec_from_file_location("publish_filters", place)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return lambda *words: script.publish.main([*map(str, words)], standalone_mode=False)


@pytest.fixture
def package(tmp_path):
    """A package of filters, `zoo_old`, and a core's registry that knows them by it."""
    folder = tmp_path / "zoo_old"
    shutil.copytree(ROOT / "tests" / "data" / "version-0.1" / "filters", folder / "old-digits")
    digest = zoo.fetch(folder / "old-digits").digest
    for path, source in (
        (folder / "registry.toml", "./old-digits"),
        (tmp_path / "core.toml", "package:zoo_old/old-digits"),
    ):
        path.write_text(f'# Ours.\nformat = 1\n\n[filters.old-digits]\nsources = ["{source}"]\nmanifest = "{digest}"\n')
    return folder


@pytest.fixture
def words(package):
    return ("tester", "--package", package, "--registry", package.parent / "core.toml", "--tag", "v1")


def test_a_dry_run_sends_nothing_and_writes_nothing(hub, release, package, words, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    before = (package.parent / "core.toml").read_bytes()
    release(*words, "--dry-run")
    said = capsys.readouterr().err
    assert "old-digits: " in said
    assert "Nothing was sent." in said
    assert not [one.path for one in hub.requests if one.method in ("POST", "PUT", "DELETE")]
    assert (package.parent / "core.toml").read_bytes() == before


def test_every_set_is_pushed_tagged_and_registered_before_its_other_sources(hub, release, package, words):
    release(*words)
    entry = read_registry(package.parent / "core.toml")["old-digits"]
    assert entry.sources == (f"hf://tester/old-digits@{hub.commit('tester/old-digits')}", "package:zoo_old/old-digits")
    assert zoo.fetch("tester/old-digits@v1").digest == entry.manifest == zoo.fetch(package / "old-digits").digest
    assert (package.parent / "core.toml").read_text().startswith("# Ours.\n")
    once = (package.parent / "core.toml").read_bytes()
    release(*words)  # again: nothing to change
    assert (package.parent / "core.toml").read_bytes() == once
    assert entry.sources[0].endswith(hub.commit("tester/old-digits"))  # and no other commit


def test_an_older_commit_and_another_owner_make_way_for_the_new_commit(hub, release, package, words):
    path = package.parent / "core.toml"
    path.write_text(path.read_text().replace('["package:', '["hf://elsewhere/old-digits@0a1b", "package:'))
    release(*words)
    assert read_registry(path)["old-digits"].sources == (
        f"hf://tester/old-digits@{hub.commit('tester/old-digits')}",
        "package:zoo_old/old-digits",
    )


def test_filters_without_an_entry_in_the_core_get_one(hub, release, package, words):
    (package.parent / "core.toml").write_text("format = 1\n")
    release(*words)
    entry = read_registry(package.parent / "core.toml")["old-digits"]
    assert (entry.sources[1], entry.cut) == ("package:zoo_old/old-digits", "features.1")


@pytest.mark.parametrize("name", ["core.toml", "zoo_old/registry.toml"])
def test_a_registry_that_promises_other_filters_stops_it_before_anything_is_sent(hub, release, package, words, name):
    path = package.parent / name
    path.write_text(path.read_text().replace("sha256:", "sha256:0000")[:-6] + '"\n')
    with pytest.raises(IntegrityError, match=r"promises sha256:0000.* of old-digits, and its folder has sha256:"):
        release(*words)
    assert hub.requests == []


def test_without_a_token_it_stops_with_nothing_sent(hub, release, words, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PushError, match="nobody is logged in"):
        release(*words)
    assert hub.count("PUT") == 0


def test_the_core_knows_every_set_of_the_package_by_the_same_hash():
    own, core = (read_registry(path) for path in (FILTERS / "zoo_filters" / "registry.toml", ROOT / "registry.toml"))
    folders = {path.parent.name for path in (FILTERS / "zoo_filters").glob("*/config.json")}
    assert {name: one.manifest for name, one in own.items()} == {name: one.manifest for name, one in core.items()}
    assert folders == set(own)


def test_the_cores_registry_and_that_of_the_filters_name_every_package_under_plugins():
    own, filters = (
        tomllib.loads(path.read_text())["plugins"]
        for path in (ROOT / "registry.toml", ROOT / "plugins" / "zoo-filters" / "zoo_filters" / "registry.toml")
    )
    projects = [tomllib.loads(path.read_text())["project"] for path in (ROOT / "plugins").glob("*/pyproject.toml")]
    expected = {
        project["name"]: {
            "summary": project["description"],
            **{group.removeprefix("zoo."): [*points] for group, points in project["entry-points"].items()},
        }
        for project in projects
    }
    assert own == filters == expected


def test_make_publish_asks_for_the_owner_and_passes_all_on():
    def make(*words):
        said = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.ready", "publish", *words]
        # The tests themselves run in make, whose options are in the environment.
        alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(said, cwd=ROOT, env=alone, capture_output=True, text=True, check=True).stdout

    assert "Say to whom: make publish OWNER=name" in make()
    assert make("OWNER=lab", "TAG=v9", "DRY=1").split("publish.py ")[1].split() == ["lab", "--tag", "v9", "--dry-run"]


def test_with_the_hub_down_the_installed_package_serves(hub, release, tmp_path, monkeypatch):
    registry = shutil.copy(ROOT / "registry.toml", tmp_path / "registry.toml")
    release("tester", "--registry", registry)
    monkeypatch.setenv("ZOO_REGISTRY", str(registry))  # goes before the package's own: the Hub is asked first
    hub.forget()
    assert zoo.fetch("vgg16-plankton").source.text.startswith("hf://tester/vgg16-plankton@")
    assert hub.count("GET", "resolve") > 0
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    hub.__exit__(None, None, None)
    assert find("vgg16-plankton").sources[0].startswith("hf://")
    served = zoo.fetch("vgg16-plankton")
    assert served.folder == FILTERS / "zoo_filters" / "vgg16-plankton"
    with pytest.raises(FetchError):
        zoo.fetch("tester/vgg16-plankton")


@pytest.mark.slow
def test_an_empty_machine_without_the_package_fetches_by_name(hub, release, tmp_path, monkeypatch):
    project = tmp_path / "project"
    shutil.copytree(ROOT / "zoo", project / "zoo")
    for name in ("pyproject.toml", "README.md", "LICENSE", "registry.toml"):
        shutil.copy(ROOT / name, project)
    release("tester", "--registry", project / "registry.toml")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("filterzoo-*.whl")

    inner = Environment(tmp_path)
    inner.share_others()
    inner.pip("install", "--no-index", "--no-deps", wheel)
    for name in ("HOME", "ZOO_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nobody" / name.lower()))
    monkeypatch.delenv("HF_TOKEN")
    assert (
        "zoo_filters"
        not in inner.run("-c", "import sys, importlib.util as u; print(u.find_spec('zoo_filters'))").stdout
    )
    commit = hub.commit("tester/vgg16-plankton")
    listed = {one["name"]: one for one in json.loads(inner.zoo("list", "--json").stdout)}
    assert (listed["vgg16-plankton"]["registry"], listed["vgg16-plankton"]["missing_package"]) == ("zoo", None)
    folder = Path(inner.zoo("fetch", "vgg16-plankton").stdout.strip())
    assert folder.parts[-2:] == ("snapshots", commit)
    assert (folder / "model.safetensors").read_bytes() == (
        FILTERS / "zoo_filters" / "vgg16-plankton" / "model.safetensors"
    ).read_bytes()
    assert "golden features: recomputed" in inner.zoo("verify", "vgg16-plankton").stdout

    hub.__exit__(None, None, None)
    assert inner.zoo("fetch", "vgg16-plankton").stdout.strip() == str(folder)  # what was fetched stays
    monkeypatch.setenv("HF_HOME", str(tmp_path / "another"))
    failed = inner.zoo("fetch", "vgg16-plankton", status=1).stderr
    assert failed.count("\n") == 1
    assert "pip install zoo-filters" in failed
