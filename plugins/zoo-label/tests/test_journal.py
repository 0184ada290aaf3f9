"""The journal: what is in it stays, what was acknowledged is in it, and nobody's answer is overwritten unseen."""

from __future__ import annotations

import csv
import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from zoo_label.actions import JUNK, UNSURE, Action, check_name
from zoo_label.agreement import measure_agreement
from zoo_label.journal import Journal
from zoo_label.tables import csv_text, import_csv, write_csv, write_format

from zoo.data import find_images, open_dataset
from zoo.errors import FileError, UsageError, ZooError
from zoo.plugins import find_plugins

KILLER = Path(__file__).parent / "killing_journal.py"


def named(name: str, *pictures: int, **more) -> Action:
    return Action(verb="label", person=more.pop("person", "Ada"), pictures=pictures, name=name, **more)


def undo(person: str = "Ada", *, again: bool = False) -> Action:
    return Action(verb="undo", person=person, target=-1 if again else 0)


@pytest.fixture
def journal(tmp_path) -> Journal:
    made = Journal(tmp_path / "labels.sqlite")
    made.add_pictures([f"{number}.png" for number in range(10)])
    return made


def says(journal: Journal) -> list[str]:
    return [journal.labels.name_of(number) for number in range(len(journal.labels))]


# ------------------------------------------------------------------------------------------------ what stays


def test_a_label_is_there_after_opening_again(journal):
    journal.append(named("cod", 1, 2))
    journal.close()
    assert says(Journal(journal.path))[:4] == ["", "cod", "cod", ""]


def test_nothing_in_a_journal_can_be_changed_or_deleted(journal):
    journal.append(named("cod", 1))
    base = sqlite3.connect(journal.path)
    for statement in ("DELETE FROM actions", "UPDATE actions SET name = 'hake'"):
        with pytest.raises(sqlite3.IntegrityError, match="actions stay"):
            base.execute(statement)


def test_the_log_is_synced_at_every_commit(journal):
    assert journal._base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._base.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_undo_goes_back_to_the_beginning_and_every_action_is_still_there(journal):
    states = [says(journal)]
    for action in (named("cod", 1, 2), named("hake", 2), named(UNSURE, 3), named("", 1), named(JUNK, 4)):
        journal.append(action)
        states.append(says(journal))
    journal.append(Action(verb="rename", person="Ada", old="hake", name="cod"))
    for expected in reversed(states):
        journal.append(undo())
        assert says(journal) == expected
    with pytest.raises(UsageError, match="nothing left to undo"):
        journal.append(undo())
    assert [one.verb for one in journal.actions] == ["label"] * 5 + ["rename"] + ["undo"] * 6
    assert says(Journal(journal.path)) == states[0]


def test_what_was_undone_can_be_done_again_until_something_else_is_done(journal):
    journal.append(named("cod", 1))
    journal.append(named("hake", 1))
    journal.append(undo())
    journal.append(undo())
    assert says(journal)[1] == ""
    journal.append(undo(again=True))
    assert says(journal)[1] == "cod"
    journal.append(undo(again=True))
    assert says(journal)[1] == "hake"
    journal.append(undo())
    journal.append(named("ling", 2))
    with pytest.raises(UsageError, match="nothing to do again"):
        journal.append(undo(again=True))


def test_undo_takes_back_ones_own_actions_only(journal):
    journal.append(named("cod", 1))
    journal.append(named("hake", 2, person="Bea"))
    journal.append(undo("Ada"))
    assert says(journal)[1:3] == ["", "hake"]


def test_kinds_are_renamed_and_merged(journal):
    journal.append(named("cod", 1, 2))
    journal.append(named("Gadus", 3))
    journal.append(Action(verb="rename", person="Ada", old="cod", name="Gadus"))
    assert journal.labels.kinds() == {"Gadus": 3}
    journal.append(undo())
    assert journal.labels.kinds() == {"cod": 2, "Gadus": 1}


@pytest.mark.parametrize("name", ["", "  ", "NA", "nan", "(mine)", "=1+1", "@x", "a\nb", "\x1b[2J", "x" * 101, "-x"])
def test_names_that_would_mean_something_else_are_refused(name):
    with pytest.raises(UsageError, match="Give another name"):
        check_name(name)


def test_names_are_composed_and_trimmed():
    assert check_name("  Pla\u0301ncton > Copépode ") == "Pláncton > Copépode"


def test_another_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE birds (name TEXT)")
    base.commit()
    with pytest.raises(FileError, match="another program's database"):
        Journal(path)
    (tmp_path / "text.sqlite").write_text("no database at all, but a text that is long enough")
    with pytest.raises(FileError, match="no journal of labels"):
        Journal(tmp_path / "text.sqlite")


