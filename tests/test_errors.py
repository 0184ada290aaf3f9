"""Errors: the problem, the remedy, and how Python and the command line name an argument."""

from __future__ import annotations

import pickle
import sys

import pytest

from zoo.cli.flags import in_flags
from zoo.cli.main import main
from zoo.errors import FileError, UnknownNameError, UsageError, ZooError


def test_an_error_carries_its_problem_and_its_remedy():
    error = UsageError("There is no device 'tpu' here.", "Use `device='cpu'`, or leave it out.")
    assert error.problem == "There is no device 'tpu' here."
    assert error.remedy == "Use `device='cpu'`, or leave it out."
    assert str(error) == "There is no device 'tpu' here. Use `device='cpu'`, or leave it out."


def test_an_error_may_have_no_remedy():
    assert str(ZooError("It rains.")) == "It rains."


def test_an_error_is_the_same_after_a_way_between_processes():
    error = pickle.loads(pickle.dumps(UsageError("It rains.", "Stay in.")))
    assert (error.problem, error.remedy, str(error)) == ("It rains.", "Stay in.", "It rains. Stay in.")


def test_the_nearest_name_is_the_remedy():
    error = UnknownNameError("cut", "blok4", ["block4"])
    assert (error.problem, error.remedy) == ("No cut is called 'blok4'.", "Did you mean 'block4'?")


@pytest.mark.parametrize(
    ("python", "command_line"),
    [
        ("Choose another `out=`.", "Choose another --out."),
        ("Use `device='cpu'`.", "Use --device cpu."),
        ("Run it once without `offline=True`.", "Run it once without --offline."),
        ("Push the filters alone: `heads=False`.", "Push the filters alone: --no-heads."),
        ("Pass `pictures='all'`.", "Pass --show-pictures."),
        ("Pass `overwrite=True`.", "Pass --overwrite."),
        ("Pass `create_pr=True`.", "Pass --create-pr."),
        ("Say `root=DIR`.", "Say --data DIR."),
        ("Let it through: `allow=['TEXT']`.", "Let it through: --allow TEXT."),
        ("Say `options={'labels': 'FILE.csv'}`.", "Say --set labels=FILE.csv."),
        ("Add `heads=['classify']`.", "Add --head classify."),
        ("`heads=[HeadSpec(plugin='classify', target=…)]`", "--head classify:target=…"),
        ("`heads=[HeadSpec(plugin='a', target=…, called='b')]`", "--head b=a:target=…"),
        ("Pass `separator=b'\\0'`.", "Pass --null."),
        ("Run `zoo data make whales --set pictures=300`.", "Run `zoo data make whales --set pictures=300`."),
        ("{out}/{0}/out=3.png is `features.0`", "{out}/{0}/out=3.png is `features.0`"),
    ],
)
def test_the_command_line_says_flags_where_python_says_arguments(python, command_line):
    assert in_flags(python) == command_line


def test_the_command_line_leaves_a_file_name_with_braces_alone(monkeypatch, capsys):
    def fails(**_):
        raise FileError("photos/{out} {0}.png", "this is a file", "Name a folder with `out=`.")

    monkeypatch.setattr("zoo.cli.main.cli.main", fails)
    monkeypatch.setattr(sys, "argv", ["zoo"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "Error: photos/{out} {0}.png: this is a file. Name a folder with --out.\n"
