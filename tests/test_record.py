"""run.json, history.json and metrics.json: read as they were written, and refused in a line where they are damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import zoo
from zoo.errors import FileError
from zoo.store.record import RECORD_FILE, RunRecord, as_json, read_record, write_record
from zoo.training.runs import check_run_folder

OLD = Path(__file__).parent / "data" / "version-0.1"


@pytest.fixture
def folder(tmp_path) -> Path:
    return shutil.copytree(OLD / "run", tmp_path / "run")


def facts(**changes):
    return {**json.loads((OLD / "run" / RECORD_FILE).read_text()), **changes}


@pytest.mark.parametrize("name", ["run", "tuned", "stopped"])
def test_a_record_is_written_as_version_0_1_wrote_it(name, tmp_path):
    write_record(tmp_path, read_record(OLD / name, RunRecord))
    assert (tmp_path / RECORD_FILE).read_bytes() == (OLD / name / RECORD_FILE).read_bytes()


def test_keys_of_a_later_version_are_passed_over_and_kept(folder):
    said = facts(later=[1])
    said["splits"]["later"] = 3
    said["model"]["cut"]["later"] = said["model"]["heads"][0]["later"] = "x"
    (folder / RECORD_FILE).write_text(json.dumps(said))
    run = zoo.open_run(folder)
    assert list(run.load_model().heads) == ["classify", "again"]
    noted = as_json(run.note(seconds=2.0).record)
    assert noted == as_json(read_record(folder, RunRecord))
    assert (noted["later"], noted["splits"]["later"], noted["seconds"]) == ([1], 3, 2.0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(300),
        b"[1]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(facts(seconds="long")).encode(),
        json.dumps(facts(splits=[1, 2])).encode(),
        json.dumps(facts(status="odd")).encode(),
        json.dumps(facts(model={})).encode(),
    ],
    ids=["empty", "zeros", "list", "nothing", "no text", "deep", "seconds", "splits", "status", "model"],
)
@pytest.mark.parametrize("read", [zoo.open_run, check_run_folder])
def test_a_damaged_run_json_is_one_line_with_the_file_and_the_remedy(content, read, folder):
    (folder / RECORD_FILE).write_bytes(content)
    with pytest.raises(FileError, match=r"run\.json: it is damaged \(.+\)\. Put a copy back") as caught:
        read(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(folder))


@pytest.mark.parametrize("content", ["", "[1]", '{"test": {"classify": {"accuracy": "high"}}}', '{"test": [1]}'])
def test_damaged_metrics_and_history_are_refused_where_they_are_read(content, folder):
    run = zoo.open_run(folder)
    (folder / "metrics.json").write_text(content)
    with pytest.raises(FileError, match=r"metrics\.json: it is damaged"):
        _ = run.metrics
    (folder / "history.json").write_text(content)
    with pytest.raises(FileError, match=r"history\.json: it is damaged"):
        _ = run.history


def test_a_figure_that_is_no_number_is_one_nevertheless(folder):
    (folder / "metrics.json").write_text('{"test": {"classify": {"auc": NaN, "confusion": [[1, 2], [3, 4]]}}}')
    found = zoo.open_run(folder).metrics["test"]["classify"]
    assert found["auc"] != found["auc"]
    assert found["confusion"] == [[1, 2], [3, 4]]
    assert type(found["confusion"][0][0]) is int


def test_what_no_manifest_may_say_is_refused_where_a_run_serves_as_filters(folder):
    (folder / RECORD_FILE).write_text(json.dumps(facts(base_manifest="a\nb")))
    with pytest.raises(FileError, match=r"run\.json: it is damaged \(base_manifest: String should match"):
        zoo.load(folder)