# ------------------------------------------------------------------------------------------------ several windows


def test_a_window_does_not_overwrite_what_another_answered_meanwhile(journal):
    first, other = Journal(journal.path), Journal(journal.path)
    seen = other.number
    first.append(named("cod", 1, window="A"), seen=first.number)
    receipt = other.append(named("hake", 1, 2, window="B"), seen=seen)
    assert receipt.left_out == (1,)
    assert says(other)[1:3] == ["cod", "hake"]
    assert other.append(named("hake", 1, window="B"), seen=other.number).left_out == ()
    journal.sync()
    assert says(journal)[1] == "hake"


def test_a_window_may_change_its_own_answer_before_it_was_told_of_it(journal):
    seen = journal.number
    journal.append(named("cod", 1, window="A"), seen=seen)
    assert journal.append(named("hake", 1, window="A"), seen=seen).left_out == ()
    assert says(journal)[1] == "hake"


def test_an_action_that_is_sent_twice_is_one(journal):
    numbers = {journal.append(named("cod", 1, key="k1")).number for _ in range(3)}
    assert numbers == {1}
    assert len(Journal(journal.path).actions) == 1


def test_many_windows_at_once_lose_nothing(journal):
    def work(window: str) -> None:
        mine = Journal(journal.path)
        for turn in range(25):
            mine.append(named(f"{window}{turn}", turn % 10, window=window))
        mine.close()

    windows = [threading.Thread(target=work, args=(name,)) for name in "ABCD"]
    for one in windows:
        one.start()
    for one in windows:
        one.join()
    journal.sync()
    assert sorted(one.name for one in journal.actions) == sorted(f"{w}{t}" for w in "ABCD" for t in range(25))
    assert says(journal) == says(Journal(journal.path))


def kill_and_count(place: Path, *, times: int, seed: int) -> None:
    """Two processes name pictures in one journal and are killed, again and again; all acknowledged names are there."""
    path, acknowledged = place / "labels.sqlite", place / "acknowledged.txt"
    Journal(path).add_pictures([f"{number}.png" for number in range(50)])
    rng, killed = random.Random(seed), 0
    while killed < times:
        words = [sys.executable, str(KILLER), str(path), str(acknowledged)]
        running = [subprocess.Popen([*words, window]) for window in ("A", "B")]
        size = acknowledged.stat().st_size if acknowledged.exists() else 0
        while not acknowledged.exists() or acknowledged.stat().st_size == size:
            time.sleep(0.002)  # until one of them is at work
        time.sleep(rng.random() * 0.1)
        for one in running:
            one.send_signal(signal.SIGKILL)
            one.wait()
            killed += 1
        there = [one.key for one in Journal(path).actions]
        assert len(there) == len(set(there))
        assert set(acknowledged.read_text().split()) <= set(there)


def test_no_acknowledged_label_is_lost_by_kill_9(tmp_path):
    kill_and_count(tmp_path, times=4, seed=0)


@pytest.mark.slow
def test_no_acknowledged_label_is_lost_by_a_hundred_kill_9(tmp_path):
    kill_and_count(tmp_path, times=100, seed=1)


# ------------------------------------------------------------------------------------------------ the second person


def second(name: str, *pictures: int) -> Action:
    return Action(verb="second", person="Bea", way="second", pictures=pictures, name=name)


def test_a_second_persons_answers_stand_beside_the_first_ones(journal):
    journal.append(named("cod", 1, 2))
    journal.append(second("cod", 1))
    journal.append(second("hake", 2))
    assert says(journal)[1:3] == ["cod", "cod"]
    pairs = journal.labels.seconds
    names = journal.labels.names
    assert [(names[pairs[one].first], names[pairs[one].second]) for one in (1, 2)] == [("cod", "cod"), ("cod", "hake")]
    journal.append(named("hake", 2, way="second"))  # settled: what was said at first still counts as disagreement
    assert names[journal.labels.seconds[2].first] == "cod"
    journal.append(undo("Bea"))
    assert set(journal.labels.seconds) == {1}


def test_kappa_is_scikit_learns_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 4, 300)
    other = np.where(rng.random(300) < 0.8, first, rng.integers(0, 4, 300))
    found = measure_agreement(first.tolist(), other.tolist())
    assert found.kappa == pytest.approx(cohen_kappa_score(first, other))
    assert found.low < found.kappa < found.high
    assert found.agreed == pytest.approx((first == other).mean())


