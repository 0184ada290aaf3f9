"""`zoo label` from the shell: the page, exports, the report, the simulation, and the circle through a training."""

from __future__ import annotations

import csv
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from zoo_label.opening import open_labelling
from zoo_label.rounds import describe_rounds

import zoo
from zoo.data import find_images
from zoo.embedding import open_table
from zoo.files import parse_toml
from zoo.training import parse_recipe, train_recipe


@pytest.fixture
def command(monkeypatch, capsys) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def open_shapes(shapes: Path, place: Path, **options):
    given = {"filters": "vgg16-plankton", "cut": "block1", "size": 32, "person": "Ada", **options}
    return open_labelling(shapes, place / "labels.sqlite", out=place / "labels.csv", **given)


def name_some(opened, each: int, *, way: str = "row") -> None:
    """So many of each kind, by their folders' names."""
    labelling = opened.labelling
    for kind in ("bar", "disc", "ring"):
        mine = [n for n, path in enumerate(labelling.journal.paths) if path.startswith(kind)][:each]
        labelling.act(labelling.action("label", pictures=tuple(mine), name=kind, way=way))


def embed(opened) -> None:
    opened.embed(opened.labelling.take_vectors, lambda *_: None)
    opened.labelling.finish_vectors()


def test_the_page_opens_embeds_takes_answers_and_leaves_a_csv(shapes, tmp_path):
    words = [sys.executable, "-m", "zoo", "label", shapes, "--filters", "vgg16-plankton", "--cut", "block1"]
    words += ["--size", "32", "-o", tmp_path / "labels.csv", "--no-browser", "--person", "Ada", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(list(map(str, words)), env=environment, **pipes)
    try:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]{20,})/\n", running.stdout.readline())
        assert found, running.stderr.read()
        host, base = f"127.0.0.1:{found[1]}", f"/{found[2]}"

        def ask(path: str, body=None) -> dict:
            connection = http.client.HTTPConnection(host, timeout=60)
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request("POST" if body else "GET", f"{base}/{path}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            assert answer.status == 200
            return json.loads(answer.read())

        deadline = time.monotonic() + 120
        while not ask("start")["embedding"]["complete"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        rows = ask("view/clusters")["sections"]
        assert sum(len(row["pictures"]) for row in rows) == 120
        body = {"key": "key-12345678", "window": "window-1", "seen": 0, "verb": "label"}
        ask("act", {**body, "pictures": rows[0]["pictures"], "name": "ring", "way": "row"})
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
    finally:
        running.kill()
    said = running.stderr.read()
    assert "120 pictures. The address is secret" in said
    assert f"{len(rows[0]['pictures'])} labels in {tmp_path / 'labels.csv'}" in said
    with (tmp_path / "labels.csv").open() as opened:
        table = list(csv.DictReader(opened))
    assert {(row["label"], row["how"], row["who"]) for row in table} == {("ring", "row", "Ada")}
    assert len(list((tmp_path / "labels.vectors").rglob("*.npy"))) == 2


def test_an_embedding_goes_on_where_it_stopped(shapes, tmp_path):
    opened = open_shapes(shapes, tmp_path)
    embed(opened)
    again = open_shapes(shapes, tmp_path)
    pieces = sorted((tmp_path / "labels.vectors").rglob("*.npy"))
    pieces[1].unlink()
    pieces[1].with_name(f"{pieces[1].name}.rows.jsonl").unlink(missing_ok=True)
    taken: list[int] = []
    again.embed(lambda paths, vectors: taken.append(len(paths)), lambda *_: None)
    assert taken == [64, 56]  # what was there, and what had to be made again


def test_pictures_that_cannot_be_read_are_shown_no_more(tmp_path, shapes):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, path in enumerate(list(find_images(shapes))[:10]):
        (folder / f"{number}.png").write_bytes(path.read_bytes() if number else b"no picture")
    opened = open_shapes(folder, tmp_path)
    told: list = []
    opened.embed(opened.labelling.take_vectors, lambda *said: told.append(said))
    opened.labelling.finish_vectors()
    assert opened.labelling.counts()["all"] == 9
    assert "0.png" in told[-1][2][0]


def test_labels_are_exported_without_a_page(shapes, tmp_path, command):
    opened = open_shapes(shapes, tmp_path)
    name_some(opened, 5)
    where = ("-o", tmp_path / "labels.csv")
    assert "15 labels" in command("label", shapes, *where, "--export", tmp_path / "out.csv").err
    assert "15 labels" in command("label", shapes, *where, "--export", tmp_path / "out.json").err
    assert (
        "15 labels"
        in command("label", shapes, *where, "--export", tmp_path / "traps.json", "--format", "megadetector").err
    )
    assert len(json.loads((tmp_path / "out.json").read_text())) == 15
    assert json.loads((tmp_path / "traps.json").read_text())["images"][0]["file"].startswith("bar/")
    assert "there already" in command("label", shapes, *where, "--export", tmp_path / "out.csv").fault


def test_a_csv_that_somebody_edited_is_taken_up_and_one_of_our_own_is_not(shapes, tmp_path):
    opened = open_shapes(shapes, tmp_path)
    name_some(opened, 3)
    from zoo_label.tables import write_csv

    out = tmp_path / "labels.csv"
    write_csv(opened.labelling.journal, out)
    opened.remember(out)
    count = len(opened.labelling.journal.actions)
    assert len(open_shapes(shapes, tmp_path).labelling.journal.actions) == count
    out.write_text(out.read_text().replace(",disc,", ",disk,", 1))
    again = open_shapes(shapes, tmp_path).labelling.journal
    assert len(again.actions) == count + 1
    assert (again.actions[-1].way, again.actions[-1].name) == ("import", "disk")


def test_a_file_of_embeddings_is_labelled_as_it_is(shapes, tmp_path, command):
    table = tmp_path / "shapes.npy"
    zoo.load("vgg16-plankton", cut="block1").embed_into(table, shapes, size=32)
    opened = open_labelling(table, tmp_path / "labels.sqlite", out=tmp_path / "labels.csv", person="Ada")
    assert opened.embed is None
    assert opened.labelling.ready.all()
    assert opened.labelling.pictures.root == shapes.resolve()
    assert opened.labelling.filters == open_table(table).space.manifest
    words = ("label", table, "--simulate", "--seeds", 2, "--strategy", "random", "--strategy", "mixed", "--quiet")
    curves = tmp_path / "curves.json"
    said = command(*words, "--curves", curves, "--plot", tmp_path / "curves.png", "--set", "look=2")
    assert said.out.splitlines()[0].split() == [
        *("strategy", "labels", "of", "random's", "answers", "hours", "(model)", "pictures", "an", "hour", "(model)"),
    ]
    content = json.loads(curves.read_text())
    assert content["time_model_seconds"]["look"] == 2
    assert content["kinds"] == 3
    assert (tmp_path / "curves.png").stat().st_size > 5_000
    rows = json.loads(command(*words, "--json").out)
    assert [row["strategy"] for row in rows] == ["random", "mixed"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("NOWHERE",), "there is no such folder"),
        (("SHAPES", "-o", "labels.txt"), "labels are written as .csv"),
        (("SHAPES", "--simulate", "--report"), "three things"),
        (("SHAPES", "--curves", "x.json"), "belong to --simulate"),
        (("SHAPES", "--from", "run", "--filters", "x"), "Leave --filters and --cut out"),
        (("SHAPES", "--report"), "there is no such journal"),
        (("SHAPES", "--export", "x.csv"), "there is no such journal"),
        (("SHAPES", "--from", "no-run"), "no-run"),
        (("SHAPES", "--filters", "no-such-filters"), "no-such-filters"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(words, said, shapes, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    given = [str(shapes) if word == "SHAPES" else word for word in words]
    assert said in command("label", *given, "--no-browser").fault


def test_a_time_model_without_such_a_key_is_an_error(shapes, tmp_path, command):
    table = tmp_path / "shapes.npy"
    zoo.load("vgg16-plankton", cut="block1").embed_into(table, shapes, size=32)
    assert "no 'blink'" in command("label", table, "--simulate", "--set", "blink=1").fault
    assert "are numbers" in command("label", table, "--simulate", "--set", "look=long").fault


RECIPE = """
seed = 0
size = 32
[data]
dataset = "image-folder"
root = "{root}"
options = {{ labels = "{labels}" }}
[filters]
name = "vgg16-plankton"
cut = "block1"
[[heads]]
plugin = "classify"
[training]
retrain = "block1"
epochs = 1
head_epochs = 2
"""


def test_the_circle_closes_and_the_report_says_how_each_round_was(shapes, tmp_path, command):
    """Folder, labels, training, the run's own filters, more labels."""
    from zoo_label.tables import write_csv

    opened = open_shapes(shapes, tmp_path)
    embed(opened)
    name_some(opened, 10)
    for number in opened.labelling.to_check(8).tolist():
        kind = opened.labelling.journal.paths[number].partition("/")[0]
        opened.labelling.act(opened.labelling.action("label", pictures=(number,), name=kind, way="check"))
    opened.labelling.fit()
    write_csv(opened.labelling.journal, tmp_path / "labels.csv")
    opened.remember(tmp_path / "labels.csv")
    content = parse_toml(RECIPE.format(root=shapes, labels=tmp_path / "labels.csv"))
    recipe = parse_recipe(content, where="recipe")
    run = train_recipe(recipe, tmp_path / "run")
    again = open_labelling(
        shapes, tmp_path / "labels.sqlite", out=tmp_path / "labels.csv", person="Ada", run=tmp_path / "run"
    )
    assert again.labelling.filters != opened.labelling.filters
    assert again.labelling.counts()["named"] == 38
    embed(again)
    again.labelling.fit()
    rounds = describe_rounds(again.labelling.journal)
    assert [one.number for one in rounds] == [1, 2]
    assert (rounds[0].labels, rounds[0].checked) == (38, 8)
    assert 0 <= rounds[0].low <= rounds[0].accuracy <= rounds[0].high <= 1
    assert rounds[1].test == pytest.approx(run.metrics["test"]["classify"]["accuracy"])
    assert np.isfinite(again.labelling.beliefs.confidence).all()
    out = command("label", shapes, "-o", tmp_path / "labels.csv", "--report").out
    assert out.splitlines()[0].startswith("round")
    assert len(out.splitlines()) == 3
    said = json.loads(command("label", shapes, "-o", tmp_path / "labels.csv", "--report", "--json").out)
    assert said[0]["checked"] == 8
