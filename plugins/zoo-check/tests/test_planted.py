"""2,000 drawn pictures with planted faults: all are found, and none on the same set without them."""

from __future__ import annotations

import csv
import json

import pytest
from command_line import CommandLine
from planted import BASE, BRIGHT, DARK, PLANTED, PlantedSet, write_set
from zoo_check import DatasetReport, examine_dataset

OPTIONS = {"labels": "labels.csv"}
NO_FAULT = {"odd"}  # to be looked at


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> PlantedSet:
    return write_set(tmp_path_factory.mktemp("planted") / "pictures", planted=True)


@pytest.fixture(scope="module")
def report(planted) -> DatasetReport:
    return examine_dataset("image-folder", planted.folder, options=OPTIONS)


def test_every_planted_fault_is_found_and_nothing_else(planted, report):
    found = {finding.kind: finding.count for finding in report.findings if finding.kind not in NO_FAULT}
    assert found == PLANTED
    assert report.pictures == planted.pictures


@pytest.mark.parametrize("kind", ["duplicate", "near-duplicate", "contradiction"])
def test_copies_are_named_with_what_they_are_copies_of(planted, report, kind):
    (finding,) = report.of_kind(kind)
    assert {frozenset(one) for one in finding.sets} == {frozenset(one) for one in planted.faults[kind]}


def test_what_cannot_be_read_and_what_leaks_is_named(planted, report):
    (broken,), (leaks,) = report.of_kind("unreadable"), report.of_kind("leak-groups")
    assert {*broken.drop} == {name for (name,) in planted.faults["unreadable"]}
    assert {*leaks.drop} == {name for (name,) in planted.faults["leak-groups"]}


def test_the_shortcut_is_told_by_its_classes_with_an_interval_beyond_chance(report):
    (finding,) = report.of_kind("shortcut-brightness")
    numbers = finding.numbers
    assert {BRIGHT, DARK} < {*numbers}
    assert numbers["chance"] == 1 / 8 < numbers["low"] < numbers["score"] < numbers["high"]
    assert f"{BRIGHT}" in finding.text
    assert f"{DARK}" in finding.text


def test_the_same_set_without_faults_has_none(tmp_path):
    clean = write_set(tmp_path / "pictures", planted=False)
    report = examine_dataset("image-folder", clean.folder, options=OPTIONS)
    assert report.findings == ()
    assert report.pictures == BASE


def test_the_list_takes_out_all_that_can_be_taken_out(planted, tmp_path, monkeypatch, capsys):
    command = CommandLine(monkeypatch, capsys)
    words = ("data", "check", "image-folder", "--data", planted.folder, "--set", "labels=labels.csv")
    first = command(*words, "-o", tmp_path / "exclude.csv", "--json")
    assert first.status == 1
    with (tmp_path / "exclude.csv").open(newline="") as file:
        listed = [row["path"] for row in csv.DictReader(file)]
    assert sorted(listed) == sorted(json.loads(first.out)["excluded"])
    assert len(listed) == 20 + 20 + 2 * 10 + 15 + 5
    again = command(*words, "--exclude", tmp_path / "exclude.csv", "--json")
    assert again.status == 0, again.err
    assert [finding["kind"] for finding in json.loads(again.out)["findings"]] == ["shortcut-brightness"]
