"""A run goes to the Hub as one commit, whole or not at all, and comes back bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import CommandLine
from hub_server import HubServer

import zoo
from zoo.errors import FetchError, FileError, IntegrityError, UsageError, ZooError, ZooWarning
from zoo.hub import client
from zoo.hub.repositories import PushError
from zoo.hub.search import search_hub
from zoo.publish.privacy import PrivacyError
from zoo.store.artifact import open_artifact
from zoo.store.record import BaseRecord
from zoo.store.registry import find
from zoo.store.registry_editing import add_entry
from zoo.store.registry_file import RegistryEntry, read_registry
from zoo.store.verification import verify
from zoo.training.finetune import train_recipe
from zoo.training.recipe import parse_recipe

REPO = "tester/vgg11-shapes"
TOKEN = "hf_" + "x" * 34  # not a real one


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    before = os.environ.get("ZOO_HOME")
    os.environ["ZOO_HOME"] = str(place / "home")
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
        "training": {"head_epochs": 2, "epochs": 1, "batch": 32},
    }
    yield train_recipe(parse_recipe(content, where="the test"), place / "run")
    os.environ["ZOO_HOME"] = before or ""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubServer(tmp_path / "hub", token=TOKEN) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(client, "BACK_OFF", 0.02)
        yield server


@pytest.fixture
def push(run):
    def work(given=None, **wishes):
        return zoo.push(given or run, **{"repo": REPO, "license": "apache-2.0", **wishes})

    return work


@pytest.fixture
def published(run, tmp_path):
    return zoo.push(run, to=tmp_path / "published", license="apache-2.0")


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


def images(count=2, side=32):
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def commits(hub, branch="main"):
    repo = hub.store.repo(REPO)
    return [one.title for one in hub.store.history(repo, hub.store.commit(repo, branch).sha)]


def put_bytes(hub):
    return sum(request.received for request in hub.requests if request.method == "PUT")


def written(hub):
    """Requests that change something at the server."""
    quiet = ("validate-yaml", "paths-info")
    return [
        one.path for one in hub.requests if one.method in ("POST", "PUT", "DELETE") and not one.path.endswith(quiet)
    ]


def changed(pushed):
    return {one.name: one.what for one in pushed.changes if one.what != "same"}


# ------------------------------------------------------------------------------------------------ there and back


@pytest.fixture(scope="module")
def repeat(run, tmp_path_factory):
    """The recipe of the run with another seed."""
    return train_recipe(run.recipe.model_copy(update={"seed": 3}), tmp_path_factory.mktemp("repeat") / "run")


def test_repeats_are_published_beside_the_metrics_and_in_the_card(run, repeat, command, tmp_path):
    answer = command("push", run.folder, "--to", tmp_path / "out", "--license", "mit", "--repeat", repeat.folder)
    assert answer.status == 0
    (said,) = json.loads((tmp_path / "out" / "metrics.json").read_text())["repeats"]
    accuracy = repeat.metrics["test"]["classify"]["accuracy"]
    assert (said["seed"], said["figures"]["test"]["classify"]["accuracy"]) == (3, accuracy)
    assert "confusion" not in said["figures"]["test"]["classify"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"| test, classify, seed 3 | {accuracy:.4f} |" in card
    assert f"| test, classify, seed 0 | {run.metrics['test']['classify']['accuracy']:.4f} |" in card


def test_what_is_no_repeat_is_refused_with_the_command_that_trains_one(run, repeat, tmp_path):
    def push(*repeats):
        zoo.push(run, to=tmp_path / "out", license="mit", repeats=repeats)

    with pytest.raises(UsageError, match=r"is no repeat of .*: its seed is not new\. Train one: `zoo train --recipe"):
        push(repeat, repeat.folder)
    with pytest.raises(UsageError, match="its seed is not new"):
        push(run)
    longer = run.recipe.training.model_copy(update={"head_epochs": 3})
    other = train_recipe(run.recipe.model_copy(update={"seed": 4, "training": longer}), tmp_path / "other")
    with pytest.raises(UsageError, match="it differs in more than the seed"):
        push(other)
    with pytest.raises(UsageError, match="it is not done"):
        push(replace(repeat, record=repeat.record.model_copy(update={"status": "stopped"})))
    assert not (tmp_path / "out").exists()


def test_filters_that_are_published_take_no_repeats(published, repeat, tmp_path):
    with pytest.raises(UsageError, match="`repeats=`"):
        zoo.push(published, to=tmp_path / "copy", repeats=(repeat,))


def test_what_is_pushed_comes_back_bit_for_bit_on_another_machine(hub, push, run, tmp_path):
    pushed = push()
    fetched = zoo.fetch(REPO, cache_dir=tmp_path / "another")
    assert fetched.digest == pushed.digest
    assert fetched.source.text == f"hf://{REPO}@{pushed.commit}"
    assert verify(fetched)
    filters = zoo.load(fetched.folder)
    assert torch.equal(filters(images()), run.load_model().filters(images()))


def test_a_push_is_one_commit(hub, push):
    push(message="The first")
    assert commits(hub)[:-1] == ["The first"]
    assert hub.count("POST", "/commit/") == 1


def test_a_second_push_of_the_same_changes_nothing(hub, push):
    first = push()
    hub.forget()
    second = push()
    assert (second.commit, second.digest, second.is_changed) == (first.commit, first.digest, False)
    assert written(hub) == []


def test_unchanged_files_are_not_sent_again(hub, push):
    push()
    hub.forget()
    again = push(about="Three shapes.")
    assert changed(again) == {"README.md": "changed", "config.json": "changed"}
    assert put_bytes(hub) == 0


def test_large_files_are_sent_once(hub, push):
    pushed = push()
    large = [one.size for one in pushed.changes if one.name.endswith((".safetensors", ".png"))]
    assert put_bytes(hub) == sum(large)


def test_files_that_are_no_longer_published_go_and_a_persons_stay(hub, push):
    push()
    hub.add(REPO, {"notes.txt": b"mine"})
    without = push(heads=False)
    assert changed(without)["heads.safetensors"] == "removed"
    names = [name for name, _ in hub.list(REPO)]
    assert "heads.safetensors" not in names
    assert "notes.txt" in names


def test_a_published_folder_goes_up_as_it_is(hub, published):
    pushed = zoo.push(published.folder, repo=REPO)
    assert pushed.digest == published.digest
    assert zoo.fetch(REPO).digest == published.digest


def test_a_damaged_folder_does_not_go_up(hub, published):
    (published.folder / "metrics.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"metrics.json"):
        zoo.push(published.folder, repo=REPO)
    assert written(hub) == []


def test_a_published_folder_takes_no_wishes_of_a_run(hub, published):
    with pytest.raises(UsageError, match=r"published already and goes up as it is. Leave `name=`, `license=` out"):
        zoo.push(published.folder, repo=REPO, name="other", license="mit")


def test_folder_and_repository_get_the_same_files(hub, push, tmp_path):
    pushed = push(to=tmp_path / "folder")
    assert pushed.published.folder == tmp_path / "folder"
    assert pushed.published.digest == pushed.digest
    assert [one for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_folder_and_repository_agree_where_a_persons_readme_stays(hub, push, tmp_path):
    hub.add(REPO, {"README.md": b"# Mine\n"})
    pushed = push(to=tmp_path / "folder")
    assert (tmp_path / "folder" / "README.md").read_bytes() == b"# Mine\n"
    assert pushed.published.digest == pushed.digest == open_artifact(REPO).digest


def test_a_repository_is_copied_from_what_was_fetched(hub, push):
    pushed = push()
    assert zoo.push(zoo.fetch(REPO), repo="tester/copy").digest == pushed.digest


def files_of(hub, repo):
    return {name: path.read_bytes() for name, path in hub.list(repo) if name != ".gitattributes"}


def test_a_mirror_has_the_same_files_and_digest_and_a_card_that_says_where_it_is_from(hub, push):
    pushed = push(license="cc-by-4.0", base_license="mit")
    mirrored = zoo.push(f"hf://{REPO}", repo="tester/mirror")
    assert mirrored.digest == pushed.digest
    ours, theirs = files_of(hub, "tester/mirror"), files_of(hub, REPO)
    note = ours.pop("README.md").removeprefix(theirs.pop("README.md")).decode()
    assert f"A copy, byte for byte, of `hf://{REPO}@{pushed.commit}`." in note
    assert ours == theirs
    assert zoo.push("tester/mirror", repo="tester/mirrored-again").digest == pushed.digest
    assert files_of(hub, "tester/mirrored-again") == files_of(hub, "tester/mirror")


def test_a_mirror_is_fetched_and_verified_as_the_original_is(hub, push, tmp_path, monkeypatch):
    pushed = push()
    zoo.push(REPO, repo="tester/mirror")
    entry = replace(pushed.entry, sources=("hf://tester/mirror",))  # with the original's pin
    monkeypatch.setenv("ZOO_REGISTRY", str(add_entry(entry, tmp_path / "registry.toml")))
    with warnings.catch_warnings(action="error"):
        fetched = zoo.fetch(entry.name)
    assert "edited" not in " ".join(verify(fetched))
    assert zoo.push(fetched.folder, to=tmp_path / "folder").digest == pushed.digest


def test_a_mirror_is_brought_up_to_date_by_the_next_push(hub, push):
    push()
    zoo.push(REPO, repo="tester/mirror")
    pushed = push(about="Something new.")
    assert zoo.push(REPO, repo="tester/mirror").digest == pushed.digest
    assert pushed.commit in files_of(hub, "tester/mirror")["README.md"].decode()


def test_fetched_filters_are_mirrored_into_a_folder_too(hub, push, tmp_path):
    pushed = push()
    mirrored = zoo.push(REPO, to=tmp_path / "mirror")
    assert (mirrored.folder, mirrored.digest) == (tmp_path / "mirror", pushed.digest)
    assert mirrored.manifest.lineage == pushed.manifest.lineage
    assert f"of `hf://{REPO}@{pushed.commit}`" in (tmp_path / "mirror" / "README.md").read_text()


def test_a_name_that_stands_for_a_folder_is_mirrored_under_its_name(published, tmp_path, monkeypatch):
    entry = RegistryEntry(name="shapes", sources=(str(published.folder),), manifest=published.digest)
    monkeypatch.setenv("ZOO_REGISTRY", str(add_entry(entry, tmp_path / "registry.toml")))
    mirrored = zoo.push("shapes", to=tmp_path / "mirror")
    assert mirrored.digest == published.digest
    assert (mirrored.folder / "README.md").read_text().endswith("A copy, byte for byte, of `shapes`.\n")
    assert str(tmp_path) not in (mirrored.folder / "README.md").read_text()


def test_the_command_mirrors_a_name_of_a_registry(hub, push, command, tmp_path, monkeypatch):
    pushed = push()
    monkeypatch.setenv("ZOO_REGISTRY", str(add_entry(replace(pushed.entry, name="shapes"), tmp_path / "registry.toml")))
    assert command("push", "shapes", "--repo", "tester/mirror").status == 0
    assert open_artifact("tester/mirror").digest == pushed.digest
    assert (
        "No set of filters is called 'shaped'. Did you mean 'shapes'?" in command("push", "shaped", "--to", "x").fault
    )


def test_a_run_that_is_not_there_is_not_looked_for_on_the_hub(hub, run):
    with pytest.raises(FileError, match=r"no run lies here"):
        zoo.push(run.folder.parent / "typo", repo=REPO)
    assert hub.requests == []


def test_progress_is_told_in_bytes(hub, push):
    told = []
    pushed = push(progress=lambda what, done, total=None, note="": told.append((what, done, total)))
    sent = [(done, total) for what, done, total in told if what == "sending"]
    assert {total for _, total in sent} == {pushed.size}
    assert sent[-1][0] == pushed.size


def test_a_run_knows_what_its_base_has_learnt_from(run, shapes, tmp_path):
    base = zoo.push(run, to=tmp_path / "base", license="cc-by-nc-4.0", dataset_license="cc-by-nc-4.0")
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"name": str(base.folder), "cut": "block1"},
        "training": {"head_epochs": 1, "epochs": 0, "batch": 32},
    }
    again = train_recipe(parse_recipe(content, where="the test"), tmp_path / "again")
    licence = "cc-by-nc-4.0"
    assert again.record.base == BaseRecord(name="base", license=licence, dataset_license=licence)
    with pytest.raises(UsageError, match=r"the pictures that the base was trained on are cc-by-nc-4.0"):
        zoo.push(again, to=tmp_path / "p", license="mit", base_license="mit")


def test_the_entry_is_pinned_to_the_commit_and_the_manifest(hub, push):
    pushed = push(about="Three shapes.")
    entry = pushed.entry
    assert entry.sources == (f"hf://{REPO}@{hub.commit(REPO)}",)
    assert entry.manifest == pushed.digest == open_artifact(REPO).digest
    assert (entry.name, entry.cut, entry.license) == ("vgg11-shapes", "block2", "apache-2.0")


# ------------------------------------------------------------------------------------------------ the card


def test_the_hub_shows_what_was_pushed(hub, push, run):
    from huggingface_hub import HfApi

    push()
    info = HfApi(endpoint=hub.url).model_info(REPO)
    parameters = sum(one.numel() for one in run.load_model().filters.module.parameters())
    assert info.safetensors.total == parameters
    assert {"zoo", "feature-filters", "license:apache-2.0"} <= set(info.tags)
    assert (info.library_name, info.pipeline_tag) == ("zoo", "image-feature-extraction")
    assert info.card_data.license == "apache-2.0"
    figures = {(one.dataset_split, one.metric_type): one.metric_value for one in info.card_data.eval_results}
    assert figures["test", "accuracy"] == run.metrics["test"]["classify"]["accuracy"]


def test_a_search_finds_the_backbone_and_the_cut_of_what_was_pushed(hub, push):
    push()
    (found,) = search_hub(["shapes", "block2"])
    assert (found.repo, found.backbone, found.cut) == (REPO, "vgg11", "block2")


def test_the_card_parses_back_to_the_same_results(hub, run, push, tmp_path):
    from huggingface_hub import ModelCard

    pushed = push(to=tmp_path / "folder")
    card = ModelCard.load(pushed.published.folder / "README.md")
    results = {(one.task_type, one.dataset_split, one.metric_name) for one in card.data.eval_results}
    assert ("image-classification", "test", "accuracy of classify") in results
    assert card.data.datasets is None  # a folder of somebody's is no dataset of the Hub's
    assert {one.dataset_name for one in card.data.eval_results} == {run.record.dataset.title}
    assert f"- data: `{run.record.dataset.title}`, read by `image-folder` of" in card.text
    assert f'zoo.load("{REPO}")' in card.text


def test_weights_of_the_hub_are_the_base_model_and_their_licence_is_asked_for(hub, run, push, tmp_path):
    hub.add("timm/vgg11.tv_in1k", {"README.md": b"---\nlicense: bsd-3-clause\n---\n"})
    pushed = push(other_start(run, tmp_path, weights="hf://timm/vgg11.tv_in1k@" + "0" * 40), license=None)
    assert pushed.manifest.license == pushed.manifest.lineage.base_license == "bsd-3-clause"
    card = dict(hub.list(REPO))["README.md"].read_text()
    assert "base_model: timm/vgg11.tv_in1k" in card
    assert "base_model_relation: finetune" in card


def test_a_base_that_is_not_on_the_hub_is_named_in_the_text_only(hub, run, push, tmp_path):
    base = BaseRecord(name="my-own", license="mit")
    push(other_start(run, tmp_path, weights="package:mine/my-own", base=base))
    card = dict(hub.list(REPO))["README.md"].read_text()
    assert "base_model" not in card
    assert "fine-tuned from `my-own`, which has no repository of its own on the Hub" in card


def test_a_dataset_that_the_hub_could_not_have_is_left_out_of_the_metadata(hub, run, push, tmp_path):
    push(other_start(run, tmp_path, dataset=run.record.dataset.model_copy(update={"name": "my pictures"})))
    assert "datasets:" not in dict(hub.list(REPO))["README.md"].read_text()


def other_start(run, tmp_path, **facts):
    """The same run, as if it had begun with something else."""
    folder = tmp_path / "other-run"
    shutil.copytree(run.folder, folder)
    return replace(run, folder=folder).note(**facts)


# ------------------------------------------------------------------------------------------------ a person's README


def edit_the_card(hub):
    """As people do on its page, after the push."""
    card = dict(hub.list(REPO))["README.md"].read_bytes() + b"\nBy hand.\n"
    hub.add(REPO, {"README.md": card})
    return card


def test_a_card_that_was_edited_on_its_page_is_a_warning_and_no_fault(hub, push):
    push()
    card = edit_the_card(hub)
    with pytest.warns(ZooWarning, match=r"its README.md was edited after these filters were published"):
        fetched = zoo.fetch(REPO)
    assert (fetched.folder / "README.md").read_bytes() == card
    assert "README.md: edited since on the Hub" in verify(fetched)
    with pytest.warns(ZooWarning):
        assert zoo.fetch(REPO, offline=True).folder == fetched.folder


def test_an_edited_card_that_is_damaged_in_the_cache_is_fetched_again(hub, push):
    push()
    card = edit_the_card(hub)
    with pytest.warns(ZooWarning):
        path = zoo.fetch(REPO).folder / "README.md"
    path.write_bytes(card[:-1] + b"!")
    with pytest.warns(ZooWarning):
        zoo.fetch(REPO)
    assert path.read_bytes() == card


def test_any_other_file_that_was_changed_on_its_page_is_refused(hub, push):
    push()
    hub.add(REPO, {"recipe.toml": b"size = 1\n"})
    with pytest.raises(IntegrityError, match=r"recipe.toml: its size is 9 bytes, the manifest promises"):
        zoo.fetch(REPO)


def test_a_copy_of_filters_with_an_edited_card_pins_the_edited_one(hub, push):
    push()
    card = edit_the_card(hub)
    with pytest.warns(ZooWarning):
        copied = zoo.push(zoo.fetch(REPO), repo="tester/copy")
    assert copied.manifest.files["README.md"].sha256 == hashlib.sha256(card).hexdigest()
    assert zoo.fetch("tester/copy").digest == copied.digest


def test_a_readme_that_a_person_wrote_stays_and_is_pinned(hub, push):
    mine = b"---\ntags: [feature-filters]\n---\n# Mine\n\nYears of work.\n"
    hub.add(REPO, {"README.md": mine})
    pushed = push()
    assert dict(hub.list(REPO))["README.md"].read_bytes() == mine
    assert pushed.manifest.files["README.md"].sha256 == hashlib.sha256(mine).hexdigest()
    assert "`overwrite=True`" in pushed.notes[0]
    assert len(pushed.notes) == 1
    assert zoo.fetch(REPO).digest == pushed.digest


def test_a_readme_that_was_kept_is_kept_again(hub, push):
    hub.add(REPO, {"README.md": b"# Mine\n"})
    push()
    again = push(about="Something new.")
    assert dict(hub.list(REPO))["README.md"].read_bytes() == b"# Mine\n"
    assert any("feature-filters" in note and "zoo search" in note for note in again.notes)


def test_our_card_that_a_person_edited_stays(hub, push):
    push()
    card = dict(hub.list(REPO))["README.md"].read_bytes().replace(b"## Use", b"## How to use it")
    hub.add(REPO, {"README.md": card})
    push(about="Something new.")
    assert dict(hub.list(REPO))["README.md"].read_bytes() == card


def test_yes_puts_our_card_in_the_place_of_a_persons(hub, push):
    hub.add(REPO, {"README.md": b"# Mine\n"})
    pushed = push(overwrite=True)
    assert pushed.notes == ()
    assert b"feature-filters" in dict(hub.list(REPO))["README.md"].read_bytes()


def test_a_readme_that_the_hub_made_is_replaced(hub, push):
    hub.add(REPO, {"README.md": b"---\nlicense: mit\n---\n"})
    push()
    assert b"feature-filters" in dict(hub.list(REPO))["README.md"].read_bytes()


def test_our_own_card_is_replaced_by_the_next(hub, push):
    push()
    push(about="Something new.")
    assert b"Something new." in dict(hub.list(REPO))["README.md"].read_bytes()


def test_other_models_are_not_overwritten_unasked(hub, push):
    hub.add(REPO, {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"years of work"})
    with pytest.raises(UsageError, match=r"config.json, model.safetensors would be overwritten.*`overwrite"):
        push()
    assert dict(hub.list(REPO))["model.safetensors"].read_bytes() == b"years of work"
    assert push(overwrite=True).is_changed


# ------------------------------------------------------------------------------------------------ dry runs


def test_a_dry_run_sends_nothing_and_makes_no_repository(hub, push):
    plan = push(dry_run=True)
    assert written(hub) == []
    assert hub.count("PUT") == hub.count("POST") == 0
    assert plan.commit is None
    assert {one.what for one in plan.changes} == {"new"}
    assert not (hub.root / ".hub" / "repos" / REPO).exists()


def test_a_dry_run_lists_what_would_change(hub, push):
    push()
    hub.forget()
    plan = push(dry_run=True, heads=False, about="Bare.")
    what = {one.name: one.what for one in plan.changes}
    assert (what["model.safetensors"], what["README.md"], what["heads.safetensors"]) == ("same", "changed", "removed")
    assert plan.size == sum(one.size for one in plan.changes if one.what == "changed")
    assert written(hub) == []


def test_a_dry_run_without_a_login_says_what_was_not_checked(hub, push, run, command, monkeypatch):
    push()
    monkeypatch.delenv("HF_TOKEN")
    hub.forget()
    plan = push(dry_run=True, about="Something new.")
    assert {one.name for one in plan.changes if one.what == "changed"} == {"README.md", "config.json"}
    assert "Nobody is logged in. What was not checked: whether this repository may be written to" in plan.notes[0]
    assert hub.count("GET", "whoami") == 0
    answer = command("push", run.folder, "--repo", REPO, "--license", "mit", "--dry-run")
    assert answer.status == 0
    assert "Nobody is logged in." in answer.err


def test_a_dry_run_without_a_login_goes_for_a_repository_that_is_to_be_made(hub, push, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert {one.what for one in push(dry_run=True).changes} == {"new"}


def test_a_dry_run_with_a_wrong_login_is_refused(hub, push):
    with pytest.raises(PushError, match=r"Run `hf auth login`"):
        push(dry_run=True, token="hf_wrongwrongwrongwrongwrong")


def test_a_dry_run_writes_no_folder_either(hub, push, tmp_path):
    push(dry_run=True, to=tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


# ------------------------------------------------------------------------------------------------ how it goes up


def test_a_private_repository_is_seen_by_its_owner_only(hub, push, tmp_path):
    push(private=True)
    assert hub.store.repo(REPO).private
    assert zoo.fetch(REPO, token=TOKEN).manifest.name == "vgg11-shapes"


def test_private_will_not_be_said_of_what_is_public(hub, push):
    push()
    with pytest.raises(UsageError, match=r"there already, and public"):
        push(private=True)


def test_a_pull_request_leaves_the_branch_alone(hub, push):
    hub.add(REPO, {"notes.txt": b"mine"})
    before = hub.commit(REPO)
    pushed = push(create_pr=True)
    assert hub.commit(REPO) == before
    assert pushed.url == pushed.pull_request == f"{hub.url}/{REPO}/discussions/1"
    assert zoo.fetch(f"{REPO}@{pushed.commit}").digest == pushed.digest
    hub.store.merge(REPO, 1)
    assert zoo.fetch(REPO).digest == pushed.digest


def test_a_pull_request_may_go_to_somebody_elses_repository(hub, push):
    hub.add("whales/filters", {"notes.txt": b"theirs"})
    assert push(repo="whales/filters", create_pr=True).pull_request.endswith("/discussions/1")


def test_a_branch_is_made_where_it_is_missing(hub, push):
    pushed = push(revision="half")
    repo = hub.store.repo(REPO)
    assert hub.store.commit(repo, "half").sha == pushed.commit
    assert "config.json" not in dict(hub.list(REPO))
    assert push(revision="half").is_changed is False


def test_a_new_branch_begins_as_main_is(hub, push):
    push()
    hub.add(REPO, {"notes.txt": b"mine"})
    hub.forget()
    pushed = push(revision="bare", heads=False)
    assert put_bytes(hub) == 0
    assert changed(pushed)["heads.safetensors"] == "removed"
    names = hub.store.commit(hub.store.repo(REPO), "bare").files
    assert "notes.txt" in names
    assert "heads.safetensors" not in names
    assert "heads.safetensors" in dict(hub.list(REPO))


def test_a_new_branch_with_nothing_new_is_no_commit(hub, push):
    first = push()
    assert push(revision="copy").commit == first.commit
    assert hub.store.repo(REPO).refs["refs/heads/copy"] == first.commit


def test_an_endpoint_without_xet_is_asked_once(hub, push):
    push()
    assert hub.count("GET", "/xet-write-token/") == 1


def test_a_tag_stands_for_the_commit(hub, push):
    pushed = push(tag="v1")
    assert hub.store.repo(REPO).refs["refs/tags/v1"] == pushed.commit
    assert push(tag="v1").commit == pushed.commit


def test_a_tag_that_is_there_for_this_commit_is_not_set_again(hub, push):
    push(tag="v1")
    hub.forget()
    push(tag="v1")
    assert written(hub) == []


def test_a_tag_that_somebody_sets_meanwhile_is_said(hub, push):
    first = push()

    def tag_it():
        repo = hub.store.repo(REPO)
        repo.refs["refs/tags/v1"] = first.commit
        hub.store.save(repo)

    hub.fail("then", tag_it, method="POST", path="/tag/")
    with pytest.raises(PushError, match=r"the tag 'v1' was given to .* meanwhile"):
        push(tag="v1", about="Something new.")


def test_a_tag_that_is_taken_stops_the_push_before_anything_is_sent(hub, push):
    push(tag="v1")
    hub.forget()
    with pytest.raises(UsageError, match=r"has the tag 'v1' already"):
        push(tag="v1", about="Something new.")
    assert written(hub) == []


def test_a_tag_is_no_branch(hub, push):
    push(tag="v1")
    with pytest.raises(UsageError, match=r"'v1' of tester/vgg11-shapes is no branch"):
        push(revision="v1")


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "repo", ["vgg11", "a/b/c", "tester/a--b", "tester/../x", "tester/x.git", "hf://tester", "a b/c"]
)
def test_what_is_no_repository_is_said_at_once(hub, push, repo):
    with pytest.raises(UsageError, match=r"is no repository: say `repo='owner/name'`"):
        push(repo=repo)
    assert hub.requests == []


def test_somewhere_must_be_named(run):
    with pytest.raises(UsageError, match=r"`repo='owner/name'`, `to=FOLDER`, or both"):
        zoo.push(run, license="mit")


def test_what_is_for_the_hub_only_needs_a_repository(run, tmp_path):
    with pytest.raises(UsageError, match=r"`private=True`, `tag=`: only for the Hub"):
        zoo.push(run, to=tmp_path / "folder", license="mit", private=True, tag="v1")


@pytest.mark.parametrize("wish", [{"tag": "a b"}, {"revision": "../x"}, {"tag": "x.lock"}])
def test_names_of_tags_and_branches_are_checked(push, wish):
    with pytest.raises(UsageError, match=r"cannot be"):
        push(**wish)


def test_a_licence_must_be_known(hub, push):
    with pytest.raises(UsageError, match=r"No licence is known to publish under\. Say `license="):
        push(license=None)
    assert written(hub) == []


def test_a_base_that_may_not_be_sold_is_not_republished_as_apache(hub, run, push, tmp_path):
    other = other_start(run, tmp_path, weights="package:mine/own", base=BaseRecord(name="own", license="cc-by-nc-4.0"))
    with pytest.raises(UsageError, match=r"the base filters 'own' are cc-by-nc-4.0.*`base_license=`"):
        push(other)
    assert written(hub) == []
    assert push(other, license=None).manifest.license == "cc-by-nc-4.0"


def test_what_the_base_has_learnt_from_counts_too(hub, run, push, tmp_path):
    base = BaseRecord(name="own", license="apache-2.0", dataset_license="cc-by-nc-sa-4.0")
    with pytest.raises(UsageError, match=r"the pictures that the base was trained on are cc-by-nc-sa-4.0"):
        push(other_start(run, tmp_path, weights="package:mine/own", base=base))


def test_pictures_that_may_not_be_sold_are_named(hub, push):
    with pytest.raises(UsageError, match=r"the pictures of '\w+' are cc-by-nc-4.0.*`dataset_license=`"):
        push(dataset_license="CC-BY-NC-4.0")


def test_weights_of_unknown_licence_need_one(hub, run, push, tmp_path):
    other = other_start(run, tmp_path, weights="hf://somebody/weights@" + "0" * 40)
    with pytest.raises(UsageError, match=r"nobody says under which licence .* say `base_license="):
        push(other)
    assert push(other, base_license="mit").manifest.lineage.base_license == "mit"


def test_a_private_path_stops_the_push_before_anything_is_sent(hub, push):
    with pytest.raises(PrivacyError, match=r"README.md, line \d+: a path of this machine '/home/anna/fish'"):
        push(about="Trained on /home/anna/fish.")
    assert written(hub) == []
    assert push(about="Trained on /home/anna/fish.", allow=("/home/anna/fish",)).is_changed


def test_the_token_itself_never_goes_up_and_is_never_shown(hub, push):
    with pytest.raises(PrivacyError) as caught:
        push(about=f"My login is {TOKEN}.")
    assert TOKEN not in str(caught.value)
    assert "a login of this machine" in str(caught.value)
    assert written(hub) == []


@pytest.mark.parametrize("wish", ["message", "tag", "revision"])
def test_words_that_lie_in_no_file_are_searched_too(hub, push, wish):
    with pytest.raises(PrivacyError, match=r"would be published: the .*, text: a Hugging Face token") as caught:
        push(**{wish: "hf_" + "b" * 34})
    assert "bbbb" not in str(caught.value)
    assert written(hub) == []


@pytest.mark.parametrize("token", ["hf_secret\nline", "hf_secret\u00e4", "hf secret"])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(hub, push, token):
    with pytest.raises(UsageError, match=r"The access token has characters that no token has") as caught:
        push(token=token)
    assert "secret" not in str(caught.value)
    assert hub.requests == []


def test_without_a_login_the_remedy_is_named(hub, push, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PushError, match=r"nobody is logged in .*Run `hf auth login`, or set HF_TOKEN"):
        push()


def test_a_wrong_login_is_one_line_without_the_token(hub, push):
    with pytest.raises(PushError, match=r"Run `hf auth login`") as caught:
        push(token="hf_wrongwrongwrongwrongwrong")
    assert "wrongwrong" not in str(caught.value)


def test_somebody_elses_repository_is_refused_before_anything_is_sent(hub, push):
    with pytest.raises(PushError, match=r"'tester' is logged in, who is not 'whales'"):
        push(repo="whales/filters")
    assert written(hub) == []


def test_offline_nothing_is_pushed(hub, push, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"HF_HUB_OFFLINE is set"):
        push()
    assert hub.requests == []


def test_a_run_that_is_not_done_is_not_pushed(hub, run, push, tmp_path):
    copied = zoo.open_run(shutil.copytree(run.folder, tmp_path / "stopped"))
    with pytest.raises(FileError, match=r"this run is not done"):
        push(copied.note(status="stopped"))
    assert hub.requests == []


def test_a_card_that_the_hub_does_not_take_is_refused_before_anything_is_sent(hub, published):
    card = published.folder / "README.md"
    content = card.read_text().replace("tags:\n- zoo\n- feature-filters", "tags: zoo").encode()
    manifest = json.loads((published.folder / "config.json").read_text())
    manifest["files"]["README.md"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    card.write_bytes(content)
    (published.folder / "config.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r'does not take the metadata of README.md: "tags" must be an array'):
        zoo.push(published.folder, repo=REPO)
    assert written(hub) == []


# ------------------------------------------------------------------------------------------------ a bad network


PLACES = {
    "who": ("GET", "/api/whoami-v2"),
    "look": ("GET", "/api/models/"),
    "create": ("POST", "/api/repos/create"),
    "card": ("POST", "/api/validate-yaml"),
    "preupload": ("POST", "/preupload/"),
    "batch": ("POST", "/objects/batch"),
    "data": ("PUT", "/lfs/"),
    "verify": ("POST", "/lfs/verify"),
    "commit": ("POST", "/commit/"),
    "tag": ("POST", "/tag/"),
}


@pytest.fixture
def quick(monkeypatch):
    """The client's own patience, without its waiting."""
    import huggingface_hub.utils._http as http

    monkeypatch.setattr(http.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("status", [500, 503, 429])
@pytest.mark.parametrize("place", PLACES)
def test_a_busy_server_is_tried_again_and_there_is_one_commit(hub, push, quick, place, status):
    method, path = PLACES[place]
    hub.fail("status", status, method=method, path=path, times=2)
    pushed = push(tag="v1")
    assert commits(hub)[0] == "Publish vgg11-shapes"
    assert len([title for title in commits(hub) if "vgg11" in title]) == 1
    assert zoo.fetch(REPO).digest == pushed.digest


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("place", PLACES)
def test_a_dropped_answer_doubles_nothing(hub, push, quick, place, done):
    method, path = PLACES[place]
    hub.fail("drop_request", done, method=method, path=path)
    pushed = push(tag="v1")
    assert len([title for title in commits(hub) if "vgg11" in title]) == 1
    assert hub.store.repo(REPO).refs["refs/tags/v1"] == pushed.commit == hub.commit(REPO)


def test_a_dropped_answer_opens_no_second_pull_request(hub, push):
    hub.add(REPO, {"notes.txt": b"mine"})
    hub.fail("drop_request", True, method="POST", path="/commit/")
    pushed = push(create_pr=True)
    assert pushed.pull_request == f"{hub.url}/{REPO}/discussions/1"
    assert list(hub.store.repo(REPO).refs) == ["refs/heads/main", "refs/pr/1"]


def test_a_commit_whose_every_answer_is_lost_is_found_in_the_end(hub, push):
    hub.fail("drop_request", True, method="POST", path="/commit/")
    hub.fail("status", 500, method="GET", path="/refs", times=2)
    assert push().commit == hub.commit(REPO)


def test_a_server_that_stays_broken_leaves_the_repository_as_it_was(hub, push):
    push()
    before = hub.commit(REPO)
    hub.fail("status", 500, method="POST", path="/commit/", times=None)
    with pytest.raises(PushError, match=r"could not be reached or written to .HTTP 500"):
        push(about="Something new.")
    assert hub.commit(REPO) == before


def test_somebody_who_pushed_meanwhile_is_not_overwritten(hub, push):
    push()
    hub.fail("then", lambda: hub.add(REPO, {"notes.txt": b"theirs"}), method="POST", path="/commit/")
    with pytest.raises(PushError, match=r"pushed to by somebody else meanwhile. Nothing was changed; run it again."):
        push(about="Something new.")
    assert dict(hub.list(REPO))["notes.txt"].read_bytes() == b"theirs"
    assert push(about="Something new.").is_changed


def test_somebody_who_made_the_repository_meanwhile_is_not_overwritten(hub, push):
    theirs = {"config.json": b"{}", "README.md": b"# Theirs"}
    hub.fail("then", lambda: hub.add(REPO, theirs), method="POST", path="/repos/create")
    with pytest.raises(PushError, match=r"pushed to by somebody else meanwhile. Nothing was changed; run it again."):
        push()
    assert dict(hub.list(REPO))["README.md"].read_bytes() == b"# Theirs"


def test_a_server_that_never_answers_a_commit_is_given_up(hub, push, monkeypatch):
    push()
    before = hub.commit(REPO)
    monkeypatch.setattr(client, "ANSWER", 0.2)
    monkeypatch.setattr(client, "PATIENCE", 0.5)
    hub.fail("hang", 20, method="POST", path="/commit/", times=None)
    began = time.monotonic()
    with pytest.raises(PushError, match=r"could not be reached or written to"):
        push(about="Something new.")
    assert time.monotonic() - began < 10
    assert hub.commit(REPO) == before


def test_the_clients_own_timeout_is_as_before_when_the_push_is_done(hub, push):
    from huggingface_hub.utils import get_session

    before = get_session().timeout
    push()
    assert get_session().timeout == before


def test_wrong_bytes_at_the_server_are_found_when_they_are_read_back(hub, push):
    hub.fail("corrupt", method="GET", path="/resolve/")
    with pytest.raises(IntegrityError, match=r"is not what was sent: config.json is served with other bytes"):
        push()


def test_a_file_that_the_server_changed_is_found_when_it_is_read_back(hub, push):
    push()
    change = lambda: hub.add(REPO, {"metrics.json": b"{}"})  # noqa: E731
    real = hub.store.change

    def change_too(*args, **kwargs):
        _, number = real(*args, **kwargs)
        change()
        return hub.store.commit(hub.store.repo(REPO), "main"), number

    hub.store.change = change_too
    with pytest.raises(IntegrityError, match=r"metrics.json has other bytes"):
        push(about="Something new.")


def test_a_gitignore_that_would_leave_files_out_stops_the_push(hub, push):
    hub.add(REPO, {".gitignore": b"*.safetensors\n"})
    with pytest.raises(PushError, match=r"its .gitignore leaves out .*model.safetensors"):
        push()
    assert "config.json" not in dict(hub.list(REPO))


def test_a_login_that_may_only_read_is_told_so(hub, push):
    hub.fail("status", 403, method="POST", path="/preupload/")
    with pytest.raises(PushError, match=r"may not be written to with this login"):
        push()


def test_a_dead_server_is_one_line(push, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(client, "BACK_OFF", 0.02)
    with pytest.raises(PushError, match=r"could not be reached or written to") as caught:
        push()
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_prints_the_address_and_the_entry(hub, command, run):
    answer = command("push", run.folder, "--repo", REPO, "--license", "apache-2.0")
    assert (answer.status, answer.out) == (0, f"{hub.url}/{REPO}\n")
    assert f'sources = ["hf://{REPO}@{hub.commit(REPO)}"]' in answer.err
    assert TOKEN not in answer.err


def test_the_command_registers_the_name(hub, command, run, tmp_path, monkeypatch):
    registry = tmp_path / "registry.toml"
    words = ("push", run.folder, "--repo", REPO, "--license", "apache-2.0", "--register", registry)
    assert command(*words).status == 0
    assert command(*words, "--about", "Newer.").status == 0
    monkeypatch.setenv("ZOO_REGISTRY", str(registry))
    assert find("vgg11-shapes").sources == (f"hf://{REPO}@{hub.commit(REPO)}",)
    assert zoo.fetch("vgg11-shapes").manifest.about == "Newer."


def test_a_folder_beside_the_registry_is_found_after_both_were_moved(command, run, tmp_path, monkeypatch):
    lab = tmp_path / "lab"
    words = ("push", run.folder, "--to", lab / "shapes", "--license", "mit", "--register", lab / "registry.toml")
    assert command(*words).status == 0
    assert read_registry(lab / "registry.toml")["shapes"].sources == ("./shapes",)
    monkeypatch.setenv("ZOO_REGISTRY", str(lab.rename(tmp_path / "moved") / "registry.toml"))
    assert zoo.fetch("shapes").folder == tmp_path / "moved" / "shapes"


@pytest.mark.slow
def test_twelve_pushes_at_once_register_all_their_names(published, tmp_path):
    registry, folder = tmp_path / "lab" / "registry.toml", published.folder
    words = [sys.executable, "-m", "zoo", "push", folder, "--register", registry, "--to"]
    for number in range(12):
        manifest = json.loads((folder / "config.json").read_text())
        shutil.copytree(folder, tmp_path / f"shapes-{number}")
        (tmp_path / f"shapes-{number}" / "config.json").write_text(json.dumps(manifest | {"name": f"shapes-{number}"}))
    pushing = [
        subprocess.Popen([*words[:4], tmp_path / f"shapes-{number}", *words[5:], tmp_path / "lab" / f"shapes-{number}"])
        for number in range(12)
    ]
    assert [one.wait(120) for one in pushing] == [0] * 12
    found = {name: entry.sources for name, entry in read_registry(registry).items()}
    assert found == {f"shapes-{number}": (f"./shapes-{number}",) for number in range(12)}
    assert sorted(path.name for path in registry.parent.iterdir()) == sorted([*found, "registry.toml"])


def test_a_killed_push_leaves_nothing_once_the_next_one_is_done(command, run, tmp_path):
    out = tmp_path / "out" / "shapes"
    words = ["push", run.folder, "--to", out, "--license", "mit"]
    killed = subprocess.Popen([sys.executable, "-m", "zoo", *words])
    while not (out.parent.is_dir() and any(out.parent.glob(".*"))):
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not out.exists()
    answer = command(*words)
    assert answer.status == 0
    assert answer.err.count("what killed processes left there: 1 temporary folder.") == 1
    assert [path.name for path in out.parent.iterdir()] == ["shapes"]


def test_a_folder_whose_replacement_was_killed_half_way_is_put_back(run, published):
    published.folder.rename(published.folder.with_name(".published.old"))
    with pytest.raises(FileError, match=r"is not empty. Choose another `to=`, or pass `overwrite=True`"):
        zoo.push(run, to=published.folder, license="mit")
    assert zoo.fetch(published.folder).digest == published.digest
    assert [path.name for path in published.folder.parent.glob(".*")] == []


def test_a_name_that_is_taken_in_the_registry_is_said_before_anything_is_sent(hub, command, run, tmp_path):
    registry = tmp_path / "registry.toml"
    registry.write_text('format = 1\n\n[filters.vgg11-shapes]\nsources = ["hf://other/one@main"]\n')
    answer = command("push", run.folder, "--repo", REPO, "--license", "mit", "--register", registry)
    assert "has 'vgg11-shapes' already, at hf://other/one@main" in answer.fault
    assert hub.requests == []
    assert read_registry(registry)["vgg11-shapes"].sources == ("hf://other/one@main",)


def test_a_registry_that_cannot_be_written_leaves_the_address_said(hub, command, run, tmp_path):
    registry = tmp_path / "no" / "registry.toml"
    (tmp_path / "no").write_text("a file")
    answer = command("push", run.folder, "--repo", REPO, "--license", "mit", "--register", registry)
    assert (answer.status, answer.out) == (1, f"{hub.url}/{REPO}\n")
    assert "[filters.vgg11-shapes]" in answer.err
    assert answer.err.splitlines()[-1].startswith("Error: ")


def test_a_damaged_registry_is_said_before_anything_is_sent(hub, command, run, tmp_path):
    registry = tmp_path / "registry.toml"
    registry.write_text("[")
    words = ("push", run.folder, "--repo", REPO, "--license", "mit", "--register", registry, "--yes")
    assert str(registry) in command(*words).fault
    assert hub.requests == []


def test_the_own_name_of_published_filters_takes_nobodys_place_in_the_registry(hub, command, published, tmp_path):
    registry = tmp_path / "registry.toml"
    registry.write_text('format = 1\n\n[filters.published]\nsources = ["hf://other/one@main"]\n')
    answer = command("push", published.folder, "--repo", REPO, "--register", registry)
    assert "has 'published' already, at hf://other/one@main" in answer.err
    assert read_registry(registry)["published"].sources == ("hf://other/one@main",)


def test_a_repository_with_its_prefix_is_the_same_in_the_registry(hub, command, run, tmp_path):
    registry = tmp_path / "registry.toml"
    words = ("push", run.folder, "--repo", f"hf://{REPO}", "--license", "mit", "--register", registry)
    assert command(*words).status == 0
    assert command(*words, "--about", "Newer.").status == 0


def test_the_command_gives_all_of_it_as_json(hub, command, run):
    answer = command("push", run.folder, "--repo", REPO, "--license", "apache-2.0", "--tag", "v1", "--json")
    said = json.loads(answer.out)
    assert (said["commit"], said["tag"], said["changed"]) == (hub.commit(REPO), "v1", True)
    assert said["entry"]["manifest"] == said["manifest"]
    assert {one["change"] for one in said["files"]} == {"new"}


def test_the_command_lists_a_dry_run(hub, command, run):
    answer = command("push", run.folder, "--repo", REPO, "--license", "apache-2.0", "--dry-run")
    assert answer.out.splitlines()[0].split() == ["file", "bytes", "change"]
    assert "model.safetensors" in answer.out
    assert "Nothing was sent." in answer.err
    assert written(hub) == []


def test_a_dry_run_names_what_comes_next_and_the_rest_counts_as_people_do(hub, command, run):
    words = ("push", run.folder, "--repo", REPO, "--license", "apache-2.0")
    assert command(*words, "--dry-run").err.endswith("Next: the same without --dry-run\n")
    command(*words)
    hub.add(REPO, {"README.md": b"# Mine\n"})
    assert "1 file, " in command(*words).err


def test_the_command_says_one_line_where_it_fails(hub, command, run):
    answer = command("push", run.folder, "--repo", REPO, "--license", "apache-3")
    assert answer.fault == "--license 'apache-3' is no licence that the Hub knows. Did you mean 'apache-2.0'?"
    assert answer.status == 2


def test_nothing_is_said_twice_where_nothing_changed(hub, command, run):
    words = ("push", run.folder, "--repo", REPO, "--license", "apache-2.0")
    command(*words)
    assert "Nothing to change" in command(*words).err


def test_every_fault_of_a_push_is_a_zoo_error():
    assert issubclass(PushError, ZooError)
    assert issubclass(PrivacyError, ZooError)


def test_files_are_not_left_in_the_systems_folder(hub, push, tmp_path, monkeypatch):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    push()
    assert list(Path(place).iterdir()) == []