def test_kappas_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(1), 0
    chances = np.array([0.5, 0.3, 0.2])
    truth = (0.8 + 0.2 * (chances**2).sum() - (chances**2).sum()) / (1 - (chances**2).sum())
    for _ in range(400):
        first = rng.choice(3, 150, p=chances)
        other = np.where(rng.random(150) < 0.8, first, rng.choice(3, 150, p=chances))
        found = measure_agreement(first.tolist(), other.tolist())
        held += found.low <= truth <= found.high
    assert 0.92 < held / 400 < 0.98


def test_agreement_of_no_pictures_and_of_one_kind_is_not_made_up():
    assert measure_agreement([], []) is None
    assert np.isnan(measure_agreement([1, 1], [1, 1]).kappa)


# ------------------------------------------------------------------------------------------------ tables


def test_a_csv_says_what_who_how_and_when(journal):
    journal.add_pictures(["1.png"], ["boat"])
    journal.append(named("cod", 1, way="row"))
    journal.append(named(JUNK, 2))
    rows = list(csv.DictReader(csv_text(journal).splitlines()))
    assert [(row["path"], row["label"], row["group"], row["how"], row["who"]) for row in rows] == [
        ("1.png", "cod", "boat", "row", "Ada"),
        ("2.png", "", "", "junk", "Ada"),
    ]
    assert rows[0]["when"].endswith("Z")


def test_a_csv_is_taken_up_again_whole(journal, tmp_path):
    for action in (named("cod", 1, 2), named(UNSURE, 3), named(JUNK, 4)):
        journal.append(action)
    assert write_csv(journal, tmp_path / "labels.csv") == 4
    other = Journal(tmp_path / "other.sqlite")
    other.add_pictures(journal.paths)
    assert import_csv(other, tmp_path / "labels.csv", person="Bea") == 4
    assert says(other) == says(journal)
    assert {one.way for one in other.actions} == {"import"}
    assert import_csv(other, tmp_path / "labels.csv", person="Bea") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\nnone.png,cod\n", "1 of its pictures are not there (the first: none.png)"),
        ("file,weight\n1.png,3\n", "has no `label`"),
        ("path,label\n1.png,=1+1\n", "formula"),
    ],
)
def test_a_csv_with_a_fault_is_refused_and_nothing_is_taken_up(journal, tmp_path, text, said):
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(ZooError) as caught:
        import_csv(journal, tmp_path / "in.csv", person="Ada")
    assert said in str(caught.value)
    assert not journal.actions


def test_a_csv_of_other_titles_and_semicolons_is_taken_up(journal, tmp_path):
    (tmp_path / "in.csv").write_text("Image;Class;group\n1.png;cod;boat 1\n./2.png;hake;\n")
    assert import_csv(journal, tmp_path / "in.csv", person="Ada") == 2
    assert says(journal)[1:3] == ["cod", "hake"]
    assert journal.groups[1] == "boat 1"


@pytest.fixture
def of_shapes(shapes, tmp_path) -> Journal:
    made = Journal(tmp_path / "shapes.sqlite")
    paths = [path.relative_to(shapes).as_posix() for path in find_images(shapes)]
    made.add_pictures(paths)
    for kind in ("bar", "disc", "ring"):
        mine = [number for number, path in enumerate(paths) if path.startswith(kind)]
        made.append(named(kind, *mine[:12]))
    made.append(named(JUNK, len(paths) - 1))
    return made


def test_image_folder_learns_from_the_csv(of_shapes, shapes, tmp_path):
    write_csv(of_shapes, tmp_path / "labels.csv")
    opened = open_dataset("image-folder", shapes, options={"labels": str(tmp_path / "labels.csv")})
    assert opened.dataset.targets["label"].names == ("bar", "disc", "ring")
    assert len(opened.dataset) == 37  # the junk is there without a label


@pytest.mark.parametrize("name", sorted(plugin.name for plugin in find_plugins("format")))
def test_labels_are_written_in_every_format(of_shapes, shapes, tmp_path, name):
    path = tmp_path / "out"
    assert write_format(of_shapes, path, root=shapes, filters="shapes", format=name) == 36
    text = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as opened:
            text = b"".join(map(opened.read, opened.namelist()))
    assert b"disc" in text
    if name == "json":
        rows = json.loads(text)
        assert {row["class"] for row in rows} == {"bar", "disc", "ring"}
        assert all(row[row["class"]] == 1 for row in rows)


def test_a_format_of_no_labels_is_an_error(journal, tmp_path):
    with pytest.raises(ZooError, match="No picture has a name yet"):
        write_format(journal, tmp_path / "out.json", root=tmp_path)
    assert not (tmp_path / "out.json").exists()
