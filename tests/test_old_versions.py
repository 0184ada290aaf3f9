"""What version 0.1.0 wrote still opens: runs, a checkpoint, published filters, embeddings. See data/version-0.1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.data.images import resize
from zoo.evaluation.run_metrics import evaluate
from zoo.models.golden import check_golden

OLD = Path(__file__).parent / "data" / "version-0.1"


@pytest.fixture(autouse=True)
def _named(monkeypatch):
    monkeypatch.setenv("ZOO_REGISTRY", str(OLD / "registry.toml"))


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "one.png"
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(path)
    return path


def recorded(run: str, split: str = "test") -> dict[str, dict]:
    return json.loads((OLD / run / "metrics.json").read_text())[split]


def assert_same_figures(found, expected):
    assert found.keys() == expected.keys()
    for head, figures in expected.items():
        for name in ("accuracy", "log_loss"):
            assert found[head][name] == pytest.approx(figures[name], rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("name", ["run", "tuned"])
def test_an_old_run_opens_and_scores_as_it_did(name):
    run = zoo.open_run(OLD / name)
    assert run.done
    assert run.metrics["test"] == recorded(name)
    assert run.history[-1]["epoch"] == (8 if name == "run" else 3)
    assert_same_figures(evaluate(run, device="cpu"), recorded(name))


def test_an_old_run_predicts(picture):
    answers = zoo.predict(zoo.open_run(OLD / "run").load_model(), picture, device="cpu").answers
    assert {name: answer.shape for name, answer in answers.items()} == {"classify": (1, 10), "again": (1, 10)}
    assert answers["classify"].sum() == pytest.approx(1)


def test_an_old_run_that_was_stopped_goes_on_to_an_end_that_is_no_worse(tmp_path):
    run = zoo.resume(shutil.copytree(OLD / "stopped", tmp_path / "stopped"), device="cpu")
    assert run.done
    # not the same figures: batch norms are measured before they are validated since
    assert run.metrics["test"]["classify"]["accuracy"] >= recorded("run")["classify"]["accuracy"] - 0.01


@pytest.mark.parametrize("name", ["run", "tuned"])
def test_an_old_run_is_published(name, tmp_path):
    zoo.push(zoo.open_run(OLD / name), to=tmp_path / "filters", license="apache-2.0", pictures="none")
    old, new = (zoo.fetch(str(place)).manifest for place in (OLD / "filters", tmp_path / "filters"))
    assert new.lineage.dataset_fingerprint == old.lineage.dataset_fingerprint
    assert new.lineage.base == (None if name == "run" else "old-digits")
    assert [head.name for head in new.heads] == (["classify", "again"] if name == "run" else ["classify"])


def test_old_filters_are_fetched_by_name_and_keep_their_golden_features():
    published = zoo.fetch("old-digits")
    assert published.manifest.created_with["filterzoo"] == "0.1.0"
    assert check_golden(zoo.load("old-digits")) < 1e-3


def test_old_filters_load_with_their_heads(picture):
    model = zoo.load_model("old-digits")
    assert list(model.heads) == ["classify", "again"]
    new = zoo.predict(model, picture, device="cpu").answers
    old = zoo.predict(zoo.open_run(OLD / "run").load_model(), picture, device="cpu").answers
    assert np.allclose(new["classify"], old["classify"], atol=1e-5)


def test_old_embeddings_are_what_the_old_filters_give():
    embeddings = zoo.read_embeddings(OLD / "embeddings.parquet")
    assert (embeddings.filters, embeddings.digest) == ("old-digits", zoo.fetch("old-digits").digest)
    digit = resize(zoo.open_dataset("digits").dataset[int(embeddings.paths[0].removeprefix("digit-"))].image, 16)
    vector = zoo.load("old-digits")(digit[None]).mean((2, 3))[0]
    assert np.allclose(vector.detach(), embeddings.vectors[0], atol=1e-2)
